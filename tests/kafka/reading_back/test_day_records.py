"""Whole days of a topic, read for a count: what does not come is told as that, and not as a place that cannot be read."""

from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition, errors

from bridge.kafka.batches.taking import UnreadablePlaceError
from bridge.kafka.offset_range import UnfinishedReadingError
from bridge.kafka.reading_back import day_records
from bridge.kafka.reading_back.day_records import DayRecords, HeldRange

PLACE = TopicPartition("events", 0)


class _Consumer:
    """Gives nothing, of brokers that ``answer`` when they are asked; ``breaks``: what a poll raises."""

    def __init__(self, answer=None, breaks=None):
        self.answer, self.breaks = answer, breaks
        self._fetcher = SimpleNamespace(_records={})

    def assign(self, _partitions):
        """The partition."""

    def seek(self, _partition, offset):
        self.at = offset

    async def position(self, _partition):
        return self.at

    async def getmany(self, _partition, *, timeout_ms, max_records):
        assert timeout_ms
        assert max_records is None
        if self.breaks is not None:
            raise self.breaks
        return {}

    async def end_offsets(self, partitions):
        if self.answer is not None:
            raise self.answer
        return dict.fromkeys(partitions, 9)


async def _read(consumer):
    days = DayRecords(consumer, "events", {0: HeldRange(0, 9, 0, None)})
    return [record async for record in days.records(0, 3)]


@pytest.mark.parametrize("answer", [None, errors.KafkaTimeoutError(), errors.KafkaConnectionError()])
async def test_records_that_do_not_come_are_no_unreadable_place(answer):
    """Whatever the brokers answer: a count that went on behind it would miss what lies there."""
    with pytest.raises(UnfinishedReadingError):
        await _read(_Consumer(answer))
    with pytest.raises(UnfinishedReadingError):
        await day_records._day_of_first(_Consumer(answer), PLACE, 0, 9)


async def test_what_the_client_cannot_read_is_a_place():
    """Which is told by its offset; the day of a first record that cannot be read is not known."""
    with pytest.raises(UnreadablePlaceError, match="cannot be read at offset 3: RecordTooLargeError"):
        await _read(_Consumer(breaks=errors.RecordTooLargeError()))
    assert await day_records._day_of_first(_Consumer(breaks=errors.RecordTooLargeError()), PLACE, 0, 9) is None
