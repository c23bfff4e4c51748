"""Gate, lag, watchdog and replay's choice: the small decisions around the flow."""

import asyncio
import math
import time
from dataclasses import replace
from types import SimpleNamespace

from aiokafka.errors import NodeNotReadyError
from hypothesis import given
from hypothesis import strategies as st

from bridge.kafka.consumer.client.kafka_client import Offsets
from bridge.kafka.consumer.gate import FETCH_BYTES, Gate
from bridge.kafka.consumer.lag import LagMeter, lag_of
from bridge.kafka.consumer.ledger import Ledger
from bridge.kafka.dead_letters.replay import Replayed, _choose
from bridge.kafka.dead_letters.stored_letters import Filter, Stored
from bridge.model.dead_letter import DeadLetter
from bridge.sources.moengage.decoder import DECODER
from bridge.telemetry.metrics import Metrics
from bridge.worker.watch.watchdog import Stall, Vitals, Watchdog, stacks

P0, P1 = ("t", 0), ("t", 1)


def _gate(*, max_events=100, max_bytes=10_000_000, blocked=False):
    ledger, state = Ledger(), SimpleNamespace(blocked=blocked)
    ledger.open(1, {P0: None, P1: None})
    gate = Gate(
        ledger,
        max_events=max_events,
        max_bytes=max_bytes,
        blocked=lambda: state.blocked,
        evidence=lambda _ahead: 0,
        metrics=Metrics(),
    )
    return ledger, gate, state


def _fetch(ledger, partition, first, count, weight=1):
    records = [SimpleNamespace(timestamp=0)] * count
    return ledger.register_chunk(partition, 1, records, weight, first=first, last=first + count - 1)


async def test_the_gate_closes_at_its_bounds_and_opens_when_there_is_room():
    """Events and bytes bound what is under way; an acknowledgement opens again."""
    ledger, gate, _ = _gate()
    assert gate.admitted([P0, P1]) == {P0, P1}
    chunk = _fetch(ledger, P0, 0, 100)
    assert gate.admitted([P0, P1]) == set()
    waiting = asyncio.create_task(gate.wait(5))
    await asyncio.sleep(0)
    ledger.admit(chunk, 100)
    ledger.resolve(chunk, 60)
    gate.freed()
    await asyncio.wait_for(waiting, 1)
    assert gate.admitted([P0]) == {P0}
    assert gate.room == 60
    _fetch(ledger, P1, 0, 1, weight=20_000_000)
    assert not gate.open


async def test_few_chunks_wait_to_be_mapped():
    """Four that nobody has taken yet close the gate for every partition; one that is taken opens it and wakes who waits."""
    ledger, gate, _ = _gate()
    chunks = [_fetch(ledger, P0, first, 1) for first in range(4)]
    assert gate.admitted([P0, P1]) == set()
    assert not await gate.wait(0.01), "nothing was taken"
    waiting = asyncio.create_task(gate.wait(5))
    await asyncio.sleep(0)
    ledger.admit(chunks[0], 1)
    gate.freed()
    assert await asyncio.wait_for(waiting, 1)
    assert gate.admitted([P0, P1]) == {P0, P1}
    _fetch(ledger, P1, 0, 1)
    ledger.close([P0])
    assert gate.open, "those of a partition that is gone do not count"


async def test_a_partition_that_is_held_up_waits_alone():
    """One open event at the head of a partition: it pauses at its span, the other goes on."""
    ledger, gate, _ = _gate(max_events=50)
    _fetch(ledger, P0, 0, 1)
    for first in range(1, 100, 10):
        chunk = _fetch(ledger, P0, first, 10)
        ledger.admit(chunk, 10)
        ledger.resolve(chunk, 10)
    assert ledger.events == 1
    assert gate.admitted([P0, P1]) == {P1}


async def test_while_the_destination_is_away_only_probes_are_fetched():
    """An open circuit leaves a tenth of the bounds."""
    ledger, gate, state = _gate(max_events=100, blocked=True)
    _fetch(ledger, P0, 0, 10)
    assert not gate.open
    state.blocked = False
    assert gate.open


