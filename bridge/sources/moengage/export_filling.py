"""Documents of an export become records in Kafka, batch by batch, and a tally says up to which line they are stored."""

from __future__ import annotations

import asyncio
import queue
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from bridge.model.dead_letter import DEFAULT_ROUTE
from bridge.model.errors import BridgeError
from bridge.model.event import Refusal
from bridge.model.letter_fit import fit
from bridge.model.record import record_bytes
from bridge.sources.http.intake import RecordLimits, records_of
from bridge.sources.moengage.decoder import DECODER
from bridge.sources.moengage.export_files import LONGEST_LINE, STDIN, InputError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from datetime import datetime

    from bridge.model.dead_letter import DeadLetter, StoredLetters
    from bridge.model.ports import EventStore
    from bridge.model.record import Record
    from bridge.sources.moengage.export_files import Export

_BATCH_EVENTS = 2_000
_BATCH_BYTES = 2_000_000
_UNDER_WAY = 3
_AHEAD = 1_000
"""Documents of stdin that are read before they are asked for."""
_BUNDLE, _BUNDLE_BYTES, _BUNDLES = 500, 1_000_000, 3
"""Of an object: documents of a bundle, its bytes, and how many bundles are read before they are asked for."""
_PAUSE = 0.005
_IDLE = 40
"""Pauses in a row without a word: then it is waiting, and a stop need not wait for what comes next."""
_PUT_SECONDS = 0.1
_JOIN_SECONDS = 5.0
_TOO_LONG = Refusal("too_large", f"the line is longer than {LONGEST_LINE} bytes")


@dataclass(slots=True)
class Tally:
    """What became of one file so far. ``stored_line`` is the last line up to which everything is stored."""

    file: str
    line: int = 0
    stored_line: int = 0
    events: int = 0
    stored: int = 0
    refused: int = 0
    position: int = 0
    size: int | None = None
    complete: bool = False


@dataclass(slots=True)
class _Batch:
    events: list[Record] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    bytes: int = 0


async def _read(export: Export, stopped: Callable[[], bool]) -> AsyncIterator[tuple[int, bytes] | None]:
    """The documents of ``export``; None, as the last, when it was stopped while it waited for more."""
    if not export.is_waited_for:
        for document in export.documents():
            yield document
        return
    ahead = _Ahead(export)
    ahead.start()
    idle = 0
    try:
        while True:
            try:
                found = ahead.queue.get_nowait()
            except queue.Empty:
                idle += 1
                if idle > _IDLE and stopped():
                    yield None
                    return
                await asyncio.sleep(_PAUSE)
                continue
            idle = 0
            if found is None:
                return
            if isinstance(found, BaseException):
                raise found
            for document in found:
                yield document
    finally:
        ahead.end()


class _Ahead(threading.Thread):
    """Reads what has to be waited for: a loop that waits in read() hears no signal, and a pipe may have nothing to say for hours.

    Documents come in bundles; of stdin one by one, since the next may be far.
    """

    def __init__(self, export: Export) -> None:
        super().__init__(name=export.name, daemon=True)
        self._export = export
        self._many = 1 if export.name == STDIN else _BUNDLE
        self._over = threading.Event()
        self.queue: queue.Queue[list[tuple[int, bytes]] | BaseException | None] = queue.Queue(
            _AHEAD if self._many == 1 else _BUNDLES
        )

    def run(self) -> None:
        """Until the export or the wish for it ends."""
        bundle: list[tuple[int, bytes]] = []
        size = 0
        try:
            for found in self._export.documents():
                bundle.append(found)
                size += len(found[1])
                if len(bundle) >= self._many or size >= _BUNDLE_BYTES:
                    if not self._put(bundle):
                        return
                    bundle, size = [], 0
            if bundle:
                self._put(bundle)
            self._put(None)
        except BaseException as error:  # noqa: BLE001 - it is raised where the documents are asked for
            if not bundle or self._put(bundle):
                self._put(error)

    def end(self) -> None:
        """Nothing more is wanted. A read of stdin may take for ever and is left; one of an object ends."""
        self._over.set()
        if self._many > 1:
            self.join(_JOIN_SECONDS)

    def _put(self, found: list[tuple[int, bytes]] | BaseException | None) -> bool:
        while not self._over.is_set():
            try:
                self.queue.put(found, timeout=_PUT_SECONDS)
            except queue.Full:
                continue
            return True
        return False


