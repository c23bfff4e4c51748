"""Stores refused events in the dead-letter topic; only when the brokers have confirmed one may its offset move.

While the topic cannot be written everything refused is held: tried again without an end, unready meanwhile.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from bridge.dead_letter import DeadLetter, own_headers, uuid_of
from bridge.errors import KafkaError
from bridge.moengage.envelopes import Refusal, encode, events_of, isolate, parse_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bridge.pipeline.ledger import Chunk
    from bridge.pipeline.pacing import Backoff
    from bridge.telemetry.metrics import Metrics
    from bridge.verdicts import Rejected

_log = structlog.get_logger(__name__)
_AT_ONCE = 500
_ROOM = 50
"""Bytes for the header that tells of a cut."""

Record = tuple["bytes | None", bytes, "Sequence[tuple[str, bytes | None]]"]


class Publisher(Protocol):
    """Writes records and returns when all are confirmed; ``KafkaError`` otherwise."""

    async def publish(self, records: Sequence[Record], *, topic: str | None = None) -> None:
        """Write to the topic."""
        ...

    def limit(self, topic: str) -> int:
        """Most bytes of one record."""
        ...


@dataclass(frozen=True, slots=True)
class Letter:
    """One refused event on its way to the topic."""

    chunk: Chunk
    record: Record
    stage: str
    code: str


class DeadLetters:
    """A queue in front of the dead-letter topic. ``writable`` is False while the topic refuses us."""

    def __init__(
        self,
        publisher: Publisher,
        topic: str,
        metrics: Metrics,
        *,
        stored: Callable[[Chunk, int], None],
        backoff: Backoff,
        size: Callable[[Record], int],
    ) -> None:
        self._publisher = publisher
        self._topic = topic
        self._metrics = metrics
        self._stored = stored
        self._backoff = backoff
        self._size = size
        self._queue: deque[Letter] = deque()
        self._under_way = 0
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.writable = True

    def __len__(self) -> int:
        """Letters that are not confirmed yet."""
        return len(self._queue) + self._under_way

    def put(self, chunk: Chunk, row: int, part: int | None, rejected: Rejected, attempts: int) -> None:
        """Take event ``part`` of the chunk's record ``row`` (None: the record as a whole)."""
        self._metrics.rejected_events.labels(rejected.stage, rejected.code).inc()
        source = chunk.records[row]
        value, uuid = _alone(source.value, part)
        letter = DeadLetter(
            key=source.key,
            value=value,
            stage=rejected.stage,
            code=rejected.code,
            reason=rejected.reason,
            topic=chunk.partition[0],
            partition=chunk.partition[1],
            offset=source.offset,
            event_uuid=uuid,
            mapping=chunk.mapping,
            attempts=attempts,
            failed_at=datetime.now(UTC),
            replays=_replays(source.headers),
        )
        self._queue.append(Letter(chunk, self._fitted(letter, source.headers), rejected.stage, rejected.code))
        self._wake.set()

    def start(self) -> None:
        """Begin to store."""
        self._task = asyncio.create_task(self._run(), name="dead-letters")

    async def stop(self) -> None:
        """Stop at once; what is not confirmed stays unacknowledged."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _fitted(self, letter: DeadLetter, headers: Any) -> Record:
        """Key, value and headers; a value that the topic cannot take is cut, which the headers tell.

        The source topic took the record, so this needs a dead-letter topic with a smaller limit, or a record at its limit.
        """
        kept = own_headers(headers or ())
        record: Record = (letter.key, letter.value, [*kept, *letter.to_headers()])
        limit = self._publisher.limit(self._topic)
        if self._size(record) > limit:
            # A key that leaves no room goes too: a letter that never fits would hold its partition for ever.
            key = letter.key if self._size((letter.key, b"", letter.to_headers())) + _ROOM <= limit else None
            room = max(0, limit - self._size((key, b"", letter.to_headers())) - _ROOM)
            if room < len(letter.value):
                letter = replace(letter, value=letter.value[:room], truncated_from=len(letter.value))
            record = (key, letter.value, letter.to_headers())
            _log.error("a dead letter is larger than its topic takes and was cut", bytes=letter.truncated_from)
        return record

    async def _run(self) -> None:
        failures = 0
        while True:
            if not self._queue:
                self._wake.clear()
                await self._wake.wait()
            letters = [self._queue.popleft() for _ in range(min(_AT_ONCE, len(self._queue)))]
            self._under_way = len(letters)
            while letters := [letter for letter in letters if not letter.chunk.closed]:
                self._under_way = len(letters)
                try:
                    await self._publisher.publish([letter.record for letter in letters], topic=self._topic)
                except KafkaError as error:
                    failures += 1
                    if self.writable:
                        self.writable = False
                        _log.error("dead letters cannot be stored, their offsets are held", error=str(error))
                    await asyncio.sleep(self._backoff.delay(failures))
                else:
                    self._confirm(letters)
                    break
            self._under_way = 0
            failures = 0
            self.writable = True

    def _confirm(self, letters: list[Letter]) -> None:
        if not self.writable:
            _log.info("dead letters are stored again")
        for letter in letters:
            self._metrics.dead_letters.labels(letter.stage, letter.code).inc()
            self._stored(letter.chunk, 1)


def _alone(value: bytes | None, part: int | None) -> tuple[bytes, str | None]:
    """The record's value, or one event of it alone in its envelope; and the event's own id."""
    if value is None:
        return b"", None
    try:
        document = parse_json(value)
        event = events_of(document)[part or 0]
        name = uuid_of(event)
        if part is None:
            return value, name
        alone = encode(isolate(document, part))
    except Exception:  # noqa: BLE001 - whatever is wrong with it is why it is here; as a whole it is always storable
        return value, None
    return (value if isinstance(alone, Refusal) else alone), name


def _replays(headers: Any) -> int:
    return DeadLetter.from_headers(None, None, headers or ()).replays