async def test_many_partitions_take_turns_for_the_room_in_bytes():
    """With room for two full fetches two of five partitions are asked, and each has its turn."""
    ledger, gate, _ = _gate(max_bytes=2 * FETCH_BYTES)
    five = [("t", n) for n in range(5)]
    rounds = [gate.admitted(five) for _ in range(5)]
    assert all(len(some) == 2 for some in rounds)
    assert set().union(*rounds) == set(five)
    gate.shut()
    assert gate.admitted(five) == set()
    assert ledger.events == 0


@given(st.integers(0, 99), st.none() | st.integers(0, 200), st.integers(0, 200))
def test_lag_counts_from_the_commit_or_the_first_record(first, committed, end):
    """Lag is never negative, and records that retention has removed are not waited for."""
    lag = lag_of(first, committed, end)
    assert lag == max(0, end - max(first, committed or 0))


async def test_lag_is_shown_for_owned_partitions_only():
    """A partition that went to another worker leaves the metric."""
    ledger, metrics = Ledger(), Metrics()

    class _Source:
        away = False

        async def offsets(self, partitions):
            if self.away:
                raise NodeNotReadyError
            return dict.fromkeys(partitions, Offsets(0, 3, 10, 3))

    source = _Source()
    now = [0.0]
    meter = LagMeter(source, ledger, metrics, interval=0.01, clock=lambda: now[0])
    ledger.open(1, {P0: None, P1: None})
    task = asyncio.create_task(meter.run())
    await asyncio.sleep(0.05)
    assert meter.total == 14
    ledger.open(2, {P1: None})
    await asyncio.sleep(0.05)
    assert meter.total == 7
    labels = {tuple(s.labels.values()) for s in next(iter(metrics.kafka_lag.collect())).samples}
    assert labels == {("t", "1")}
    source.away = True
    now[0] = 9.9
    await asyncio.sleep(0.1)
    assert not meter.unanswered
    now[0] = 10.0
    assert meter.unanswered, "ten seconds after the last answer, whether or not the question has failed yet"
    assert meter.total is None
    source.away = False
    await asyncio.sleep(0.05)
    assert not meter.unanswered
    task.cancel()


async def test_a_lag_that_is_not_known_is_not_shown():
    """Between two assignments, and when brokers have stopped answering: no figure of before stands for one of now."""
    ledger, metrics, now = Ledger(), Metrics(), [0.0]

    class _Source:
        away, joined = False, True

        async def offsets(self, partitions):
            if self.away:
                raise NodeNotReadyError
            return dict.fromkeys(partitions, Offsets(0, 3, 10, 3))

    def shown():
        return metrics.registry.get_sample_value("bridge_kafka_lag", {"topic": "t", "partition": "0"})

    source = _Source()
    meter = LagMeter(source, ledger, metrics, interval=0.01, clock=lambda: now[0], joined=lambda: source.joined)
    ledger.open(1, {P0: None})
    task = asyncio.create_task(meter.run())
    await asyncio.sleep(0.05)
    assert (meter.total, shown()) == (7, 7)
    source.joined = False
    await asyncio.sleep(0.05)
    assert (meter.total, shown()) == (None, None)
    source.joined = True
    await asyncio.sleep(0.05)
    assert (meter.total, shown()) == (7, 7)
    source.away = True
    await asyncio.sleep(0.05)
    assert (meter.total, shown()) == (None, 7), "a moment without an answer is no outage"
    now[0] = 10.0
    await asyncio.sleep(0.05)
    assert (meter.total, shown()) == (None, None)
    task.cancel()


async def test_what_waits_in_a_partition_that_cannot_be_read_is_no_work():
    """It is told elsewhere, and no restart mends it: the watchdog must not end the worker over it again and again."""
    ledger, unreadable = Ledger(), set()

    class _Source:
        async def offsets(self, partitions):
            return dict.fromkeys(partitions, Offsets(0, 3, 10, 3))

    meter = LagMeter(_Source(), ledger, Metrics(), interval=0.01, unreadable=lambda: unreadable)
    assert not meter.movable
    ledger.open(1, {P0: None, P1: None})
    task = asyncio.create_task(meter.run())
    await asyncio.sleep(0.05)
    assert (meter.total, meter.movable) == (14, True)
    unreadable.add(P0)
    assert (meter.total, meter.movable) == (14, True)
    unreadable.add(P1)
    assert (meter.total, meter.movable) == (14, False)
    task.cancel()


