"""Reading the dead-letter topic up to its end, from brokers that give nothing: it ends with words, and never waits for ever."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError

from bridge.kafka.dead_letters.stored_letters import up_to
from bridge.model.errors import KafkaError

PLACE = TopicPartition("dead", 1)


class _Consumer:
    """Gives what it is told at each poll, a number of letters; then nothing. ``away``: its brokers do not answer questions."""

    def __init__(self, *polls, away=False):
        self.polls, self.away, self.at, self.asked = list(polls), away, 0, 0
        self._fetcher = SimpleNamespace(_records={})

    async def position(self, partition):
        assert partition == PLACE
        return self.at

    async def getmany(self, partition, *, timeout_ms, max_records):
        assert (timeout_ms, max_records) == (1_000, 500)
        count = self.polls.pop(0) if self.polls else 0
        rows = [
            SimpleNamespace(partition=1, offset=self.at + n, key=b"k", value=b"{}", headers=(), timestamp=0)
            for n in range(count)
        ]
        self.at += count
        return {partition: rows} if rows else {}

    async def end_offsets(self, partitions):
        assert partitions == [PLACE]
        self.asked += 1
        if self.away:
            raise KafkaConnectionError("away")
        return {PLACE: 9}


async def _read(consumer, end=9):
    return [stored.offset async for batch in up_to(consumer, PLACE, end) for stored in batch]


async def test_letters_that_come_late_are_all_read():
    """Seconds without any between two of them are no end, and what was written since is left out."""
    consumer = _Consumer(4, *[0] * 19, 4, *[0] * 19, 4)
    assert await _read(consumer) == list(range(9))
    assert consumer.asked == 8


async def test_letters_that_do_not_come_are_told_with_their_place():
    """The brokers answer, and give nothing."""
    with pytest.raises(KafkaError, match=r"dead\[1\]: no dead letter came for 20 s, at offset 3 of 9"):
        await _read(_Consumer(3))


async def test_brokers_that_are_away_are_told():
    """As what the client says of them."""
    with pytest.raises(KafkaConnectionError):
        await _read(_Consumer(3, away=True))
