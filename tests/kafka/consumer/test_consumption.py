"""Consuming in the main loop, with rebalances and failures put where they hurt most; the client's side is the real one over a stub."""

import asyncio
from types import SimpleNamespace

import pytest
from aiokafka.errors import ConsumerStoppedError, CorruptRecordException, KafkaError
from stub_client import StubClient

from bridge.kafka.consumer.client.fetching import Fetching
from bridge.kafka.consumer.consumption import Consumption, Flow
from bridge.kafka.consumer.gate import Gate
from bridge.kafka.consumer.ledger import Ledger, UnaccountedError
from bridge.kafka.consumer.reading import Reading
from bridge.model.day_counts import ChunkCounts, OffsetNote
from bridge.runtime.deadline import Deadline, StopBudget
from bridge.telemetry.metrics import Metrics
from bridge.testing.virtual_loop import VirtualLoop
from bridge.worker.stopping import stop_worker

P0, P1 = ("t", 0), ("t", 1)


class _Finisher:
    """Delivers nothing more at a revoke."""

    asked = 0
    left = 1.0

    async def for_revoke(self):
        self.asked += 1
        return Deadline.after(asyncio.get_running_loop().time, self.left)


class _Worker:
    """All that consumes, in one loop; ``take`` finishes every event of a chunk."""

    def __init__(self, *partitions, max_events=1_000, assigned=True):
        self.partitions = list(partitions)
        self.client = StubClient(*partitions)
        self.now = 0.0
        self.fetching = Fetching(self.client, lambda: self.now)
        self.ledger = Ledger()
        self.metrics = Metrics()
        self.gate = Gate(
            self.ledger,
            max_events=max_events,
            max_bytes=10_000_000,
            blocked=lambda: False,
            evidence=lambda _ahead: 0,
            metrics=self.metrics,
        )
        self.reading = Reading(self.metrics, lambda: self.now)
        self.finisher = _Finisher()
        self.open, self.ending = True, False
        self.consumption = Consumption(
            self.fetching,
            Flow(lambda: self.partitions, lambda: self.open, lambda: self.ending),
            ledger=self.ledger,
            gate=self.gate,
            finisher=self.finisher,
            reporting=self.reading,
            commit_seconds=0.05,
        )
        if assigned:
            self.assign()

    def assign(self):
        self.client_side_assigned()
        self.consumption.assigned(self.partitions)

    def client_side_assigned(self):
        self.client.assign()
        self.fetching.assigned()

    async def round(self):
        return [chunk async for chunk in self.consumption.chunks(0.01)]

    def take(self, chunk):
        self.ledger.admit(chunk, len(chunk.records))
        self.ledger.resolve(chunk, len(chunk.records))


async def test_what_is_fetched_is_written_down_and_committed_when_it_is_finished():
    """Records, then the markers behind them: the offset to commit is that behind both."""
    worker = _Worker(P0)
    worker.client.logs[P0].append(3, gap=2)
    (chunk,) = await worker.round()
    assert not await worker.consumption.commit()
    worker.take(chunk)
    assert await worker.consumption.commit()
    assert worker.client.stored == {P0: 5}
    assert not await worker.consumption.commit(), "once"


async def test_markers_alone_are_committed_as_well():
    """Else lag would stand above zero behind them for ever."""
    worker = _Worker(P0)
    worker.client.logs[P0].append(0, gap=4)
    assert await worker.round() == []
    assert await worker.consumption.commit()
    assert worker.client.stored == {P0: 4}


async def test_a_rebalance_between_fetch_and_arrival_drops_what_was_fetched():
    """The number that the records carry is over when they arrive: nothing of them is handed on or can be committed."""
    worker = _Worker(P0)
    worker.client.logs[P0].append(5)
    original = worker.fetching.fetch

    async def fetched_then_rebalanced(*asked):
        fetch = await original(*asked)
        worker.client.stored[P0] = 2
        worker.assign()
        return fetch

    worker.fetching.fetch = fetched_then_rebalanced
    assert await worker.round() == []
    worker.fetching.fetch = original
    assert worker.ledger.events == 0
    assert not await worker.consumption.commit()
    (chunk,) = await worker.round()
    assert [row.offset for row in chunk.records] == [2, 3, 4]