async def test_a_topic_that_is_absent_is_looked_for():
    """Every two seconds while it is, and never while it is there: more workers than partitions is all right."""
    ledger, now, absent, looked, back = Ledger(), [0.0], [False], [], []

    class _Source:
        async def refresh(self):
            looked.append(now[0])

        async def look_back(self):
            back.append(now[0])

    meter = LagMeter(_Source(), ledger, Metrics(), interval=0.01, clock=lambda: now[0], absent=lambda: absent[0])
    task = asyncio.create_task(meter.run())
    for now[0] in (1.0, 3.0, 5.0, 6.5, 7.0):
        absent[0] = now[0] >= 5
        await asyncio.sleep(0.05)
    assert looked == [5.0, 7.0]
    assert back == [3.0, 5.0, 7.0], "what was assigned before may have gone with its topic, whether or not it is back"
    assert meter.total == 0
    task.cancel()


async def test_the_marker_of_a_transaction_is_no_lag():
    """What lies behind the last record and is none does not wait for ever; what is open, or not committed yet, does."""
    ledger = Ledger()
    ledger.open(1, {P0: None})

    class _Source:
        async def offsets(self, partitions):
            return dict.fromkeys(partitions, Offsets(0, 3, 5, 5))

    meter = LagMeter(_Source(), ledger, Metrics(), interval=0.01)
    chunk = ledger.register_chunk(P0, 1, [SimpleNamespace(timestamp=0)], 1, first=3, last=3)
    task = asyncio.create_task(meter.run())
    await asyncio.sleep(0.1)
    assert meter.total == 2, "one is open"
    ledger.admit(chunk, 0)
    await asyncio.sleep(0.1)
    assert meter.total == 2, "finished, but the commit has not succeeded"
    ledger.confirm(1, {P0: 4})
    await asyncio.sleep(0.1)
    assert meter.total == 0
    task.cancel()


async def test_a_worker_that_has_finished_nothing_shows_how_long_events_wait():
    """Started anew while AEP is away, it shows the age of what it holds; then of the newest that is acknowledged."""
    ledger, metrics = Ledger(), Metrics()
    ledger.open(1, {P0: None})

    class _Source:
        async def offsets(self, partitions):
            return dict.fromkeys(partitions, Offsets(0, 0, 9, 2))

    an_hour_ago, now = (time.time() - 3_600) * 1_000, time.time() * 1_000
    first, second = (
        ledger.register_chunk(P0, 1, [SimpleNamespace(timestamp=at)], 1, first=n, last=n)
        for n, at in enumerate([an_hour_ago, now])
    )
    task = asyncio.create_task(LagMeter(_Source(), ledger, metrics, interval=0.01).run())
    await asyncio.sleep(0.1)
    assert 3_590 < metrics.event_age_seconds._value.get() < 3_700
    for chunk in (first, second):
        ledger.admit(chunk, 0)
    await asyncio.sleep(0.1)
    assert metrics.event_age_seconds._value.get() < 60
    task.cancel()


def test_a_stall_is_no_progress_while_busy():
    """Progress, idleness or a good reason not to work start the time anew; 0 turns it off."""
    stall = Stall(10)
    assert not stall.check(0, 1, busy=True)
    assert not stall.check(9, 1, busy=True)
    assert stall.check(10, 1, busy=True)
    assert not stall.check(11, 2, busy=True)
    assert not stall.check(30, 2, busy=False)
    assert not stall.check(31, 2, busy=True)
    assert stall.check(41, 2, busy=True)
    never = Stall(0)
    assert not never.check(0, 1, busy=True)
    assert not never.check(1e9, 1, busy=True)


def test_the_watchdog_tells_what_does_not_move():
    """Each reason by its own name; nothing while it is held, has nothing to do, or waits for the brokers."""
    stuck = Vitals(
        lag=True,
        resolved=3,
        committed=(7,),
        committable=True,
        joined=True,
        connected=True,
        held=False,
        answers=0,
        silent=0.0,
        lost="",
    )
    fine = {
        "idle": replace(stuck, lag=False),
        "held, and commits go through": replace(stuck, held=True, committable=False),
        "no brokers": replace(stuck, lag=False, joined=False, connected=False),
    }
    for name, vitals in fine.items():
        watchdog = Watchdog(10)
        assert [watchdog.check(now, vitals) for now in (0, 60)] == [[], []], name
    wrong = {
        "no event finished for 10 s": replace(stuck, committable=False),
        "no commit succeeded for 10 s": replace(stuck, held=True),
        "not joined for 10 s": replace(stuck, lag=False, joined=False),
    }
    for why, vitals in wrong.items():
        watchdog = Watchdog(10)
        assert [watchdog.check(now, vitals) for now in (0, 9, 10)] == [[], [], [why]]


