"""Reads the dead-letter topic: which letters there are, where, and what of them a filter wants."""

from __future__ import annotations

import hashlib
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition, errors

from bridge.kafka.batches.taking import position, take
from bridge.kafka.connection import reader_options
from bridge.kafka.topics import ensure_topics, unreachable
from bridge.model.dead_letter import DeadLetter, pointer_in
from bridge.model.errors import KafkaError, NotJson
from bridge.model.event import MOST

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from bridge.model.ports import Decoder
    from bridge.settings import KafkaSettings

_AT_ONCE = 500
_ASK_AFTER = 5
_EMPTY_POLLS = 20
"""Seconds without a letter before the end that was there at the start."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A dead letter and where it lies; ``timestamp`` is Kafka's, in milliseconds since 1970, 0 where it was not asked for."""

    partition: int
    offset: int
    letter: DeadLetter
    headers: Sequence[tuple[str, bytes]]
    timestamp: int = 0


@dataclass(frozen=True, slots=True)
class Filter:
    """Which letters: all that is set must fit. Times are aware; ``event_code`` is that of the event inside."""

    stage: str | None = None
    code: str | None = None
    event_code: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def fits(self, letter: DeadLetter, decoder: Decoder | None = None) -> bool:
        """Whether the letter is one of them; ``decoder`` reads the event inside, where its code is asked for."""
        if self.stage not in (None, letter.stage) or self.code not in (None, letter.code):
            return False
        if self.since is not None and (letter.failed_at is None or letter.failed_at < self.since):
            return False
        if self.until is not None and (letter.failed_at is None or letter.failed_at >= self.until):
            return False
        if self.event_code is None:
            return True
        return decoder is not None and self.event_code in event_codes(letter.value, decoder)

    def to_dict(self) -> dict[str, str]:
        """What is set, as JSON takes it."""
        return {key: str(value) for key, value in asdict(self).items() if value is not None}

    @classmethod
    def from_dict(cls, told: Mapping[str, str]) -> Self:
        """Undo :meth:`to_dict`; ``ValueError`` or ``TypeError`` for what is none."""
        texts = dict(told)
        since, until = texts.pop("since", None), texts.pop("until", None)
        return cls(
            **texts,
            since=None if since is None else datetime.fromisoformat(since),
            until=None if until is None else datetime.fromisoformat(until),
        )

    @property
    def name(self) -> str:
        """Nothing for all letters, else a short name: each filter remembers its own progress."""
        parts = [str(part) for part in (self.stage, self.code, self.event_code, self.since, self.until)]
        if all(part == "None" for part in parts):
            return ""
        return "." + hashlib.sha256("\0".join(parts).encode()).hexdigest()[:8]


def event_codes(value: bytes, decoder: Decoder) -> set[str]:
    """Codes of the events in a letter; nothing where it holds none."""
    try:
        events = decoder.events_of(decoder.parse_record(value), MOST)
    except NotJson:
        return set()
    return {str(event.get("event_code")) for event in events if isinstance(event, dict)}


def field_of(letter: DeadLetter) -> str:
    """The field that the reason names, as a path with dots; nothing where it names none."""
    return pointer_in(letter.reason)


async def read(kafka: KafkaSettings, wanted: Filter, decoder: Decoder) -> AsyncIterator[Stored]:
    """Every letter that fits, partition by partition, up to what is there at the start."""
    async with open_letters(kafka) as (consumer, ends):
        for partition, end in ends.items():
            consumer.assign([partition])
            await consumer.seek_to_beginning(partition)
            async for batch in up_to(consumer, partition, end):
                for stored in batch:
                    if wanted.fits(stored.letter, decoder):
                        yield stored


async def read_one(kafka: KafkaSettings, partition: int, offset: int) -> Stored | None:
    """The letter at this place; None when there is none (any more)."""
    async with open_letters(kafka) as (consumer, ends):
        place = TopicPartition(kafka.dead_letter_topic, partition)
        if offset >= ends.get(place, 0):
            return None
        consumer.assign([place])
        consumer.seek(place, offset)
        async for batch in up_to(consumer, place, offset + 1):
            for stored in batch:
                if stored.offset == offset:
                    return stored
    return None


@asynccontextmanager
async def open_letters(kafka: KafkaSettings) -> AsyncIterator[tuple[Any, dict[Any, int]]]:
    """A consumer without subscription and group, and the end offsets of the dead-letter topic's partitions."""
    topic = kafka.dead_letter_topic
    partitions = [
        TopicPartition(topic, n) for n in range((await ensure_topics(kafka, create=False, topics=[topic]))[topic])
    ]
    consumer = AIOKafkaConsumer(
        **reader_options(kafka),
        isolation_level="read_committed",
    )
    try:
        await consumer.start()
        yield consumer, await consumer.end_offsets(partitions)
    except (errors.KafkaError, OSError) as error:
        raise unreachable(kafka, error) from error
    finally:
        await consumer.stop()


async def up_to(consumer: Any, partition: Any, end: int) -> AsyncIterator[list[Stored]]:
    """Batches of what lies before ``end``. Raises ``KafkaError`` where nothing comes for long, or it cannot be read."""
    empty = 0
    while (at := await position(consumer, partition)) < end:
        records = await take(consumer, partition, timeout_ms=1_000, most=_AT_ONCE)
        empty = 0 if records else empty + 1
        if empty % _ASK_AFTER == _ASK_AFTER - 1:
            # The client gives nothing while the brokers are away, too. This asks them, and raises when they stay away.
            await consumer.end_offsets([partition])
        if empty >= _EMPTY_POLLS:
            raise KafkaError(
                f"{partition.topic}[{partition.partition}]: no dead letter came for {empty} s, at offset {at} of {end}",
                hint="look at the brokers; a replay goes on where it ended when it is started again",
            )
        batch = [
            Stored(r.partition, r.offset, DeadLetter.from_headers(r.key, r.value, r.headers), r.headers, r.timestamp)
            for r in records
            if r.offset < end
        ]
        if batch:
            yield batch


def as_json(stored: Stored, *, value: bool, replayed: bool | None = None) -> dict[str, Any]:
    """A letter as a JSON object; with ``value`` also what was consumed. ``replayed`` is None where nobody has looked."""
    letter = stored.letter
    shown: dict[str, Any] = {
        "partition": stored.partition,
        "offset": stored.offset,
        "stage": letter.stage,
        "code": letter.code,
        "reason": letter.reason,
        "event_uuid": letter.event_uuid,
        "failed_at": letter.failed_at.isoformat() if letter.failed_at else None,
        "attempts": letter.attempts,
        "replays": letter.replays,
        "replayed": replayed,
        "form": letter.form,
        "route": letter.route,
        "events": letter.events,
        "mapping": letter.mapping,
        "source": {"topic": letter.topic, "partition": letter.partition, "offset": letter.offset},
        "truncated_from": letter.truncated_from,
        "batch": letter.batch,
    }
    if value:
        shown["key"] = letter.key.decode(errors="replace") if letter.key is not None else None
        try:
            shown["value"] = orjson.loads(letter.value)
            # What is nested too deeply can be read, but not be written again.
            orjson.dumps(shown)
        except (orjson.JSONDecodeError, orjson.JSONEncodeError):
            shown["value"] = letter.value.decode(errors="replace")
    return shown