async def test_records_of_an_assignment_that_is_not_announced_yet_wait_for_it():
    """The client has it already, the main loop learns of it later: its records are neither dropped nor handed on before."""
    worker = _Worker(P0)
    worker.client.logs[P0].append(2)
    worker.client_side_assigned()
    arriving = asyncio.create_task(worker.round())
    await asyncio.sleep(0.05)
    assert not arriving.done()
    worker.open = False
    worker.consumption.assigned(worker.partitions)
    await asyncio.sleep(0.05)
    assert not arriving.done(), "not before they may be handed on"
    worker.open = True
    (chunk,) = await asyncio.wait_for(arriving, 1)
    assert (chunk.generation, len(chunk.records)) == (2, 2)


async def test_records_that_wait_are_let_go_at_the_end():
    """A worker that ends does not wait for a rebalance to end."""
    worker = _Worker(P0)
    worker.client.logs[P0].append(2)
    worker.open = False
    arriving = asyncio.create_task(worker.round())
    await asyncio.sleep(0.03)
    assert not arriving.done()
    worker.ending = True
    await asyncio.wait_for(arriving, 1)


async def test_nothing_is_written_down_behind_a_shut_gate():
    """The worker is leaving: what arrives now would never be finished."""
    worker = _Worker(P0)
    worker.client.logs[P0].append(2)
    original = worker.fetching.fetch

    async def shut_meanwhile(*asked):
        fetch = await original(*asked)
        worker.gate.shut()
        return fetch

    worker.fetching.fetch = shut_meanwhile
    assert await worker.round() == []
    assert worker.ledger.queued == 0


async def test_records_behind_a_lost_answer_stop_the_worker():
    """A fetch whose answer nobody got has moved the client: what comes next is refused instead of acknowledged past it."""
    worker = _Worker(P0)
    worker.client.logs[P0].append(3)
    (chunk,) = await worker.round()
    worker.take(chunk)
    worker.client.logs[P0].append(2)
    await worker.fetching.fetch({P0}, 0.01, 10)
    worker.client.logs[P0].append(1)
    with pytest.raises(UnaccountedError, match="3 expected, 5 came"):
        await worker.round()
    await worker.consumption.commit()
    assert worker.client.stored == {P0: 3}


async def test_a_late_chunk_of_an_old_assignment_commits_nothing():
    """Its events end after the partition has come back: the offset is that of the new assignment's own chunks."""
    worker = _Worker(P0)
    worker.client.logs[P0].append(4)
    (old,) = await worker.round()
    worker.ledger.admit(old, 4)
    worker.assign()
    assert not worker.ledger.resolve(old, 4)
    assert not await worker.consumption.commit()
    (new,) = await worker.round()
    worker.take(new)
    assert await worker.consumption.commit()
    assert worker.client.stored == {P0: 4}


async def test_a_commit_of_before_a_rebalance_confirms_nothing_after_it():
    """The client has a new assignment when the commit reaches it: it is not stored, and not taken for stored."""
    worker = _Worker(P0)
    worker.client.logs[P0].append(4)
    (chunk,) = await worker.round()
    worker.take(chunk)
    worker.client_side_assigned()
    assert not await worker.consumption.commit()
    assert worker.client.commits == [{P0: 0}], "where it begins"
    assert worker.ledger.committable() == {P0: 4}


async def test_a_commit_that_fails_is_offered_again_and_fails_the_exit():
    """Told to stop, with a group that stores nothing: exit 1; and as soon as it stores again the same offset is offered."""
    worker = _Worker(P0)
    worker.client.logs[P0].append(4)
    (chunk,) = await worker.round()
    worker.take(chunk)
    worker.client.fail_commits = True
    assert not await worker.consumption.commit()
    drained = []

    async def for_stop(deadline):
        drained.append(deadline)

    drain = SimpleNamespace(
        clock=asyncio.get_running_loop().time,
        budget=StopBudget(2.0),
        ledger=worker.ledger,
        for_stop=for_stop,
        stopping=False,
    )

    async def stop():
        return None

    app = SimpleNamespace(consumer=worker.consumption, stop=stop)
    assert await stop_worker(app, worker.gate, drain, "", cut_off_after=lambda _seconds: None) == 1
    assert drained
    worker.client.fail_commits = False
    assert worker.ledger.committable() == {P0: 4}
    assert await stop_worker(app, worker.gate, drain, "", cut_off_after=lambda _seconds: None) == 0
    assert worker.client.stored == {P0: 4}