def test_answers_however_bad_are_no_stall():
    """A destination that answers each request with a failure is told by delivery: the next worker would meet the same."""
    watchdog = Watchdog(10)
    vitals = Vitals(
        lag=True,
        resolved=3,
        committed=(7,),
        committable=False,
        joined=True,
        connected=True,
        held=False,
        answers=0,
        silent=0.0,
        lost="",
    )
    for now in range(0, 60, 5):
        assert watchdog.check(now, replace(vitals, answers=now)) == []
    assert watchdog.check(64, replace(vitals, answers=55)) == []
    assert watchdog.check(65, replace(vitals, answers=55)) == ["no event finished for 10 s"]


def test_brokers_that_have_fallen_silent_end_a_worker_that_was_a_member():
    """A restart reads certificates and addresses anew; before the first assignment there is nothing to give up, and 0 is never."""
    fine = Vitals(
        lag=False,
        resolved=3,
        committed=(7,),
        committable=False,
        joined=True,
        connected=False,
        held=True,
        answers=0,
        silent=0.0,
        lost="",
    )
    never_joined = replace(fine, joined=False)
    assert Watchdog(10).check(0, replace(never_joined, silent=60.0)) == []
    assert Watchdog(0).check(0, replace(fine, silent=1e9)) == []
    watchdog = Watchdog(10)
    assert watchdog.check(0, fine) == []
    assert watchdog.check(1, replace(never_joined, silent=9.9)) == []
    assert watchdog.check(2, replace(never_joined, silent=10.0)) == ["no answer of the brokers for 10 s"]


def test_a_lost_event_ends_the_worker_at_once():
    """The time has passed when it is told; while delivery is held too."""
    vitals = Vitals(
        lag=True,
        resolved=3,
        committed=(7,),
        committable=False,
        joined=True,
        connected=True,
        held=True,
        answers=0,
        silent=0.0,
        lost="",
    )
    assert Watchdog(10).check(0, replace(vitals, lost="nobody holds t[0]")) == ["nobody holds t[0]"]


async def test_what_is_not_known_is_not_shown():
    """Before there are partitions, and after brokers have been silent for ten seconds, neither lag nor age are numbers."""
    ledger, metrics = Ledger(), Metrics()

    class _Source:
        away = False

        async def offsets(self, partitions):
            if self.away:
                raise NodeNotReadyError
            return dict.fromkeys(partitions, Offsets(0, 3, 10, 3, None))

    def shown():
        age = metrics.event_age_seconds._value.get()
        return len(next(iter(metrics.kafka_lag.collect())).samples), math.isnan(age)

    source, now = _Source(), [0.0]
    meter = LagMeter(source, ledger, metrics, interval=0.01, clock=lambda: now[0])
    assert (shown(), meter.lags) == ((0, True), None)
    task = asyncio.create_task(meter.run())
    await asyncio.sleep(0.05)
    assert shown() == (0, True), "no partition, no lag"
    ledger.open(1, {P0: None, P1: None})
    await asyncio.sleep(0.05)
    assert (shown(), meter.lags) == ((2, False), {P0: 7, P1: 7})
    source.away, now[0] = True, 9.0
    await asyncio.sleep(0.05)
    assert (shown(), meter.lags) == ((2, False), None), "a moment without an answer is a rebalance"
    now[0] = 10.0
    await asyncio.sleep(0.05)
    assert (shown(), meter.silent) == ((0, True), 10.0)
    source.away = False
    await asyncio.sleep(0.05)
    assert (shown(), meter.silent) == ((2, False), 0.0)
    task.cancel()


async def test_stacks_name_tasks_and_lines_without_values():
    """The dump shows where a task waits."""

    async def stuck(secret):
        await asyncio.sleep(10)
        return secret

    task = asyncio.create_task(stuck("payload-7"), name="stuck-one")
    await asyncio.sleep(0)
    found = dict(stacks())
    task.cancel()
    assert "stuck" in found["task stuck-one"]
    assert "payload-7" not in str(found)


