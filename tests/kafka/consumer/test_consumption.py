"""Consuming in the main loop, with rebalances and failures put where they hurt most; the client's side is the real one over a stub."""

import asyncio

import pytest
from aiokafka.errors import ConsumerStoppedError, CorruptRecordException
from consuming_worker import P0, P1, ConsumingWorker, with_a_new_log_begun
from virtual_time import in_virtual_time

from bridge.kafka.consumer.consumption import Flow
from bridge.kafka.consumer.ledger import UnaccountedError
from bridge.runtime.deadline import Deadline
from bridge.testing.virtual_loop import VirtualLoop


async def test_what_is_fetched_is_written_down_and_committed_when_it_is_finished():
    """Records, then the markers behind them: the offset to commit is that behind both."""
    worker = ConsumingWorker(P0)
    worker.client.logs[P0].append(3, gap=2)
    (chunk,) = await worker.round()
    assert not await worker.consumption.commit()
    worker.finish(chunk)
    assert await worker.consumption.commit()
    assert worker.client.stored == {P0: 5}
    assert not await worker.consumption.commit(), "once"


async def test_markers_alone_are_committed_as_well():
    """Else lag would stand above zero behind them for ever."""
    worker = ConsumingWorker(P0)
    worker.client.logs[P0].append(0, gap=4)
    assert await worker.round() == []
    assert await worker.consumption.commit()
    assert worker.client.stored == {P0: 4}


async def test_a_rebalance_between_fetch_and_arrival_drops_what_was_fetched():
    """The number that the records carry is over when they arrive: nothing of them is handed on or can be committed."""
    worker = ConsumingWorker(P0)
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


@in_virtual_time
async def test_records_of_an_assignment_that_is_not_announced_yet_wait_for_it():
    """The client has it already, the main loop learns of it later: its records are neither dropped nor handed on before."""
    worker = ConsumingWorker(P0)
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


@in_virtual_time
async def test_records_that_wait_are_let_go_at_the_end():
    """A worker that ends does not wait for a rebalance to end."""
    worker = ConsumingWorker(P0)
    worker.client.logs[P0].append(2)
    worker.open = False
    arriving = asyncio.create_task(worker.round())
    await asyncio.sleep(0.03)
    assert not arriving.done()
    worker.ending = True
    await asyncio.wait_for(arriving, 1)


async def test_nothing_is_written_down_behind_a_shut_gate():
    """The worker is leaving: what arrives now would never be finished."""
    worker = ConsumingWorker(P0)
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
    worker = ConsumingWorker(P0)
    worker.client.logs[P0].append(3)
    (chunk,) = await worker.round()
    worker.finish(chunk)
    worker.client.logs[P0].append(2)
    await worker.fetching.fetch({P0}, 0.01, 10)
    worker.client.logs[P0].append(1)
    with pytest.raises(UnaccountedError, match="3 expected, 5 came"):
        await worker.round()
    await worker.consumption.commit()
    assert worker.client.stored == {P0: 3}


async def test_no_offset_of_a_new_log_is_stored_before_its_beginning():
    """A beginning that is stored late would take it back, and everything up to it would come again."""
    worker, stores = await with_a_new_log_begun()
    for chunk in worker.ledger.waiting():
        worker.finish(chunk)
    worker.failing = TimeoutError()
    assert not await worker.consumption.commit()
    worker.failing = None
    assert await worker.consumption.commit()
    assert not await worker.consumption.commit()
    assert stores == [{P0: 0}, {P0: 0}, {P0: 4}]
    assert worker.client.stored == {P0: 4}


async def test_chunks_that_were_dropped_on_the_way_are_handed_on_once_more():
    """Those that nobody has taken and that still count, before anything new."""
    worker = ConsumingWorker(P0, P1)
    for log in worker.client.logs.values():
        log.append(1)
    first, second = await worker.round()
    worker.finish(first)
    worker.consumption.hand_on_again()
    assert await worker.round() == [second]
    assert await worker.round() == []