async def test_a_commit_that_takes_too_long_is_none():
    """The group may have given the partition away by then."""
    worker = _Worker(P0)
    worker.client.logs[P0].append(1)
    (chunk,) = await worker.round()
    worker.take(chunk)

    async def hang(_offsets, _notes):
        await asyncio.sleep(10)

    worker.client.commit = hang
    assert not await worker.consumption.commit()
    assert worker.ledger.committable() == {P0: 1}


async def test_a_revoke_finishes_commits_and_forgets():
    """What is finished by then is committed while the partitions are still ours; what is not is another's."""
    worker = _Worker(P0, P1)
    for log in worker.client.logs.values():
        log.append(2)
    chunks = await worker.round()
    worker.take(chunks[0])
    assert worker.consumption.joined
    await worker.consumption.revoked()
    assert worker.finisher.asked == 1
    assert worker.client.stored == {P0: 0, P1: 0} | {chunks[0].partition: 2}
    assert not worker.consumption.joined
    assert (worker.ledger.assigned, worker.ledger.events, worker.gate.is_shut) == (0, 0, False)


async def test_a_revoke_does_not_wait_for_a_commit_beyond_what_its_budget_leaves():
    """The whole group waits for it."""
    worker = _Worker(P0)
    worker.client.logs[P0].append(1)
    worker.take((await worker.round())[0])
    worker.consumption._commit_seconds = 30.0
    worker.finisher.left = 0.05

    async def hang(_offsets, _notes):
        await asyncio.sleep(10)

    worker.client.commit = hang
    await asyncio.wait_for(worker.consumption.revoked(), 1)
    assert worker.ledger.assigned == 0


async def test_a_cut_log_is_committed_by_its_new_offsets():
    """They are smaller than those of before, which would keep them from being committed until they are passed."""
    worker = _Worker(P0)
    log = worker.client.logs[P0]
    log.append(10)
    (before,) = await worker.round()
    worker.take(before)
    assert await worker.consumption.commit()
    log.rows, log.end = log.rows[:4], 4
    (anew,) = await worker.round()
    assert [row.offset for row in anew.records] == [0, 1, 2, 3]
    worker.take(anew)
    assert await worker.consumption.commit()
    assert worker.client.stored == {P0: 4}
    log.append(1)
    worker.take((await worker.round())[0])
    assert await worker.consumption.commit()
    assert worker.client.stored == {P0: 5}


async def test_an_offset_that_crosses_the_first_records_of_a_new_log_does_not_stay():
    """It was offered before they arrived, and stored after: whoever came next would begin behind records that nobody has read."""
    worker = _Worker(P0)
    log = worker.client.logs[P0]
    log.append(10)
    (before,) = await worker.round()
    worker.take(before)
    log.rows, log.end = log.rows[:4], 4
    (anew,) = await worker.round()
    worker.client.stored[P0] = 3
    worker.client.fail_commits = True
    assert not await worker.consumption.commit()
    assert worker.client.stored == {P0: 3}
    worker.client.fail_commits = False
    assert not await worker.consumption.commit(), "of the new log nothing is finished"
    assert worker.client.stored == {P0: 0}
    worker.client.stored[P0] = 1
    await worker.consumption.commit()
    assert worker.client.stored == {P0: 1}, "once is enough"
    worker.take(anew)
    assert await worker.consumption.commit()
    assert worker.client.stored == {P0: 4}


async def _with_a_new_log_begun():
    """A worker whose partition was cut, and the calls that store something."""
    worker, stores = _Worker(P0), []
    log = worker.client.logs[P0]
    log.append(10)
    worker.take((await worker.round())[0])
    assert await worker.consumption.commit()
    log.rows, log.end = log.rows[:4], 4
    await worker.round()
    store = worker.fetching.store
    worker.failing = None

    async def storing(number, offsets, notes):
        stores.append(dict(offsets))
        if worker.failing is not None:
            raise worker.failing
        return await store(number, offsets, notes)

    worker.fetching.store = storing
    return worker, stores


async def test_the_beginning_of_a_new_log_is_stored_until_it_comes_to_pass_and_no_longer():
    """A client that has ended, or does not answer, has stored nothing; once it is stored nobody is asked again."""
    worker, stores = await _with_a_new_log_begun()
    for failing in (ConsumerStoppedError(), TimeoutError(), None, None):
        worker.failing = failing
        assert not await worker.consumption.commit()
    assert stores == [{P0: 0}] * 3


