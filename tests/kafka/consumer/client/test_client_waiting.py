"""When does the client fetch on, how long is waited for it, and who is told when it fetches no more?"""

import asyncio

import pytest
from aiokafka.errors import ConsumerStoppedError, CorruptRecordException
from fetched_batches import P0, Held, batch
from virtual_time import in_virtual_time


async def test_a_fetcher_that_has_ended_without_an_error_says_so_too():
    """Nothing would ever come again."""
    held = Held(P0)
    held.fetcher._fetch_task.set_result(None)
    with pytest.raises(RuntimeError, match="fetcher has ended"):
        held.client.holds()


async def test_a_client_that_fetches_no_more_says_so():
    """Closed, or its own fetching task has ended: nothing would ever come, and nobody would be told."""
    held = Held(P0)
    held.fetcher._fetch_task.set_exception(ValueError("broke"))
    with pytest.raises(ValueError, match="broke"):
        held.client.holds()
    held.fetcher._closed = True
    with pytest.raises(ConsumerStoppedError):
        held.client.holds()


@in_virtual_time
async def test_an_arrival_ends_the_wait_and_an_error_of_the_coordinator_is_raised():
    """Records of any partition end it; what the group's coordinator cannot go on with comes out of it."""
    held, begun = Held(P0), asyncio.get_running_loop().time()
    waiting = asyncio.create_task(held.client.arrival(5))
    await asyncio.sleep(0)
    held.receive(P0, batch(0, [b"a"]))
    await waiting
    waiting = asyncio.create_task(held.client.arrival(5))
    await asyncio.sleep(0)
    held.subscriptions.register_fetch_waiters(held.fetcher._fetch_waiters)
    held.subscriptions.abort_waiters(CorruptRecordException("stands for any"))
    with pytest.raises(CorruptRecordException):
        await waiting
    assert asyncio.get_running_loop().time() == begun
    await asyncio.sleep(0)
    assert not held.fetcher._fetch_waiters


async def test_the_client_fetches_on_as_soon_as_a_partition_is_read_to_its_end():
    """Its fetching task waits for that, and would look only now and then otherwise."""
    held = Held(P0)
    held.receive(P0, batch(0, [b"a", b"b"]))
    told = held.fetcher._wait_consume_future = asyncio.get_running_loop().create_future()
    held.client.poll(P0, 1)
    assert not told.done(), "there is more"
    held.client.poll(P0, 2)
    assert told.done()


async def test_brokers_keep_a_fetch_briefly_or_as_configured():
    """And never for longer than configured."""
    held = Held(P0)
    kept = []
    for patient in (False, True):
        held.client.be_patient(patient=patient)
        kept.append(held.fetcher._fetch_max_wait_ms)
    assert kept == [50, 1_500]
    assert held.client.reads_committed


@in_virtual_time
async def test_a_wait_without_an_arrival_ends_in_time_and_leaves_nobody_waiting():
    """The client keeps whom to wake in a list, which would grow with each fetch of a quiet topic."""
    held, begun = Held(P0), asyncio.get_running_loop().time()
    await held.client.arrival(0.01)
    assert asyncio.get_running_loop().time() - begun == pytest.approx(0.01)
    await asyncio.sleep(0)
    assert not held.fetcher._fetch_waiters
