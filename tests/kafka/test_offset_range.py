"""Reading a stretch of a topic: it ends with its last record, and not because the brokers are away for a while."""

import pytest
from aiokafka import TopicPartition, errors

from bridge.kafka.offset_range import records_in

PLACE = TopicPartition("events", 0)


class Record:
    """One of a partition."""

    def __init__(self, offset):
        self.offset = offset


class Consumer:
    """Polls give ``polls`` in turn and then nothing; ``back`` is what comes once the brokers were asked, an error where they stay away."""

    def __init__(self, *polls, back=()):
        self.polls, self.back, self.at, self.asked = list(polls), back, 0, 0

    def assign(self, partitions):
        """The partition alone."""
        assert partitions == [PLACE]

    def seek(self, _partition, offset):
        """Begin there."""
        self.at = offset

    async def position(self, _partition):
        """Behind the last one that was given."""
        return self.at

    async def getmany(self, _partition, *, timeout_ms):
        """What a poll gives."""
        assert timeout_ms
        found = [Record(offset) for offset in self.polls.pop(0)] if self.polls else []
        self.at = found[-1].offset + 1 if found else self.at
        return {PLACE: found} if found else {}

    async def end_offsets(self, _partitions):
        """The brokers are asked."""
        self.asked += 1
        if isinstance(self.back, Exception):
            raise self.back
        self.polls, self.back = list(self.back), ()


async def offsets(consumer, start=0, end=4):
    """What is read."""
    return [record.offset async for record in records_in(consumer, PLACE, start, end)]


async def test_all_up_to_the_end():
    """What lies behind it is left out, and nothing is asked."""
    consumer = Consumer([0, 1], [], [], [2, 3, 4])
    assert await offsets(consumer) == [0, 1, 2, 3]
    assert not consumer.asked
    assert await offsets(consumer, 4, 4) == []


async def test_brokers_that_are_away_for_a_while_are_waited_for():
    """The client gives nothing meanwhile, which is no end."""
    consumer = Consumer([0], *[[]] * 5, back=([1], *[[]] * 5))
    consumer.polls += []
    assert await offsets(consumer, end=2) == [0, 1]


async def test_brokers_that_stay_away_are_an_error():
    """Nobody may take what was read so far for everything."""
    with pytest.raises(errors.KafkaTimeoutError):
        await offsets(Consumer([0], back=errors.KafkaTimeoutError()))


async def test_a_rest_without_records_ends_it():
    """Markers of transactions at the end: the brokers answer, and no record comes."""
    consumer = Consumer([0, 1])
    assert await offsets(consumer) == [0, 1]
    assert consumer.asked == 1
