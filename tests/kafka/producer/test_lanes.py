"""Group commit: who hears what, when batches fill, fail, and are given up."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

from bridge.kafka.producer.lanes import Confirmation, Lane


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

    async def send_batch(self, batch: Builder, topic: str, *, partition: int) -> asyncio.Future[None]:
        """Note the batch; the test settles the future."""
        assert batch.closed, "nothing may be added to what is sent"
        assert (topic, partition) == ("t", 0)
        future = asyncio.get_running_loop().create_future()
        self.sent.append((batch.values, future))
        return future


def put(lane: Lane, *values: bytes) -> asyncio.Task[None]:
    """One caller's records."""
    confirmation = Confirmation()
    for number, value in enumerate(values):
        lane.add((None, value, ()), confirmation, number, len(value))
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
    assert all(each.cancelled() for each in (first, second, third)), "giving up is no success"
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


async def test_a_batch_holds_what_the_topic_takes_and_not_a_byte_more() -> None:
    """By the weight of its records and what is kept around each; a single record is a batch of its own whatever it weighs."""
    producer = Producer()
    lane = Lane(producer, "t", 0, most=lambda: 2 * (60 + 32))
    put(lane, b"1" * 60, b"2" * 60, b"3" * 61, b"4" * 60, b"5" * 500, b"6")
    for sent in range(5):
        await settle()
        producer.sent[sent][1].set_result(None)
    assert [b"".join(each[:1] for each in values) for values, _ in producer.sent] == [b"12", b"3", b"4", b"5", b"6"]


async def test_what_is_sent_alone_shares_no_batch() -> None:
    """Neither with what waits before it nor with what comes after; of several records by the same bound, in order."""
    producer = Producer()
    lane = Lane(producer, "t", 0, most=lambda: 2 * (60 + 32))
    put(lane, b"a")
    confirmation = Confirmation()
    records = [(number, (None, b"%d" % number * 60, ()), 60) for number in range(3)]
    records[2] = (2, (None, b"2" * 61, ()), 61)
    lane.add_alone([(9, (None, b"9" * 60, ()), 60), *records], confirmation)
    put(lane, b"z")
    for sent in range(5):
        await settle()
        error = OSError("away") if sent == 2 else None
        producer.sent[sent][1].set_exception(error) if error else producer.sent[sent][1].set_result(None)
    assert [b"".join(each[:1] for each in values) for values, _ in producer.sent] == [b"a", b"90", b"1", b"2", b"z"]
    with pytest.raises(OSError, match="away"):
        await confirmation.wait()
    assert list(confirmation.failed) == [1], "which of them is not safe"


async def test_the_first_error_is_told() -> None:
    """The second batch fails for another reason, mostly for the first one's sake."""
    producer = Producer()
    lane = Lane(producer, "t", 0)
    caller = put(lane, b"1", b"2", b"3", b"4")
    for sent, words in enumerate(("first", "second")):
        await settle()
        producer.sent[sent][1].set_exception(OSError(words))
    with pytest.raises(OSError, match="first"):
        await caller


async def test_an_answer_in_the_moment_of_giving_up_does_not_stop_the_lane() -> None:
    """The caller is cancelled and its batch confirmed before it has run again: the next caller's records are sent."""
    producer = Producer()
    lane = Lane(producer, "t", 0)
    first = put(lane, b"1")
    await settle()
    producer.sent[0][1].set_result(None)
    first.cancel()
    await settle()
    second = put(lane, b"2")
    await settle()
    producer.sent[1][1].set_result(None)
    await second


async def test_an_abandoned_lane_sends_nothing_more_and_begins_anew() -> None:
    """What comes after it is sent, once; an answer to what was abandoned changes nothing."""
    producer = Producer()
    lane = Lane(producer, "t", 0)
    first, second = put(lane, b"1"), put(lane, b"x")
    await settle()
    lane.abandon(RuntimeError("renewed"))
    await asyncio.gather(first, second, return_exceptions=True)
    third = put(lane, b"2")
    await settle()
    assert [values for values, _ in producer.sent] == [[b"1", b"x"], [b"2"]]
    fourth = put(lane, b"3")
    if not producer.sent[0][1].done():
        producer.sent[0][1].set_result(None)
    await settle()
    assert len(producer.sent) == 2, "one batch under way at a time"
    producer.sent[1][1].set_result(None)
    await third
    await settle()
    producer.sent[2][1].set_result(None)
    await fourth


async def test_places_are_open_until_their_batches_are_settled() -> None:
    """A caller that gives up tells which brokers have not answered."""
    producer = Producer()
    lane = Lane(producer, "t", 0)
    confirmation = Confirmation()
    for number in range(4):
        lane.add((None, b"x", ()), confirmation, number, 1)
    assert confirmation.open_places == {("t", 0)}
    for sent in range(2):
        await settle()
        assert confirmation.open_places == {("t", 0)}
        producer.sent[sent][1].set_result(None)
    await settle()
    assert confirmation.open_places == set()
    await confirmation.wait()


async def test_a_caller_waits_for_a_batch_once() -> None:
    """However many of its records are in it, and whoever was there before."""
    lane = Lane(Producer(), "t", 0)
    put(lane, b"1")
    confirmation = Confirmation()
    for number in range(2):
        lane.add((None, b"x", ()), confirmation, number, 1)
    assert len(confirmation.batches) == 1