async def test_what_is_dropped_while_chunks_are_handed_on_goes_before_the_rest_of_them():
    """What is emptied from the stream comes once more before what was fetched behind it, or keys would lose their order."""
    worker = ConsumingWorker(P0)
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
    worker = ConsumingWorker(P0, P1)
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
    worker = ConsumingWorker(P0)
    log = worker.client.logs[P0]
    log.append(10)
    await worker.consumption.offsets([P0])
    log.rows, log.first, log.end = [], 10, 10
    for _ in range(3):
        await worker.consumption.offsets([P0])
    assert worker.metrics.registry.get_sample_value("bridge_expired_records_total", {"partition": "0"}) == 10
    assert worker.metrics.registry.get_sample_value("bridge_assigned_partitions") == 1


@in_virtual_time
async def test_records_of_the_first_assignment_wait_for_its_announcement_too():
    """A worker that has just joined: dropped as nobody's, they would be passed over."""
    worker = ConsumingWorker(P0, assigned=False)
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
    worker = ConsumingWorker(P0, max_events=max_events)
    asked = []
    fetch = worker.fetching.fetch

    async def noted(partitions, seconds, records):
        asked.append((set(partitions), seconds, records))
        return await fetch(partitions, seconds, records)

    worker.fetching.fetch = noted
    await worker.round()
    assert asked == [({P0}, 0.01, most)]


@in_virtual_time
async def test_behind_a_full_gate_the_worker_stays_a_member():
    """It fetches nothing, and tells the client ten times a second that it lives; not when there is room again meanwhile."""
    worker = ConsumingWorker(P0, max_events=1)
    worker.client.logs[P0].append(2)
    (chunk,) = await worker.round()
    touched, begun = worker.client.touched, asyncio.get_running_loop().time()
    assert await worker.round() == []
    assert asyncio.get_running_loop().time() - begun == pytest.approx(0.1)
    assert worker.client.touched == touched + 1
    waiting = asyncio.create_task(worker.round())
    await asyncio.sleep(0.02)
    worker.finish(chunk)
    worker.gate.freed()
    assert await waiting == []
    assert worker.client.touched == touched + 1


async def test_what_the_end_of_an_assignment_finds_on_the_way_is_not_handed_on():
    """Neither the rest of a fetch nor what is given once more: it is another's."""
    worker = ConsumingWorker(P0, P1)
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
    worker = ConsumingWorker(P0)
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


async def test_while_partitions_are_given_away_nothing_is_admitted_and_this_is_no_member():
    """What came in between would not be finished; and no partition is shown afterwards."""
    worker = ConsumingWorker(P0)
    seen = []

    async def for_revoke():
        seen.append((worker.gate.is_shut, worker.consumption.joined))
        return Deadline.after(asyncio.get_running_loop().time, 1.0)

    worker.finisher.for_revoke = for_revoke
    await worker.consumption.revoked()
    assert seen == [(True, False)]
    assert worker.metrics.registry.get_sample_value("bridge_assigned_partitions") == 0


async def test_what_is_left_of_an_assignment_is_dropped_once_its_chunks_are_closed():
    """Before that nobody could tell it from what is still ours."""
    worker = ConsumingWorker(P0)
    worker.client.logs[P0].append(3)
    (chunk,) = await worker.round()
    seen = []
    worker.finisher.given_away = lambda: seen.append(chunk.closed)
    await worker.consumption.revoked()
    assert seen == [True]


async def test_a_fetch_of_many_records_comes_in_runs_that_account_for_every_offset():
    """Five hundred records each; the last has what lies behind it, and only the first begins a cut log anew."""
    worker = ConsumingWorker(P0)
    log = worker.client.logs[P0]
    log.append(900, gap=3)
    first, second = await worker.round()
    assert [(chunk.since, chunk.upto, len(chunk.records)) for chunk in (first, second)] == [
        (0, 500, 500),
        (500, 903, 400),
    ]
    assert first.weight == 500 * (len(b"{}") + 100), "key, value, and what a record takes beside them"
    for chunk in (first, second):
        worker.finish(chunk)
    log.rows, log.end = log.rows[:600], 600
    assert [(chunk.first, chunk.last, chunk.anew) for chunk in await worker.round()] == [
        (0, 499, True),
        (500, 599, False),
    ]


async def test_where_partitions_stand_is_told_of_this_assignment_only():
    """An open transaction is told; what is answered across a rebalance is of another's partitions."""
    worker = ConsumingWorker(P0)
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
        loop, worker = asyncio.get_running_loop(), ConsumingWorker(P0)
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
