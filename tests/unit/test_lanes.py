"""Group commit: who hears what, when batches fill, fail, and are given up."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

from bridge.pipeline.lanes import Confirmation, Lane


class Builder:
    """Holds three records."""

    def __init__(self) -> None:
        self.values: list[bytes] = []
        self.closed = False

    def append(self, *, value, **_rest):
        """Take a value while there is room."""
        assert not self.closed
        if len(self.values) == 3:
            return None
        self.values.append(value)
        return object()

    def close(self) -> None:
        """Take no more."""
        self.closed = True


class Producer:
    """Confirms a batch when the test says so."""

    def __init__(self) -> None:
        self.sent: list[tuple[list[bytes], asyncio.Future[None]]] = []

    def create_batch(self) -> Builder:
        """An empty one."""
        return Builder()

    async def send_batch(self, batch: Builder, *_where, **_more) -> asyncio.Future[None]:
        """Note the batch; the test settles the future."""
        future = asyncio.get_running_loop().create_future()
        self.sent.append((batch.values, future))
        return future


def put(lane: Lane, *values: bytes) -> asyncio.Task[None]:
    """One caller's records."""
    confirmation = Confirmation()
    for value in values:
        lane.add((None, value, ()), confirmation)
    return asyncio.create_task(confirmation.wait())


async def settle() -> None:
    """Let every task run as far as it can."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_callers_share_what_waits_and_keep_order() -> None:
    """While one batch is under way the next collects everybody's records, in order; each hears when its own are safe."""
    producer = Producer()
    lane = Lane(producer, "t", 0)
    first = put(lane, b"1")
    await settle()
    second, third = put(lane, b"2", b"3"), put(lane, b"4", b"5")
    await settle()
    assert [values for values, _ in producer.sent] == [[b"1"]]
    producer.sent[0][1].set_result(None)
    await settle()
    assert first.done()
    assert [values for values, _ in producer.sent] == [[b"1"], [b"2", b"3", b"4"]]
    producer.sent[1][1].set_result(None)
    await settle()
    assert second.done()
    assert not third.done(), "its last record is not safe yet"
    producer.sent[2][1].set_result(None)
    await third
    assert producer.sent[2][0] == [b"5"]


async def test_a_failed_batch_fails_its_callers_only() -> None:
    """Whoever had a record in the failed batch hears its error, the others do not, and the lane goes on."""
    producer = Producer()
    lane = Lane(producer, "t", 0)
    first = put(lane, b"1", b"2", b"3", b"4")
    second = put(lane, b"5")
    await settle()
    producer.sent[0][1].set_exception(OSError("away"))
    await settle()
    assert not first.done(), "it is told when nothing of it is under way any more"
    producer.sent[1][1].set_result(None)
    await second
    with pytest.raises(OSError, match="away"):
        await first


async def test_given_up_batches_are_dropped() -> None:
    """What nobody waits for any more leaves the line unsent; what others still want stays."""
    producer = Producer()
    lane = Lane(producer, "t", 0)
    first = put(lane, b"1")
    await settle()
    second, third = put(lane, b"2", b"3", b"4"), put(lane, b"5")
    fourth = put(lane, b"6")
    await settle()
    for given_up in (first, second, third):
        given_up.cancel()
    await settle()
    assert len(lane._line) == 1
    producer.sent[0][1].set_result(None)
    await settle()
    producer.sent[1][1].set_result(None)
    await fourth
    assert [values for values, _ in producer.sent] == [[b"1"], [b"5", b"6"]]


async def test_abandoned_lane_tells_everybody() -> None:
    """When the producer is replaced, everybody in line and under way hears it."""
    producer = Producer()
    lane = Lane(producer, "t", 0)
    callers = [put(lane, b"1")]
    await settle()
    callers += [put(lane, b"2"), put(lane, b"3")]
    await settle()
    lane.abandon(RuntimeError("renewed"))
    for caller in callers:
        with pytest.raises(RuntimeError, match="renewed"):
            await caller
    assert not lane._line


@pytest.mark.parametrize("given_up", [False, True])
async def test_records_are_let_go_of_at_once(given_up) -> None:
    """Confirmed or given up, a call's batches and their records go with it; they do not wait for the garbage collector."""
    producer = Producer()
    lane = Lane(producer, "t", 0)
    first = put(lane, b"1")
    await settle()
    gc.disable()
    try:
        second = put(lane, b"2")
        held = weakref.ref(lane._line[-1].builder)
        await settle()
        if given_up:
            second.cancel()
        else:
            producer.sent[0][1].set_result(None)
            await settle()
            producer.sent[1][1].set_result(None)
        await asyncio.gather(second, return_exceptions=True)
        del second
        producer.sent.clear()
        await settle()
        assert held() is None
    finally:
        gc.enable()
        first.cancel()