async def test_stacks_show_where_a_task_really_waits():
    """Through coroutines, asynchronous generators and ``__await__`` down to the innermost frame, which comes first."""

    class Awaitable:
        def __await__(self):
            return innermost("payload-8").__await__()

    async def innermost(secret):
        await asyncio.get_running_loop().create_future()
        return secret

    async def generator():
        await Awaitable()
        yield 1

    async def outermost():
        async for _ in generator():
            pass

    async def deep(levels):
        await (deep(levels - 1) if levels else innermost("payload-9"))

    async def began():
        await deep(49)

    tasks = [asyncio.create_task(outermost(), name="chain"), asyncio.create_task(began(), name="deep")]
    await asyncio.sleep(0)
    found = dict(stacks())
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    names = [line.split()[-1] for line in found["task chain"].split(" < ")]
    assert names == ["innermost", "generator", "outermost"]
    line = innermost.__code__.co_firstlineno + 1
    assert found["task chain"].startswith(f"test_flow.py:{line} innermost")
    assert found["task deep"].startswith(f"test_flow.py:{line} innermost")
    told = [part.split()[-1] for part in found["task deep"].split(" < ")]
    assert told == ["innermost", *["deep"] * 7, "more)", *["deep"] * 5, "began"]
    assert "(38 more)" in found["task deep"]
    assert "payload-" not in str(found)


async def test_stacks_of_the_one_that_asks_and_of_one_that_has_not_run():
    """The task that asks is running, and one that has just begun has not awaited yet: both have a line all the same."""

    async def fresh():
        await asyncio.sleep(1)

    task = asyncio.create_task(fresh(), name="fresh")
    found = dict(stacks())
    task.cancel()
    me = asyncio.current_task()
    assert "test_stacks_of_the_one" in found[f"task {me.get_name()}"]
    assert "fresh" in found["task fresh"]


def test_replay_skips_what_was_round_too_often_and_counts_why():
    """Loop guard, filter, truncated letters and the maximum: each letter is sent or has a reason to stay."""
    letters = [
        DeadLetter(b"k", b'{"event_uuid": "1", "event_code": "A"}', "deliver", "aep_400", "", topic="src"),
        DeadLetter(b"k", b"{}", "deliver", "aep_400", "", replays=3),
        DeadLetter(b"k", b"x", "receive", "too_large", "", truncated_from=9),
        DeadLetter(b"k", b"{}", "map", "other", ""),
        DeadLetter(b"k", b"{}", "deliver", "aep_400", ""),
    ]
    batch = [Stored(0, 10 + n, letter, letter.to_headers()) for n, letter in enumerate(letters)]
    done = Replayed()
    chosen = _choose(batch, Filter(), done, topic="events", most=None, max_replays=3)
    assert chosen.upto == 15
    assert {topic: len(some) for topic, some in chosen.records.items()} == {"src": 1, "events": 2}
    assert dict(done.kept) == {"replayed already as often as is allowed": 1, "truncated": 1}
    assert chosen.records["src"][0][1][2] == [("bridge.replays", b"1")]
    done = Replayed()
    chosen = _choose(batch, Filter(code="aep_400"), done, topic="events", most=1, max_replays=3)
    assert (chosen.upto, done.sent.total()) == (11, 1)
    assert Filter(event_code="A").fits(letters[0], DECODER)
    assert not Filter(event_code="B").fits(letters[0], DECODER)
    assert Filter().name == ""
    assert Filter(code="a").name != Filter(code="b").name


def test_a_letter_too_large_for_its_topic_does_not_stop_a_replay():
    """The dead-letter topic may take more than the event topic: such a letter is left, its neighbours go."""
    batch = [
        Stored(0, n, DeadLetter(None, value, "receive", "too_large", "large"), [])
        for n, value in enumerate([b"a" * 500, b"b", b"c" * 500])
    ]
    done = Replayed()
    chosen = _choose(batch, Filter(), done, topic="events", most=None, max_replays=3, limit={"events": 100}.__getitem__)
    assert (chosen.upto, chosen.left) == (3, [0, 2])
    assert [value for _, (_, value, _) in chosen.records["events"]] == [b"b"]
    assert (done.sent.total(), dict(done.kept)) == (1, {"larger than the topic accepts": 2})
