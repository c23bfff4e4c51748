"""Reading a stretch of a topic: it ends with its last offset, and never because nothing comes."""

import asyncio
from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition, errors

from bridge.kafka.offset_range import UnfinishedReadingError, records_in
from bridge.testing.virtual_loop import VirtualLoop

PLACE = TopicPartition("events", 0)


class Record:
    """One of a partition."""

    def __init__(self, offset):
        self.offset = offset


class Consumer:
    """Polls give ``polls`` in turn, records or an offset to which the client moves without any; then nothing.

    ``ends``: what the brokers answer when they are asked for the end, in turn, the last one again and again.
    """

    def __init__(self, *polls, ends=(4,)):
        self.polls, self.ends, self.at, self.asked, self.polled = list(polls), list(ends), 0, 0, 0
        self._fetcher = SimpleNamespace(_records={})

    def assign(self, partitions):
        """The partition alone."""
        assert partitions == [PLACE]

    def seek(self, _partition, offset):
        """Begin there."""
        self.at = offset

    async def position(self, _partition):
        """Behind the last one that was given."""
        return self.at

    async def getmany(self, _partition, *, timeout_ms, max_records):
        """What a poll gives."""
        assert (timeout_ms, max_records) == (1_000, None)
        self.polled += 1
        found = self.polls.pop(0) if self.polls else []
        if isinstance(found, int):
            self.at = found
            return {}
        self.at = found[-1] + 1 if found else self.at
        return {PLACE: [Record(offset) for offset in found]} if found else {}

    async def end_offsets(self, partitions):
        """The brokers are asked."""
        self.asked += 1
        end = self.ends.pop(0) if len(self.ends) > 1 else self.ends[0]
        if isinstance(end, Exception):
            raise end
        return dict.fromkeys(partitions, end)


async def offsets(consumer, start=0, end=4):
    """What is read."""
    return [record.offset async for record in records_in(consumer, PLACE, start, end)]


async def test_all_up_to_the_end():
    """What lies behind it is left out, and nothing is asked."""
    consumer = Consumer([0, 1], [], [], [2, 3, 4])
    assert await offsets(consumer) == [0, 1, 2, 3]
    assert not consumer.asked
    assert await offsets(consumer, 4, 4) == []
    assert consumer.polled == 4


async def test_what_lies_before_the_beginning_may_be_gone():
    """The client begins with what is there."""
    assert await offsets(Consumer(3, [3])) == [3]


async def test_records_that_come_late_are_waited_for():
    """Seconds without any between two of them are no end, however often; the brokers are asked now and then whether they are there."""
    consumer = Consumer([0], *[[]] * 29, [1], *[[]] * 29, [2, 3])
    assert await offsets(consumer) == [0, 1, 2, 3]
    assert consumer.asked == 2 * 5


async def test_a_rest_without_records_ends_it():
    """Markers of transactions: the client's position passes them, which counts as much as a record."""
    consumer = Consumer([0, 1], *[[]] * 29, 3, *[[]] * 29, 4)
    assert await offsets(consumer) == [0, 1]


async def test_records_that_do_not_come_are_an_error():
    """The brokers answer, and give nothing: nobody may take what was read so far for everything."""
    consumer = Consumer([0])
    with pytest.raises(UnfinishedReadingError) as caught:
        await offsets(consumer)
    assert str(caught.value) == "events[0] was not read to its end, at offset 1 of 4: no record came for 30 s"
    assert caught.value.hint
    assert (consumer.polled, consumer.asked) == (31, 6)


@pytest.mark.parametrize("error", [errors.KafkaTimeoutError(), errors.KafkaConnectionError(), OSError()])
async def test_brokers_that_stay_away_are_an_error(error):
    """As soon as they are asked and do not answer, whatever the client calls that."""
    with pytest.raises(UnfinishedReadingError, match=rf"at offset 1 of 4: .*do not answer \({type(error).__name__}\)"):
        await offsets(Consumer([0], ends=(error,)))


async def test_brokers_that_are_away_for_a_while_are_waited_for():
    """As long as they answer when they are asked."""
    assert await offsets(Consumer([0], *[[]] * 12, [1, 2, 3])) == [0, 1, 2, 3]


async def test_a_log_that_is_cut_while_it_is_read_is_an_error():
    """What was to be read is not there any more: the client waits at its position, or goes back by itself."""
    with pytest.raises(
        UnfinishedReadingError, match="at offset 2 of 4: it ends at 3 now: the log was cut or made again"
    ):
        await offsets(Consumer([0, 1], ends=(4, 3)))
    with pytest.raises(UnfinishedReadingError, match="at offset 2 of 4: the log was cut or made again"):
        await offsets(Consumer([0, 1], 0, [0, 1, 2, 3]))


def test_a_client_that_does_not_know_where_it_stands_is_an_error():
    """It looks for the first offset of a log that is gone in part, and the brokers do not say."""

    async def work():
        consumer = Consumer()
        consumer.position = lambda _partition: asyncio.sleep(1e9)
        await offsets(consumer, start=2)

    with (
        asyncio.Runner(loop_factory=VirtualLoop) as runner,
        pytest.raises(
            UnfinishedReadingError, match="at offset 2 of 4: the brokers have not told for 30 s where it begins"
        ),
    ):
        runner.run(asyncio.wait_for(work(), 100))
