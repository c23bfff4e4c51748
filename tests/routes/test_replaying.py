"""What a replay of the topic sends, and what stays; killed anywhere, it goes on, and nothing is left out."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from bridge.kafka.producer.refusal import Refused, RefusedByKafka
from bridge.kafka.replaying.range_marks import ReplayAsked, copy_headers, is_copy
from bridge.kafka.replaying.replay_topic import TopicSpan
from bridge.model.errors import KafkaError
from bridge.routes import record_choice, replaying
from bridge.routes.record_choice import RecordChoice, holds_states
from bridge.routes.replaying import TopicReplay
from bridge.sources.moengage.decoder import DECODER

_DAY = 86_400_000
ASKED = ReplayAsked(0, 10 * _DAY)


class Log:
    """A topic in memory: records by partition, a range in each, marks."""

    def __init__(self, partitions, *, ends=None, starts=None):
        self.partitions = partitions
        self.ends = ends or [len(records) for records in partitions]
        self.starts = starts or [0] * len(partitions)
        self.kept = {}
        self.fails_after = None
        self.sizes = []

    def limit(self, _topic):
        """More than anything here."""
        return 1_000_000

    async def spans(self):
        """As they lie."""
        return {
            number: TopicSpan(self.starts[number], self.ends[number], len(records))
            for number, records in enumerate(self.partitions)
        }

    async def marks(self):
        """What was kept."""
        return dict(self.kept)

    async def pages(self, partition, start, end, *, most=3):
        """A few at once."""
        for at in range(start, end, most):
            yield self.partitions[partition][at : min(end, at + most)]

    async def added(self, partition, start):
        """All behind."""
        records = self.partitions[partition]
        return records[start:], len(records)

    async def keep(self, marks):
        """Of one partition behind a page: here a kill strikes, between what was sent and its mark."""
        if self.fails_after is not None and self.sizes:
            self.fails_after -= 1
            if self.fails_after < 0:
                raise KafkaError("killed")
        self.kept.update(marks)

    async def publish(self, records, **_):
        """Append them, by key."""
        self.sizes.append(len(records))
        for key, value, headers in records:
            number = (key or b"0")[-1] % len(self.partitions)
            self.append(number, key, value, headers)

    def append(self, number, key, value, headers=(), timestamp=_DAY):
        """One more record."""
        log = self.partitions[number]
        log.append(_record(number, len(log), key, value, headers, timestamp=timestamp))


def _record(partition, offset, key, value, headers=(), *, timestamp=_DAY):
    return SimpleNamespace(
        partition=partition, offset=offset, key=key, value=value, headers=list(headers), timestamp=timestamp
    )


def _event(number, code="Test"):
    return json.dumps({"event_uuid": f"event-{number}", "event_code": code}).encode()


ROUTE = SimpleNamespace(
    source="moengage", settings=SimpleNamespace(kafka=SimpleNamespace(topic="events"), warehouse=None)
)


def _replay(log, asked=ASKED, *, letters=None, states=False, **more):
    choice = RecordChoice(asked, DECODER, letters or {}, states=states)
    return TopicReplay(ROUTE, log, asked, choice, tell=lambda *_: None, **more)


async def _all(log, asked=ASKED, *, again=False, most=None, **more):
    one = _replay(log, asked, **more)
    plan = await one.plan(again=again)
    return plan, await one.send(plan, log, most=most)


def _copies(log):
    return [record for records in log.partitions for record in records if is_copy(record.headers)]


def test_key_value_and_headers_are_kept_and_the_copy_says_so() -> None:
    """In order within the partition; the header names the place, and how often it was round."""
    log = Log([[_record(0, n, b"\0", _event(n), [("x", b"1"), ("bridge.form", b"event")]) for n in range(7)]])
    _, done = asyncio.run(_all(log))
    assert (done.sent, done.complete) == (7, True)
    assert [record.value for record in _copies(log)] == [_event(n) for n in range(7)]
    assert _copies(log)[3].headers == [
        ("x", b"1"),
        ("bridge.form", b"event"),
        ("bridge.replays", b"1"),
        ("bridge.replayed_from", b"0/3"),
    ]


def test_the_same_replay_sends_nothing_twice_unless_again() -> None:
    """And its copies, which lie in a wider range, are not copied, unless they are asked for."""
    log = Log([[_record(0, n, b"\0", _event(n)) for n in range(4)]])
    asyncio.run(_all(log))
    plan, done = asyncio.run(_all(log))
    assert (plan.records, plan.before, done.sent) == (0, 4, 0)
    _, done = asyncio.run(_all(log, again=True))
    assert (done.sent, len(_copies(log))) == (4, 8)
    log.ends, log.kept = [12], {}
    plan, _ = asyncio.run(_all(log))
    assert (plan.records, plan.left) == (4, {record_choice.COPY: 8})
    log.kept = {}
    plan, _ = asyncio.run(_all(log, ReplayAsked(0, 10 * _DAY, copies=True)))
    assert plan.records == 12


def test_what_stays_is_counted_by_its_reason() -> None:
    """Tombstones, dead letters, other keys and codes; of a record of several events all must be dead letters."""
    two = json.dumps(
        {"app_name": "L", "events": [{"event_uuid": "a"}, {"event_uuid": "b", "event_code": "Two"}]}
    ).encode()
    log = Log(
        [
            [
                _record(0, 0, b"\0", None),
                _record(0, 1, b"\0", _event(1)),
                _record(0, 2, b"\2", _event(2)),
                _record(0, 3, b"\0", two),
                _record(0, 4, b"\0", two),
                _record(0, 5, b"\0", _event(5)),
            ]
        ]
    )
    letters = {(0, 1): 1, (0, 3): 1, (0, 4): 2}
    plan = asyncio.run(_replay(log, ReplayAsked(0, 10 * _DAY, key="\0"), letters=letters).plan())
    assert plan.left == {record_choice.EMPTY: 1, record_choice.REFUSED: 2, record_choice.NOT_ASKED: 1}
    assert plan.by_code == Counter({(1, ""): 1, (1, "Test"): 1})
    plan = asyncio.run(_replay(log, ReplayAsked(0, 10 * _DAY, event_code="Two"), letters=letters).plan())
    assert plan.records == 1


_STATES = ReplayAsked(0, 10 * _DAY, newest=True)


def test_of_a_customer_only_the_newest_state_is_sent_and_none_that_is_older_than_what_lies_behind() -> None:
    """Events of the same customer are all sent, dead letters do not hide the state before them."""
    happening = json.dumps({"kind": "event", "event_uuid": "h"}).encode()
    log = Log(
        [
            [
                _record(0, 0, b"a", _event(0)),
                _record(0, 1, b"a", happening),
                _record(0, 2, b"a", _event(2)),
                _record(0, 3, b"b", _event(3)),
                _record(0, 4, b"c", _event(4)),
                _record(0, 5, b"c", _event(5)),
                _record(0, 6, None, _event(6)),
                _record(0, 7, b"b", _event(7)),
            ]
        ],
        ends=[7],
    )
    plan, _ = asyncio.run(_all(log, _STATES, states=True, letters={(0, 5): 1}))
    assert [record.headers[-1][1] for record in _copies(log)] == [b"0/1", b"0/2", b"0/4", b"0/6"]
    assert plan.left == {replaying.REPLACED: 2, record_choice.REFUSED: 1}


def test_rows_of_one_customer_are_told_apart() -> None:
    """Two rows, each with its newest state; a column called kind makes no event of one."""
    value = json.dumps({"kind": "event", "event_uuid": "r"}).encode()
    log = Log([[_record(0, n, b"a", value, [("bridge.row", row)]) for n, row in enumerate([b"1", b"2", b"1"])]])
    asyncio.run(_all(log, _STATES, states=True))
    assert [record.headers[-1][1] for record in _copies(log)] == [b"0/1", b"0/2"]


def test_a_state_that_comes_while_it_runs_is_not_overwritten() -> None:
    """Between counting and sending the customer has changed."""
    log = Log([[_record(0, n, b"abc"[n : n + 1], _event(n)) for n in range(3)]])

    async def run():
        one = _replay(log, _STATES, states=True)
        plan = await one.plan()
        log.append(0, b"b", _event(9), timestamp=2 * _DAY)
        return await one.send(plan, log)

    done = asyncio.run(run())
    assert (done.sent, done.left) == (2, {replaying.REPLACED: 1})


_records = st.lists(
    st.lists(st.tuples(st.sampled_from([b"\0", b"\1", b"\2", b"\3"]), st.booleans()), max_size=12),
    min_size=1,
    max_size=3,
)


@given(_records, st.lists(st.integers(0, 4), max_size=4), st.booleans(), st.none() | st.integers(1, 5))
def test_killed_anywhere_it_goes_on_and_leaves_nothing_out(partitions, kills, states, most) -> None:
    """Each record of the range that fits is there once more at least, and repeated by a page a kill at most."""
    log = Log(
        [
            [_record(number, n, key, _event(n) if there else None) for n, (key, there) in enumerate(records)]
            for number, records in enumerate(partitions)
        ]
    )
    asked = _STATES if states else ASKED
    wanted = [record for records in log.partitions for record in records if record.value is not None]
    if states:
        newest = {record.key: record for record in sorted(wanted, key=lambda r: (r.timestamp, r.partition, r.offset))}
        wanted = list(newest.values())
    repeated = 0
    for after in kills:
        log.fails_after = after
        try:
            asyncio.run(_all(log, asked, states=states, most=most))
        except KafkaError:
            repeated += log.sizes[-1] if log.sizes else 0
    log.fails_after = None
    for _ in range(100):
        _, done = asyncio.run(_all(log, asked, states=states, most=most))
        if done.complete:
            break
    assert done.complete
    sent = Counter(dict(record.headers)["bridge.replayed_from"] for record in _copies(log))
    assert sent.keys() == {b"%d/%d" % (record.partition, record.offset) for record in wanted}
    assert sent.total() - len(sent) <= repeated


def test_a_limit_ends_it_and_the_next_run_goes_on() -> None:
    """Across partitions."""
    log = Log([[_record(p, n, bytes([p]), _event(n)) for n in range(5)] for p in range(2)])
    sent = [asyncio.run(_all(log, most=4))[1] for _ in range(4)]
    assert [(done.sent, done.complete) for done in sent] == [(4, False), (4, False), (2, True), (0, True)]


def test_the_pace_is_kept() -> None:
    """Ten a second: twenty take two seconds."""
    log, now = Log([[_record(0, n, b"\0", _event(n)) for n in range(20)]]), [0.0]

    async def sleep(seconds):
        now[0] += seconds

    async def run():
        one = _replay(log, clock=lambda: now[0], sleep=sleep)
        return await one.send(await one.plan(), log, per_second=10)

    assert asyncio.run(run()).seconds == 2.0


def test_stopped_it_keeps_what_it_has() -> None:
    """Nothing is sent after the signal."""
    log = Log([[_record(0, n, b"\0", _event(n)) for n in range(9)]])
    asked = iter([False] * 4 + [True])

    async def run():
        one = _replay(log, stopped=lambda: next(asked))
        return await one.send(await one.plan(), log, per_second=3)

    done = asyncio.run(run())
    assert (done.sent, done.complete, log.kept[0].upto) == (3, False, 3)


def test_stopped_while_it_counts_it_ends_there() -> None:
    """Also while it looks for the newest of each customer."""
    for asked in (ASKED, _STATES):
        log = Log([[_record(0, n, bytes([n]), _event(n)) for n in range(9)]])
        plan = asyncio.run(_replay(log, asked, states=True, stopped=lambda: True).plan())
        assert plan.records <= 3
        assert len(plan.newest) <= 3


def test_what_the_topic_refuses_is_told_and_stops_nothing() -> None:
    """Its limit may have been lowered since."""
    log = Log([[_record(0, n, b"\0", _event(n)) for n in range(3)]])

    class Refusing:
        async def publish(self, *_, **__):
            raise RefusedByKafka([Refused(1, "too_large", "")])

    async def run():
        one = _replay(log)
        return await one.send(await one.plan(), Refusing())

    done = asyncio.run(run())
    assert (done.sent, done.left, done.complete) == (2, {replaying.TOO_LARGE: 1}, True)


def test_routes_of_states_are_known() -> None:
    """Adobe's profiles and rows of users; not events."""

    def route(source, kind="users"):
        return SimpleNamespace(source=source, settings=SimpleNamespace(warehouse=SimpleNamespace(kind=kind)))

    assert [holds_states(route(source)) for source in ("adobe", "warehouse", "moengage", "mparticle")] == [
        True,
        True,
        False,
        False,
    ]
    assert not holds_states(route("warehouse", "events"))


@given(st.lists(st.tuples(st.sampled_from(["x", "bridge.replays", "bridge.row"]), st.none() | st.binary(max_size=12))))
def test_headers_of_a_copy_never_fail_and_lose_nothing(headers) -> None:
    """Others' headers stay as they are; a garbled count begins anew."""
    made = copy_headers(headers, 1, 2)
    assert made[:-2] == [each for each in headers if each[0] != "bridge.replays"]
    assert made[-1] == ("bridge.replayed_from", b"1/2")
    assert int(made[-2][1]) >= 1