async def test_no_offset_of_a_new_log_is_stored_before_its_beginning():
    """A beginning that is stored late would take it back, and everything up to it would come again."""
    worker, stores = await _with_a_new_log_begun()
    for chunk in worker.ledger.waiting():
        worker.take(chunk)
    worker.failing = TimeoutError()
    assert not await worker.consumption.commit()
    worker.failing = None
    assert await worker.consumption.commit()
    assert not await worker.consumption.commit()
    assert stores == [{P0: 0}, {P0: 0}, {P0: 4}]
    assert worker.client.stored == {P0: 4}


async def test_the_beginning_of_a_new_log_is_of_its_assignment_alone():
    """The next one begins where the group has committed, which may be far on: it must not be taken back."""
    worker, stores = await _with_a_new_log_begun()
    worker.assign()
    await worker.consumption.commit()
    assert stores == []


async def test_chunks_that_were_dropped_on_the_way_are_handed_on_once_more():
    """Those that nobody has taken and that still count, before anything new."""
    worker = _Worker(P0, P1)
    for log in worker.client.logs.values():
        log.append(1)
    first, second = await worker.round()
    worker.take(first)
    worker.consumption.hand_on_again()
    assert await worker.round() == [second]
    assert await worker.round() == []


async def test_what_is_dropped_while_chunks_are_handed_on_goes_before_the_rest_of_them():
    """What is emptied from the stream comes once more before what was fetched behind it, or keys would lose their order."""
    worker = _Worker(P0)
    log = worker.client.logs[P0]
    log.append(1)
    (dropped,) = await worker.round()
    log.append(1)
    given = []
    async for chunk in worker.consumption.chunks(0.01):
        given.append(chunk)
        if len(given) == 1:
            worker.consumption.hand_on_again()
    later = given[0]
    assert later.first > dropped.first
    assert given == [later, dropped, later]


async def test_an_unreadable_place_is_told_and_taken_back():
    """Gauge and one line at once, the health reason when the second try has failed; gone when it is read, or another's."""
    worker = _Worker(P0, P1)
    worker.client.logs[P0].append(1)
    worker.client.logs[P0].damaged[0] = CorruptRecordException("payload")
    gauge = worker.metrics.registry.get_sample_value
    await worker.round()
    assert gauge("bridge_unreadable_partitions", {"partition": "0"}) == 1
    assert worker.reading.trouble == ""
    worker.now = 2.0
    await worker.round()
    assert worker.reading.trouble == "topic t partition 0 cannot be read at offset 0: CorruptRecordException"
    worker.assign()
    assert worker.reading.trouble == ""
    assert gauge("bridge_unreadable_partitions", {"partition": "0"}) is None


async def test_what_expired_is_counted_by_the_survey():
    """With its partition, and whether or not anything can be fetched."""
    worker = _Worker(P0)
    log = worker.client.logs[P0]
    log.append(10)
    await worker.consumption.offsets([P0])
    log.rows, log.first, log.end = [], 10, 10
    for _ in range(3):
        await worker.consumption.offsets([P0])
    assert worker.metrics.registry.get_sample_value("bridge_expired_records_total", {"partition": "0"}) == 10
    assert worker.metrics.registry.get_sample_value("bridge_assigned_partitions") == 1


async def test_records_of_the_first_assignment_wait_for_its_announcement_too():
    """A worker that has just joined: dropped as nobody's, they would be passed over."""
    worker = _Worker(P0, assigned=False)
    worker.client.logs[P0].append(2)
    worker.client_side_assigned()
    assert not worker.consumption.joined
    arriving = asyncio.create_task(worker.round())
    await asyncio.sleep(0.05)
    assert not arriving.done()
    worker.consumption.assigned(worker.partitions)
    (chunk,) = await asyncio.wait_for(arriving, 1)
    assert len(chunk.records) == 2
    assert worker.consumption.joined


@pytest.mark.parametrize(("max_events", "most"), [(5_000, 1_000), (40, 40)])
async def test_a_fetch_asks_for_no_more_than_there_is_room_for(max_events, most):
    """And for a thousand records at most: what comes is mapped in one go."""
    worker = _Worker(P0, max_events=max_events)
    asked = []
    fetch = worker.fetching.fetch

    async def noted(partitions, seconds, records):
        asked.append((set(partitions), seconds, records))
        return await fetch(partitions, seconds, records)

    worker.fetching.fetch = noted
    await worker.round()
    assert asked == [({P0}, 0.01, most)]