async def fill(
    export: Export,
    tally: Tally,
    store: EventStore | None,
    *,
    now: Callable[[], datetime],
    from_line: int = 1,
    keep_refused: bool = False,
    route: str = DEFAULT_ROUTE,
    refused: Callable[[int, DeadLetter], None] = lambda _line, _letter: None,
    stopped: Callable[[], bool] = lambda: False,
    confirmed: Callable[[], Awaitable[None]] | None = None,
    patience_seconds: float = 60.0,
) -> None:
    """Write the events of ``export`` from ``from_line`` on, keeping ``tally``; without ``store`` only count.

    What is refused is told to ``refused`` and, with ``keep_refused``, stored as a dead letter. Raises ``BridgeError`` when
    a batch is not confirmed within ``patience_seconds`` of trying: everything up to ``tally.stored_line`` is stored.
    ``confirmed`` is awaited whenever that line has moved on.
    """
    event_bytes, letter_bytes = (store.event_limit, store.dead_letter_limit) if store else (sys.maxsize, sys.maxsize)
    limits = RecordLimits(event_bytes, letter_bytes, route=route)
    under_way: deque[tuple[asyncio.Task[StoredLetters], int, int]] = deque()
    batch = _Batch()

    async def settle_oldest() -> None:
        task, last_line, count = under_way.popleft()
        made = (await task).made
        for letter in made:
            refused(last_line, letter)
        tally.refused += len(made)
        tally.stored += count - len(made)
        tally.stored_line = last_line
        if confirmed is not None:
            await confirmed()

    async def send() -> None:
        nonlocal batch
        if store is not None:
            letters = [letter.to_record() for letter in batch.dead_letters]
            task = asyncio.create_task(_confirmed(store, batch.events, letters, patience_seconds))
            under_way.append((task, tally.line, len(batch.events)))
            if len(under_way) >= _UNDER_WAY:
                await settle_oldest()
        batch = _Batch()

    def convert(line: int, document: bytes) -> None:
        doubt = _TOO_LONG if len(document) == LONGEST_LINE else None
        intake = records_of(document, limits, now(), DECODER, doubt)
        batch.events.extend(intake.events)
        batch.bytes += sum(map(record_bytes, intake.events))
        tally.events += len(intake.events)
        for letter in intake.dead_letters:
            tally.refused += 1
            refused(line, letter)
            if keep_refused:
                placed = replace(letter, reason=f"{letter.reason} (line {line} of {export.name})")
                batch.dead_letters.append(fit(placed, letter_bytes)[0])
                batch.bytes += len(letter.value)

    tally.size = export.size
    ended = False
    damage: InputError | None = None
    try:
        try:
            async for found in _read(export, stopped):
                if found is None:
                    break
                line, document = found
                if line < from_line:
                    continue
                # Between two lines, so that everything up to the line before is in a batch.
                if line != tally.line and (len(batch.events) >= _BATCH_EVENTS or batch.bytes >= _BATCH_BYTES):
                    await send()
                    if stopped():
                        break
                    # With room in the line nothing above suspends.
                    await asyncio.sleep(0)
                tally.line, tally.position = line, export.position
                convert(line, document)
            else:
                ended = True
        except InputError as error:
            # What came before the damage is as good as any.
            damage = error
        await send()
        while under_way:
            await settle_oldest()
        tally.complete = ended
        if damage is not None:
            raise damage
    finally:
        for task, *_ in under_way:
            task.cancel()
        await asyncio.gather(*(task for task, *_ in under_way), return_exceptions=True)


async def _confirmed(
    store: EventStore, events: Sequence[Record], dead_letters: Sequence[Record], patience_seconds: float
) -> StoredLetters:
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            async with asyncio.timeout_at(asyncio.get_running_loop().time() + max(1.0, deadline - time.monotonic())):
                return await store.store(events, dead_letters)
        except (BridgeError, TimeoutError) as error:
            if time.monotonic() >= deadline:
                raise BridgeError(f"Kafka did not confirm within {patience_seconds:g} s: {error}") from error
            await asyncio.sleep(min(1.0, patience_seconds / 10))
