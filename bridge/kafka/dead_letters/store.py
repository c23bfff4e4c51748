"""Stores refused events in the dead-letter topic; only when the brokers have confirmed one may its offset move.

While the topic cannot be written everything refused is held: tried again without an end, unready meanwhile.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson
import structlog

from bridge.kafka.dead_letters.refused_fields import RefusedFields
from bridge.kafka.dead_letters.refused_parts import RefusedParts
from bridge.kafka.producer.letter_store import LetterFit, store_letters
from bridge.model.dead_letter import DeadLetter, Form, is_xdm, own_headers, uuid_of
from bridge.model.errors import KafkaError

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.kafka.consumer.chunk import Chunk, Fetched
    from bridge.model.backoff import Backoff
    from bridge.model.ports import Decoder, Publisher
    from bridge.model.verdicts import Rejected
    from bridge.telemetry.metrics import Metrics

_log = structlog.get_logger(__name__)
_AT_ONCE = 500
_OWN_BYTES = 5_000
"""Room for key and headers of a letter that must not be cut."""
_TOLD_SECONDS = 60.0
"""How often the log tells how many were stored."""


@dataclass(slots=True)
class Letter:
    """A letter on its way to the topic, which stands for a number of events of the chunk."""

    chunk: Chunk
    fit: LetterFit
    events: int = 1
    stored: bool = False

    def count(self) -> LetterFit:
        """The letter as it is to leave now, with the number of events that it stands for."""
        if self.events != self.fit.letter.events:
            self.fit.letter = replace(self.fit.letter, events=self.events)
        return self.fit


class DeadLetters:
    """A queue in front of the dead-letter topic. ``writable`` is False while the topic refuses us.

    ``stored`` is told of the events of a chunk whose letters are confirmed, ``on_failure`` of an error that ends the storing.
    """

    def __init__(
        self,
        publisher: Publisher,
        topic: str,
        metrics: Metrics,
        decoder: Decoder,
        *,
        stored: Callable[[Chunk, int], None],
        backoff: Backoff,
        on_failure: Callable[[BaseException], None],
        clock: Callable[[], float],
    ) -> None:
        self._publisher = publisher
        self._topic = topic
        self._metrics = metrics
        self._stored = stored
        self._backoff = backoff
        self._on_failure = on_failure
        self._clock = clock
        self._queue: deque[Letter] = deque()
        self._parts = RefusedParts(decoder)
        self._fields = RefusedFields(metrics, decoder)
        self._under_way = 0
        self._untold: Counter[tuple[str, str]] = Counter()
        self._told_at: float | None = None
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.writable = True

    def __len__(self) -> int:
        """Letters that are not confirmed yet."""
        return len(self._queue) + self._under_way

    def put(self, chunk: Chunk, row: int, part: int | None, rejected: Rejected, attempts: int) -> None:
        """Take event ``part`` of the chunk's record ``row``; None: the record as a whole.

        Beyond a few refusals of one record with the same code the record as it came stands for all that follow.
        """
        self._metrics.rejected_events.labels(rejected.stage, rejected.code).inc()
        several = (
            part is not None and self._parts.many(chunk, row, rejected.code) and self._is_kept_whole(chunk.records[row])
        )
        if several:
            earlier: Letter | None = self._parts.together(chunk, row, rejected.code)
            if earlier is not None:
                self._join(earlier)
                return
            part = None
        letter = Letter(chunk, self._written(chunk, row, part, rejected, attempts))
        if several:
            self._parts.put_together(chunk, row, rejected.code, letter)
        self._queue.append(letter)
        self._wake.set()

    def _join(self, letter: Letter) -> None:
        """One event more for which a letter stands, which may be stored already."""
        if letter.stored:
            self._stored(letter.chunk, 1)
        else:
            letter.events += 1

    def _is_kept_whole(self, record: Fetched) -> bool:
        # Of a record that the topic cannot take whole, events would be cut off.
        return len(record.value or b"") + _OWN_BYTES <= self._publisher.limit(self._topic)

    def _written(self, chunk: Chunk, row: int, part: int | None, rejected: Rejected, attempts: int) -> LetterFit:
        source = chunk.records[row]
        xdm = is_xdm(source.headers or ())
        value, uuid = (source.value or b"", _id_of(source.value)) if xdm else self._parts.alone(chunk, row, part)
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
            route=self._metrics.route,
            form=Form.XDM if xdm else Form.EVENT,
        )
        return LetterFit(letter, own_headers(source.headers or ()))

    def forget_closed(self) -> None:
        """Drop the letters of partitions that are another worker's now: while the topic refuses us they would only fill the memory."""
        self._queue = deque(letter for letter in self._queue if not letter.chunk.closed)

    def start(self) -> None:
        """Begin to store."""
        self._task = asyncio.create_task(self._run(), name="dead-letters")
        self._task.add_done_callback(self._ended)

    async def stop(self) -> None:
        """Stop at once; what is not confirmed stays unacknowledged."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._untold:
            self._tell()

    def _ended(self, task: asyncio.Task[None]) -> None:
        # Nobody else would notice: letters would pile up, and their offsets never move.
        if not task.cancelled() and (error := task.exception()) is not None:
            self.writable = False
            self._on_failure(error)

    async def _run(self) -> None:
        failures = 0
        while True:
            if not self._queue:
                self._wake.clear()
                await self._wait()
            letters = [self._queue.popleft() for _ in range(min(_AT_ONCE, len(self._queue)))]
            self._under_way = len(letters)
            while letters := [letter for letter in letters if not letter.chunk.closed]:
                self._under_way = len(letters)
                try:
                    await store_letters(self._publisher, self._topic, [letter.count() for letter in letters])
                except KafkaError as error:
                    failures += 1
                    if self.writable:
                        self.writable = False
                        _log.error(
                            "dead_letters_unwritable",
                            detail="They are kept and retried; their offsets are not committed meanwhile.",
                            error=str(error),
                        )
                    await asyncio.sleep(self._backoff.delay(failures))
                else:
                    self._confirm(letters)
                    break
            self._under_way = 0
            failures = 0
            self.writable = True

    async def _wait(self) -> None:
        """Wait for a letter, and tell meanwhile what is due to be told."""
        due = None if not self._untold or self._told_at is None else self._told_at + _TOLD_SECONDS - self._clock()
        try:
            async with asyncio.timeout(due):
                await self._wake.wait()
        except TimeoutError:
            self._tell()

    def _confirm(self, letters: list[Letter]) -> None:
        if not self.writable:
            _log.info("dead_letters_writable", detail="Dead letters can be stored again.")
        for letter in letters:
            stored = letter.fit.stored
            its = (letter.fit.letter.stage, letter.fit.letter.code)
            self._metrics.dead_letters.labels(*its).inc()
            self._untold[its] += letter.events
            self._fields.count(letter.fit.letter, letter.events)
            if letter.fit.newly_cut:
                self._metrics.truncated_dead_letters.labels(its[0]).inc()
                _log.error(
                    "dead_letter_cut",
                    detail="It is larger than its topic accepts, so only its beginning is stored; replay refuses it.",
                    bytes=stored.truncated_from or len(letter.fit.letter.value),
                    topic=letter.fit.letter.topic,
                    partition=letter.fit.letter.partition,
                    offset=letter.fit.letter.offset,
                )
            letter.stored = True
            self._stored(letter.chunk, letter.events)
        if self._told_at is None or self._clock() - self._told_at >= _TOLD_SECONDS:
            self._tell()

    def _tell(self) -> None:
        """One line a code; nothing that an event holds."""
        for (stage, code), count in self._untold.most_common():
            _log.info(
                "dead_letters_stored",
                detail="Events were refused for good and are stored as dead letters.",
                stage=str(stage),
                code=code,
                count=count,
            )
        self._untold.clear()
        self._told_at = self._clock()


def _replays(headers: Any) -> int:
    return DeadLetter.from_headers(None, None, headers or ()).replays


def _id_of(xdm: bytes | None) -> str | None:
    """``_id`` of an ExperienceEvent, None where it names nothing."""
    try:
        event = orjson.loads(xdm or b"")
    except orjson.JSONDecodeError:
        return None
    return uuid_of({"event_uuid": event.get("_id")} if isinstance(event, dict) else None)