async def test_behind_a_full_gate_the_worker_stays_a_member():
    """It fetches nothing, and tells the client ten times a second that it lives; not when there is room again meanwhile."""
    worker = _Worker(P0, max_events=1)
    worker.client.logs[P0].append(2)
    (chunk,) = await worker.round()
    touched, begun = worker.client.touched, asyncio.get_running_loop().time()
    assert await worker.round() == []
    assert asyncio.get_running_loop().time() - begun > 0.09
    assert worker.client.touched == touched + 1
    waiting = asyncio.create_task(worker.round())
    await asyncio.sleep(0.02)
    worker.take(chunk)
    worker.gate.freed()
    assert await waiting == []
    assert worker.client.touched == touched + 1


async def test_what_the_end_of_an_assignment_finds_on_the_way_is_not_handed_on():
    """Neither the rest of a fetch nor what is given once more: it is another's."""
    worker = _Worker(P0, P1)
    for log in worker.client.logs.values():
        log.append(1)
    given = worker.consumption.chunks(0.01)
    await anext(given)
    worker.ledger.close([P0, P1])
    assert [chunk async for chunk in given] == []
    worker.assign()
    assert len(await worker.round()) == 2
    worker.consumption.hand_on_again()
    worker.assign()
    assert [chunk.generation for chunk in await worker.round()] == [3, 3]


async def test_the_assignment_is_ours_as_long_as_the_group_says_so():
    """Asked anew each time; not of one that ends meanwhile, nor while partitions are given away, nor where nobody can ask."""
    worker = _Worker(P0)
    ours = worker.consumption.is_ours
    assert await ours()
    worker.client.member = False
    assert not await ours()
    worker.client.member = True
    asked = asyncio.create_task(ours())
    await asyncio.sleep(0)
    worker.client_side_assigned()
    assert not await asked
    assert not await ours(), "the main loop does not know of the new one yet"
    worker.consumption.assigned(worker.partitions)
    assert await ours()
    await worker.consumption.revoked()
    assert not await ours()

    async def ended(_number):
        raise ConsumerStoppedError

    worker.assign()
    worker.fetching.is_member = ended
    assert not await ours()


async def test_a_client_that_has_ended_stores_nothing():
    """A worker that stops commits once more, whatever has become of the client's thread; and looks for no topic."""
    worker = _Worker(P0)
    worker.client.logs[P0].append(1)
    worker.take((await worker.round())[0])
    looked = []
    worker.client.refresh = lambda: looked.append(1)
    await worker.consumption.refresh()
    assert looked == [1]

    async def ended(*_asked):
        raise ConsumerStoppedError

    worker.fetching.store = worker.fetching.refresh = worker.fetching.look_back = ended
    assert not await worker.consumption.commit()
    assert worker.ledger.committable() == {P0: 1}
    await worker.consumption.refresh()
    await worker.consumption.look_back()


async def test_while_partitions_are_given_away_nothing_is_admitted_and_this_is_no_member():
    """What came in between would not be finished; and no partition is shown afterwards."""
    worker = _Worker(P0)
    seen = []

    async def for_revoke():
        seen.append((worker.gate.is_shut, worker.consumption.joined))
        return Deadline.after(asyncio.get_running_loop().time, 1.0)

    worker.finisher.for_revoke = for_revoke
    await worker.consumption.revoked()
    assert seen == [(True, False)]
    assert worker.metrics.registry.get_sample_value("bridge_assigned_partitions") == 0


@pytest.mark.parametrize(("left", "waited"), [(30.0, 5.0), (2.0, 2.0)])
def test_a_revoke_gives_its_commit_five_seconds_at_most(left, waited):
    """However much its budget leaves."""

    async def revoke():
        loop = asyncio.get_running_loop()
        worker = _Worker(P0)
        worker.client.logs[P0].append(1)
        worker.take((await worker.round())[0])
        worker.consumption._commit_seconds = 60.0
        worker.finisher.left = left

        async def hang(_offsets, _notes):
            await asyncio.sleep(100)

        worker.client.commit = hang
        begun = loop.time()
        await worker.consumption.revoked()
        return loop.time() - begun

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(revoke()) == pytest.approx(waited)


