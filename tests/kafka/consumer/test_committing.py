"""Commits of the main loop: the finished prefix alone, of the assignment that stands, with the counts of all owners before."""

import asyncio
from types import SimpleNamespace

import pytest
from aiokafka.errors import ConsumerStoppedError, KafkaError
from consuming_worker import P0, P1, ConsumingWorker, with_a_new_log_begun
from virtual_time import in_virtual_time

from bridge.model.day_counts import ChunkCounts, OffsetNote
from bridge.runtime.deadline import StopBudget
from bridge.testing.virtual_loop import VirtualLoop
from bridge.worker.stopping import stop_worker


async def test_a_late_chunk_of_an_old_assignment_commits_nothing():
    """Its events end after the partition has come back: the offset is that of the new assignment's own chunks."""
    worker = ConsumingWorker(P0)
    worker.client.logs[P0].append(4)
    (old,) = await worker.round()
    worker.ledger.admit(old, 4)
    worker.assign()
    assert not worker.ledger.resolve(old, 4)
    assert not await worker.consumption.commit()
    (new,) = await worker.round()
    worker.finish(new)
    assert await worker.consumption.commit()
    assert worker.client.stored == {P0: 4}


async def test_a_commit_of_before_a_rebalance_confirms_nothing_after_it():
    """The client has a new assignment when the commit reaches it: it is not stored, and not taken for stored."""
    worker = ConsumingWorker(P0)
    worker.client.logs[P0].append(4)
    (chunk,) = await worker.round()
    worker.finish(chunk)
    worker.client_side_assigned()
    assert not await worker.consumption.commit()
    assert worker.client.commits == [{P0: 0}], "where it begins"
    assert worker.ledger.committable() == {P0: 4}


@in_virtual_time
async def test_a_commit_that_fails_is_offered_again_and_fails_the_exit():
    """Told to stop, with a group that stores nothing: exit 1; and as soon as it stores again the same offset is offered."""
    worker = ConsumingWorker(P0)
    worker.client.logs[P0].append(4)
    (chunk,) = await worker.round()
    worker.finish(chunk)
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


def test_a_commit_that_takes_too_long_is_none():
    """The group may have given the partition away by then: it is given up at its limit, and offered again."""

    async def commit():
        loop = asyncio.get_running_loop()
        worker = ConsumingWorker(P0, commit_seconds=20.0)
        worker.client.logs[P0].append(1)
        worker.finish((await worker.round())[0])

        async def hang(_offsets, _notes):
            await asyncio.sleep(100)

        worker.client.commit = hang
        begun = loop.time()
        assert not await worker.consumption.commit()
        return loop.time() - begun, worker.ledger.committable()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(commit()) == (pytest.approx(20.0), {P0: 1})


@in_virtual_time
async def test_a_revoke_finishes_commits_and_forgets():
    """What is finished by then is committed while the partitions are still ours; what is not is another's."""
    worker = ConsumingWorker(P0, P1)
    for log in worker.client.logs.values():
        log.append(2)
    chunks = await worker.round()
    worker.finish(chunks[0])
    assert worker.consumption.joined
    await worker.consumption.revoked()
    assert worker.finisher.asked == 1
    assert worker.client.stored == {P0: 0, P1: 0} | {chunks[0].partition: 2}
    assert not worker.consumption.joined
    assert (worker.ledger.assigned, worker.ledger.events, worker.gate.is_shut) == (0, 0, False)


@in_virtual_time
async def test_a_revoke_does_not_wait_for_a_commit_beyond_what_its_budget_leaves():
    """The whole group waits for it."""
    worker = ConsumingWorker(P0)
    worker.client.logs[P0].append(1)
    worker.finish((await worker.round())[0])
    worker.finisher.left = 0.05

    async def hang(_offsets, _notes):
        await asyncio.sleep(10)

    worker.client.commit = hang
    begun = asyncio.get_running_loop().time()
    await worker.consumption.revoked()
    assert asyncio.get_running_loop().time() - begun == pytest.approx(0.05)
    assert worker.ledger.assigned == 0


async def test_a_cut_log_is_committed_by_its_new_offsets():
    """They are smaller than those of before, which would keep them from being committed until they are passed."""
    worker = ConsumingWorker(P0)
    log = worker.client.logs[P0]
    log.append(10)
    (before,) = await worker.round()
    worker.finish(before)
    assert await worker.consumption.commit()
    log.rows, log.end = log.rows[:4], 4
    (anew,) = await worker.round()
    assert [row.offset for row in anew.records] == [0, 1, 2, 3]
    worker.finish(anew)
    assert await worker.consumption.commit()
    assert worker.client.stored == {P0: 4}
    log.append(1)
    worker.finish((await worker.round())[0])
    assert await worker.consumption.commit()
    assert worker.client.stored == {P0: 5}


async def test_an_offset_that_crosses_the_first_records_of_a_new_log_does_not_stay():
    """It was offered before they arrived, and stored after: whoever came next would begin behind records that nobody has read."""
    worker = ConsumingWorker(P0)
    log = worker.client.logs[P0]
    log.append(10)
    (before,) = await worker.round()
    worker.finish(before)
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
    worker.finish(anew)
    assert await worker.consumption.commit()
    assert worker.client.stored == {P0: 4}


async def test_the_beginning_of_a_new_log_is_stored_until_it_comes_to_pass_and_no_longer():
    """A client that has ended, or does not answer, has stored nothing; once it is stored nobody is asked again."""
    worker, stores = await with_a_new_log_begun()
    for failing in (ConsumerStoppedError(), TimeoutError(), None, None):
        worker.failing = failing
        assert not await worker.consumption.commit()
    assert stores == [{P0: 0}] * 3


async def test_the_beginning_of_a_new_log_is_of_its_assignment_alone():
    """The next one begins where the group has committed, which may be far on: it must not be taken back."""
    worker, stores = await with_a_new_log_begun()
    worker.assign()
    await worker.consumption.commit()
    assert stores == []


async def test_a_client_that_has_ended_stores_nothing():
    """A worker that stops commits once more, whatever has become of the client's thread; and looks for no topic."""
    worker = ConsumingWorker(P0)
    worker.client.logs[P0].append(1)
    worker.finish((await worker.round())[0])
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


@pytest.mark.parametrize(("left", "waited"), [(30.0, 5.0), (2.0, 2.0)])
def test_a_revoke_gives_its_commit_five_seconds_at_most(left, waited):
    """However much its budget leaves."""

    async def revoke():
        loop = asyncio.get_running_loop()
        worker = ConsumingWorker(P0)
        worker.client.logs[P0].append(1)
        worker.finish((await worker.round())[0])
        worker.finisher.left = left

        async def hang(_offsets, _notes):
            await asyncio.sleep(100)

        worker.client.commit = hang
        begun = loop.time()
        await worker.consumption.revoked()
        return loop.time() - begun

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(revoke()) == pytest.approx(waited)


def _count(worker, chunk):
    """Finish a chunk whose events count, all on day 7."""
    chunk.counts = ChunkCounts()
    chunk.counts.of(7).delivered = len(chunk.records)
    worker.finish(chunk)


def _noted(worker):
    note = OffsetNote.from_text(worker.client.notes[P0])
    return {day: (counts.delivered, counts.expired) for day, counts in note.days.items()}


async def test_an_owner_goes_on_with_the_counts_of_the_one_before():
    """They lie beside the committed offset, which its first commit replaces."""
    worker = ConsumingWorker(P0)
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
    worker = ConsumingWorker(P0)
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
    worker = ConsumingWorker(P0)
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
