"""Reads the dead-letter topic, and sends letters back to where they were consumed from.

A replay remembers how far it came in a consumer group of its own and commits only after Kafka has confirmed what it sent:
interrupted, it goes on from there, and at worst repeats a little. ``bridge.replays`` counts how often a letter has been
round, so that an event which is refused every time does not go round forever. The worker maps a replayed event with the
mapping it uses then.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition, errors

from bridge.dead_letter import PREFIX, DeadLetter, own_headers
from bridge.moengage.envelopes import NotJson, events_of, parse_json
from bridge.pipeline.connection import client_options
from bridge.pipeline.topics import ensure_topics, unreachable
from bridge.records import record_bytes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from datetime import datetime

    from bridge.pipeline.dead_letters import Publisher
    from bridge.settings import KafkaSettings

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Stored:
    """A dead letter and where it lies."""

    partition: int
    offset: int
    letter: DeadLetter
    headers: Sequence[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which letters: all that is set must fit. Times are aware; ``event_code`` is that of the event inside."""

    stage: str | None = None
    code: str | None = None
    event_code: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def fits(self, letter: DeadLetter) -> bool:
        """Whether the letter is one of them."""
        if self.stage not in (None, letter.stage) or self.code not in (None, letter.code):
            return False
        if self.since is not None and (letter.failed_at is None or letter.failed_at < self.since):
            return False
        if self.until is not None and (letter.failed_at is None or letter.failed_at >= self.until):
            return False
        return self.event_code is None or self.event_code in event_codes(letter.value)

    @property
    def name(self) -> str:
        """Nothing for all letters, else a short name: each filter remembers its own progress."""
        parts = [str(part) for part in (self.stage, self.code, self.event_code, self.since, self.until)]
        if all(part == "None" for part in parts):
            return ""
        return "." + hashlib.sha256("\0".join(parts).encode()).hexdigest()[:8]


@dataclass(slots=True)
class Replayed:
    """What a replay did, or would do: letters by stage and code, and why others stayed."""

    sent: Counter[tuple[str, str]] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)


def event_codes(value: bytes) -> set[str]:
    """Codes of the events in a letter; nothing where it holds none."""
    try:
        events = events_of(parse_json(value))
    except NotJson:
        return set()
    return {str(event.get("event_code")) for event in events if isinstance(event, dict)}


async def read(kafka: KafkaSettings, wanted: Filter) -> AsyncIterator[Stored]:
    """Every letter that fits, partition by partition, up to what is there at the start."""
    async with _consumer(kafka, group=None) as (consumer, ends):
        for partition, end in ends.items():
            consumer.assign([partition])
            await consumer.seek_to_beginning(partition)
            async for batch in _up_to(consumer, partition, end):
                for stored in batch:
                    if wanted.fits(stored.letter):
                        yield stored


async def read_one(kafka: KafkaSettings, partition: int, offset: int) -> Stored | None:
    """The letter at this place; None when there is none (any more)."""
    async with _consumer(kafka, group=None) as (consumer, ends):
        place = TopicPartition(kafka.dead_letter_topic, partition)
        if offset >= ends.get(place, 0):
            return None
        consumer.assign([place])
        consumer.seek(place, offset)
        async for batch in _up_to(consumer, place, offset + 1):
            for stored in batch:
                if stored.offset == offset:
                    return stored
    return None


async def replay(
    kafka: KafkaSettings,
    publisher: Publisher | None,
    wanted: Filter,
    *,
    most: int | None = None,
    max_replays: int = 3,
) -> Replayed:
    """Send letters that fit back to their topic, ``most`` at most; without a publisher only count (a dry run).

    A letter that its topic does not take (the dead letters' may take larger records) stays, and does not stop the others.
    """
    limit = None if publisher is None else publisher.limit
    done = Replayed()
    async with _consumer(kafka, group=f"{kafka.group}.replay{wanted.name}") as (consumer, ends):
        for partition, end in ends.items():
            consumer.assign([partition])
            committed = await consumer.committed(partition)
            if committed is None:
                await consumer.seek_to_beginning(partition)
            else:
                consumer.seek(partition, committed)
            async for batch in _up_to(consumer, partition, end):
                upto, records = _choose(
                    batch, wanted, done, topic=kafka.topic, most=most, max_replays=max_replays, limit=limit
                )
                if publisher is not None:
                    for topic, some in records.items():
                        await publisher.publish(some, topic=topic)
                    await consumer.commit({partition: upto})
                if most is not None and done.sent.total() >= most:
                    return done
    return done


def _choose(
    batch: Sequence[Stored],
    wanted: Filter,
    done: Replayed,
    *,
    topic: str,
    most: int | None,
    max_replays: int,
    limit: Callable[[str], int] | None = None,
) -> tuple[int, dict[str, list[Any]]]:
    """Records to send by topic, and the offset after the last letter that was looked at."""
    records: dict[str, list[Any]] = {}
    upto = batch[0].offset
    for stored in batch:
        if most is not None and done.sent.total() >= most:
            break
        upto = stored.offset + 1
        letter = stored.letter
        if not wanted.fits(letter):
            done.kept["not asked for"] += 1
        elif letter.truncated_from is not None:
            done.kept["truncated"] += 1
        elif letter.replays >= max_replays:
            done.kept["replayed too often"] += 1
        else:
            headers = [*own_headers(stored.headers), (PREFIX + "replays", b"%d" % (letter.replays + 1))]
            record, source = (letter.key, letter.value, headers), letter.topic or topic
            if limit is not None and record_bytes(record) > limit(source):
                done.kept["larger than the topic takes"] += 1
                continue
            done.sent[letter.stage, letter.code] += 1
            records.setdefault(source, []).append(record)
    return upto, records


@asynccontextmanager
async def _consumer(kafka: KafkaSettings, *, group: str | None) -> AsyncIterator[tuple[Any, dict[Any, int]]]:
    """A consumer without subscription, and the end offsets of the dead-letter topic's partitions."""
    topic = kafka.dead_letter_topic
    partitions = [
        TopicPartition(topic, n) for n in range((await ensure_topics(kafka, create=False, topics=[topic]))[topic])
    ]
    consumer = AIOKafkaConsumer(
        **client_options(kafka),
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    try:
        await consumer.start()
        yield consumer, await consumer.end_offsets(partitions)
    except (errors.KafkaError, OSError) as error:
        raise unreachable(kafka, error) from error
    finally:
        await consumer.stop()


async def _up_to(consumer: Any, partition: Any, end: int) -> AsyncIterator[list[Stored]]:
    """Batches of what lies before ``end``."""
    while await consumer.position(partition) < end:
        records = (await consumer.getmany(partition, timeout_ms=1_000, max_records=_AT_ONCE)).get(partition, [])
        batch = [
            Stored(r.partition, r.offset, DeadLetter.from_headers(r.key, r.value, r.headers), r.headers)
            for r in records
            if r.offset < end
        ]
        if batch:
            yield batch


def as_json(stored: Stored, *, value: bool) -> dict[str, Any]:
    """A letter as a JSON object; with ``value`` also what was consumed."""
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
        "mapping": letter.mapping,
        "source": {"topic": letter.topic, "partition": letter.partition, "offset": letter.offset},
        "truncated_from": letter.truncated_from,
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