async def test_a_fetch_of_many_records_comes_in_runs_that_account_for_every_offset():
    """Five hundred records each; the last has what lies behind it, and only the first begins a cut log anew."""
    worker = _Worker(P0)
    log = worker.client.logs[P0]
    log.append(900, gap=3)
    first, second = await worker.round()
    assert [(chunk.since, chunk.upto, len(chunk.records)) for chunk in (first, second)] == [
        (0, 500, 500),
        (500, 903, 400),
    ]
    assert first.weight == 500 * (len(b"{}") + 100), "key, value, and what a record takes beside them"
    for chunk in (first, second):
        worker.take(chunk)
    log.rows, log.end = log.rows[:600], 600
    assert [(chunk.first, chunk.last, chunk.anew) for chunk in await worker.round()] == [
        (0, 499, True),
        (500, 599, False),
    ]


async def test_where_partitions_stand_is_told_of_this_assignment_only():
    """An open transaction is told; what is answered across a rebalance is of another's partitions."""
    worker = _Worker(P0)
    told = []
    worker.reading.surveyed = told.append
    assert set(await worker.consumption.offsets([P0])) == {P0}
    assert [set(found) for found in told] == [{P0}]
    worker.client_side_assigned()
    assert set(await worker.consumption.offsets([P0])) == {P0}
    assert len(told) == 1


def test_records_that_wait_leave_the_worker_to_others():
    """Whoever ends the rebalance needs the loop: what waits for it looks a hundred times a second."""

    async def wait():
        loop, worker = asyncio.get_running_loop(), _Worker(P0)
        worker.client.logs[P0].append(2)
        looked = []
        worker.consumption._flow = Flow(
            lambda: worker.partitions, lambda: looked.append(loop.time()) or len(looked) > 100, lambda: False
        )
        begun = loop.time()
        (chunk,) = await worker.round()
        return len(chunk.records), loop.time() - begun

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(wait()) == (2, pytest.approx(1.0))


def _count(worker, chunk):
    """Finish a chunk whose events count, all on day 7."""
    chunk.counts = ChunkCounts()
    chunk.counts.of(7).delivered = len(chunk.records)
    worker.take(chunk)


def _noted(worker):
    note = OffsetNote.from_text(worker.client.notes[P0])
    return {day: (counts.delivered, counts.expired) for day, counts in note.days.items()}


async def test_an_owner_goes_on_with_the_counts_of_the_one_before():
    """They lie beside the committed offset, which its first commit replaces."""
    worker = _Worker(P0)
    for count in (2, 3, 4):
        worker.client.logs[P0].append(count)
        _count(worker, (await worker.round())[0])
        assert await worker.consumption.commit()
    assert _noted(worker) == {7: (9, 0)}
    worker.assign()
    worker.client.logs[P0].append(1)
    _count(worker, (await worker.round())[0])
    assert await worker.consumption.commit()
    assert _noted(worker) == {7: (10, 0)}


async def test_nothing_is_committed_before_the_counts_of_the_owner_before_are_known():
    """It would replace them; offsets wait until they can be read."""
    worker = _Worker(P0)
    worker.client.logs[P0].append(2)
    _count(worker, (await worker.round())[0])
    assert await worker.consumption.commit()
    worker.assign()
    worker.client.logs[P0].append(1)
    _count(worker, (await worker.round())[0])
    noted, before = worker.client.noted, dict(worker.client.stored)

    async def away(_partitions):
        raise KafkaError("no answer")

    worker.client.noted = away
    for _ in range(2):
        assert not await worker.consumption.commit()
    assert worker.client.stored == before
    assert _noted(worker) == {7: (2, 0)}
    worker.client.noted = noted
    assert await worker.consumption.commit()
    assert _noted(worker) == {7: (3, 0)}


async def test_what_expired_counts_with_the_offset_behind_it():
    """On the day on which it was noticed, once."""
    worker = _Worker(P0)
    log = worker.client.logs[P0]
    log.append(10)
    await worker.consumption.offsets([P0])
    log.rows, log.first, log.end = [], 10, 10
    await worker.consumption.offsets([P0])
    log.append(2)
    _count(worker, (await worker.round())[0])
    assert await worker.consumption.commit()
    expired = [counts for day, counts in _noted(worker).items() if day != 7]
    assert expired == [(0, 10)]
    assert _noted(worker)[7] == (2, 0)
