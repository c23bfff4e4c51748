"""Which refused records already have a dead letter of the stage ``ingest``: looked up in the dead-letter topic itself.

So a letter is stored once whoever stores it (a worker, the one that leads after it, the command), and whatever died in between.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition, errors

from bridge.kafka.connection import reader_options
from bridge.kafka.offset_range import records_in
from bridge.kafka.topics import ensure_topics, unreachable
from bridge.model.errors import KafkaError
from bridge.model.verdicts import Stage

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from bridge.settings import KafkaSettings

MOST: Final = 300_000
"""Records that are remembered; beyond, those of one batch that lie far apart may be stored twice."""
_AT_ONCE: Final = 500
_BREATH: Final = 0.02
"""Between two runs of letters, so that a worker's events go first."""


class IngestLetters:
    """The letters of some ``batches``, stored from ``since`` on (milliseconds, by Kafka's time); :meth:`look` reads on."""

    def __init__(self, kafka: KafkaSettings, batches: Collection[str], since: int, *, most: int = MOST) -> None:
        self._kafka = kafka
        self._batches = {batch.encode(): batch for batch in batches}
        self._since = max(0, since)
        self._most = most
        self._known: set[bytes] = set()
        self._next: dict[Any, int] = {}
        self.counts: Counter[str] = Counter()
        """Records with a letter by batch, those included that are not remembered one by one."""

    def __contains__(self, place: tuple[str, str]) -> bool:
        """Whether the batch's record (its digest) has a letter."""
        return _mark(*place) in self._known

    def add(self, batch: str, record: str) -> bool:
        """Remember that the record has a letter; whether that is new."""
        mark = _mark(batch, record)
        if mark in self._known:
            return False
        if len(self._known) < self._most:
            self._known.add(mark)
        return True

    async def look(self) -> None:
        """Read what was stored since the last look. Raises ``KafkaError``."""
        topic = self._kafka.dead_letter_topic
        count = (await ensure_topics(self._kafka, create=False, topics=[topic]))[topic]
        partitions = [TopicPartition(topic, number) for number in range(count)]
        consumer = AIOKafkaConsumer(
            **reader_options(self._kafka),
            isolation_level="read_committed",
        )
        try:
            await consumer.start()
            ends = await consumer.end_offsets(partitions)
            firsts = await consumer.offsets_for_times(dict.fromkeys(partitions, self._since))
            for partition in partitions:
                first = None if firsts[partition] is None else firsts[partition].offset
                begin = self._next.get(partition, ends[partition] if first is None else first)
                if begin > ends[partition]:
                    raise KafkaError(
                        f"{topic}[{partition.partition}] ends before what was read of it: it was cut or made again",
                        hint="the next run reads it from the beginning",
                    )
                await self._read(consumer, partition, begin, ends[partition])
                self._next[partition] = ends[partition]
        except (errors.KafkaError, OSError) as error:
            raise unreachable(self._kafka, error) from error
        finally:
            await consumer.stop()

    async def _read(self, consumer: Any, partition: Any, begin: int, end: int) -> None:
        seen = 0
        async for record in records_in(consumer, partition, begin, end):
            self._see(record.headers)
            seen += 1
            if seen % _AT_ONCE == 0:
                await asyncio.sleep(_BREATH)

    def _see(self, headers: Sequence[tuple[str, bytes | None]]) -> None:
        told = dict(headers)
        batch = self._batches.get(told.get("bridge.batch") or b"")
        if batch is None or told.get("bridge.stage") != Stage.INGEST.encode():
            return
        # Two that store at once may have stored a record twice: it must not stand for another one that has no letter yet.
        if self.add(batch, (told.get("bridge.record") or b"").decode(errors="replace")):
            self.counts[batch] += 1


def _mark(batch: str, record: str) -> bytes:
    return hashlib.blake2b(f"{batch}/{record}".encode(), digest_size=16).digest()
