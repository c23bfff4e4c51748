"""Reads failed batches and stores their records as dead letters, part by part; what is read is held in memory only so far.

The records of several batches share a part, as each part costs a look through the last minutes of the event topic, or hours. Everything here
has pauses in it: the events of the worker that does this go first.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import structlog

from bridge.adobe.reconciliation.refused_record import records_of
from bridge.kafka.dead_letters.ingest_letters import IngestLetters
from bridge.kafka.offset_range import records_between
from bridge.kafka.producer.letter_store import store_letters
from bridge.model.errors import KafkaError
from bridge.routes.ingest_letter import letter_of
from bridge.routes.originals import Originals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.adobe.client import PlatformClient
    from bridge.adobe.reconciliation.failed_batch import FailedBatch
    from bridge.adobe.reconciliation.refused_record import RefusedRecord
    from bridge.kafka.producer.letter_store import LetterFit
    from bridge.model.errors import BridgeError
    from bridge.model.ports import Decoder, Lead
    from bridge.routes.failed_batches_progress import Progress
    from bridge.settings import Route

    Found = tuple[FailedBatch, RefusedRecord]

_log = structlog.get_logger(__name__)
_MINUTE: Final = 60_000
_TOGETHER: Final = 10_000
_TOGETHER_BYTES: Final = 32_000_000
"""Records of one part."""
_WINDOWS: Final = ((0, 1), (1, 5), (5, 30), (30, 360), (360, 1440))
"""Minutes before the first batch of a part in which its events are looked for, until all are found: without lag the first one does."""
_MOST_LOOKED_AT: Final = 5_000_000
"""Records of the event topic that are looked at for one part."""
_AT_ONCE: Final = 500
_BREATH_EVERY: Final = 200
_BREATH: Final = 0.01


@dataclass(slots=True)
class FailedBatchFetch:
    """One run. ``key`` is that of ``progress`` in the state; None where nothing is to be noted there.

    ``finished`` are read to the end, and done with the next part; ``left`` have to be looked at again. What came of it: letters
    ``stored`` by code, how many are ``matched`` with their event and ``cut`` to fit, and a ``problem`` that is to be told.
    """

    route: Route
    decoder: Decoder
    client: PlatformClient
    lead: Lead
    progress: Progress
    key: bytes | None
    finished: list[FailedBatch] = field(default_factory=list)
    left: list[FailedBatch] = field(default_factory=list)
    problem: BridgeError | None = None
    stored: Counter[str] = field(default_factory=Counter)
    matched: int = 0
    cut: int = 0
    _letters: IngestLetters | None = None
    _waiting: list[Found] = field(default_factory=list)
    _size: int = 0

    async def begin(self, batches: Sequence[str], since: int) -> None:
        """Look for letters of these batches, stored from then on (milliseconds since 1970)."""
        self._letters = IngestLetters(self.route.settings.kafka, batches, since)
        await self._letters.look()

    async def batch(self, batch: FailedBatch) -> int:
        """Read a batch to its end, and store what fills a part; how many records its files hold."""
        letters = self._known()
        if batch.failed and letters.counts[batch.identifier] >= batch.failed:
            return batch.failed  # somebody has fetched it by hand
        passed = self.progress.read_of.get(batch.identifier, 0)
        read = 0
        async for record in records_of(self.client, batch.identifier):
            read += 1
            if read % _BREATH_EVERY == 0:
                await asyncio.sleep(_BREATH)
            if read <= passed or (batch.identifier, record.digest) in letters:
                continue
            self._waiting.append((batch, record))
            self._size += len(record.value)
            if len(self._waiting) >= _TOGETHER or self._size >= _TOGETHER_BYTES:
                await self.flush(half_read=(batch.identifier, read))
        return read

    async def flush(self, half_read: tuple[str, int] | None = None) -> None:
        """Store the part, then note what is done; a crash between makes the next leader read it anew, and find its letters."""
        waiting, self._waiting, self._size = self._waiting, [], 0
        if waiting:
            await self._store(waiting)
        for batch in self.finished:
            self.progress.finish(batch.identifier, batch.created)
        if half_read is not None:
            self.progress.read_of[half_read[0]] = half_read[1]
        if self.finished or half_read is not None:
            await self.note()
        self.finished = []

    async def note(self) -> None:
        """Have the state know how far it is."""
        if self.key is None:
            return
        try:
            await self.lead.state.write({self.key: self.progress.to_bytes()})
        except KafkaError as error:
            tell_lost_state(error)

    def _known(self) -> IngestLetters:
        if self._letters is None:
            raise AssertionError("a run begins with begin()")
        return self._letters

    async def _store(self, waiting: Sequence[Found]) -> None:
        letters = self._known()
        originals = await self._originals(waiting)
        # Between the first look and now somebody else may have stored some.
        await letters.look()
        made = [
            (one.code, letter_of(self.route, self.decoder, batch, one, originals.found.get(one.identifier or "")))
            for batch, one in waiting
            if letters.add(batch.identifier, one.digest)
        ]
        topic = self.route.settings.kafka.dead_letter_topic
        for start in range(0, len(made), _AT_ONCE):
            part = made[start : start + _AT_ONCE]
            await store_letters(self.lead.publisher, topic, [letter for _, letter in part])
            self._count(part)
            await asyncio.sleep(_BREATH)

    def _count(self, part: Sequence[tuple[str, LetterFit]]) -> None:
        self.stored.update(code for code, _ in part)
        self.matched += sum(each.letter.topic is not None for _, each in part)
        self.cut += sum(each.newly_cut for _, each in part)

    async def _originals(self, waiting: Sequence[Found]) -> Originals:
        """The events of these records, as far as they are found: the last minutes before the first batch first."""
        wanted = {one.identifier for _, one in waiting if one.identifier}
        originals = Originals(self.decoder, wanted, literal=self.route.source == "moengage")
        created, finished = min(one.created for one, _ in waiting), max(one.finished for one, _ in waiting)
        looked_at = 0
        for near, far in _WINDOWS:
            until = finished if near == 0 else created - near * _MINUTE
            async for one in records_between(self.route.settings.kafka, created - far * _MINUTE, until):
                originals.look_at(one)
                looked_at += 1
                if looked_at % _BREATH_EVERY == 0:
                    await asyncio.sleep(_BREATH)
                if looked_at >= _MOST_LOOKED_AT:
                    return originals
            if not originals.missing:
                break
        return originals


def tell_lost_state(error: KafkaError) -> None:
    """Work goes on without the state."""
    _log.warning(
        "failed_batches_not_noted",
        detail="The state topic cannot be used; the next leader reads more than needed, and stores nothing twice.",
        why=str(error),
        hint=error.hint,
    )
