"""Lines of MoEngage's file exports become the records that the receiver would have written.

MoEngage exports the same events as newline-delimited ``.json.gz`` to S3, GCS or SFTP (S3 page): the channel for what the
stream lost or never had. Any envelope is taken, also a file that is one JSON document or one array. Memory holds a few
batches of lines, whatever the size of the file.
"""

from __future__ import annotations

import asyncio
import gzip
import io
import queue
import sys
import threading
import time
import zlib
from collections import deque
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING

from bridge.model.dead_letter import DEFAULT_ROUTE
from bridge.model.errors import BridgeError, NotJson
from bridge.model.event import Refusal
from bridge.model.record import record_bytes
from bridge.sources.http.intake import RecordLimits, records_of
from bridge.sources.http.json_reading import encode, parse_json
from bridge.sources.moengage.decoder import DECODER

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence
    from datetime import datetime

    from bridge.model.dead_letter import DeadLetter, StoredLetters
    from bridge.model.ports import EventStore
    from bridge.model.record import Record

STDIN = "-"
_BEFORE_JSON = b" \t\r\n\x1e\xef\xbb\xbf"
"""Blanks, RFC 7464's record separator, and the bytes of a byte order mark."""
_GZIP = b"\x1f\x8b"
_BATCH_EVENTS = 2_000
_BATCH_BYTES = 2_000_000
_UNDER_WAY = 3
_AHEAD = 1_000
"""Documents of stdin that are read before they are asked for."""
_PAUSE = 0.005
_IDLE = 40
"""So many pauses without a word from stdin: then it is waiting, and a stop need not wait for its next line."""
_WHOLE_BYTES = 256_000_000
"""A file whose first line with anything in it is no JSON is read whole, as one document, up to this size."""


class InputError(BridgeError):
    """A file cannot be read, or ends in the middle."""


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


class Export:
    """One file, ``-`` for stdin; gzip is told by its first bytes, not by its name."""

    def __init__(self, name: str, *, stdin: IO[bytes] | None = None) -> None:
        self.name = name
        try:
            self._raw: IO[bytes] = (stdin or _stdin()) if name == STDIN else Path(name).open("rb")  # noqa: SIM115
        except OSError as error:
            raise InputError(f"{name} cannot be read: {error.strerror}") from None
        self.size = None if name == STDIN else Path(name).stat().st_size
        self._buffered = io.BufferedReader(_Raw(self._raw), 1 << 18)

    @property
    def position(self) -> int:
        """Bytes of the file that were read, compressed as they are."""
        return self._raw.tell() if self._raw.seekable() else 0

    def documents(self) -> Iterator[tuple[int, bytes]]:
        """(line, document) one by one; a document is JSON text of any envelope, or what stands in its place."""
        try:
            packed = self._buffered.peek(2)[:2] == _GZIP
            plain: io.BufferedIOBase = gzip.GzipFile(fileobj=self._buffered) if packed else self._buffered
            yield from self._lines(plain)
        except (EOFError, zlib.error, OSError) as error:
            raise InputError(f"{self.name} is damaged or ends in the middle: {error}") from None

    def close(self) -> None:
        """Close the file (not stdin)."""
        if self.name != STDIN:
            self._raw.close()

    def _lines(self, plain: io.BufferedIOBase) -> Iterator[tuple[int, bytes]]:
        begun = False
        for number, line in enumerate(plain, start=1):
            if not line.strip():
                continue
            if not begun and not _is_json(line):
                yield from self._whole(number, line, plain)
                return
            begun = True
            yield from ((number, document) for document in _elements(line))

    def _whole(self, number: int, first: bytes, plain: io.BufferedIOBase) -> Iterator[tuple[int, bytes]]:
        text = first + plain.read(_WHOLE_BYTES)
        if _is_json(text):
            yield from ((number, document) for document in _elements(text))
            return
        lines = text.splitlines(keepends=True)
        # What was cut at the bound goes on in the file.
        if lines and not lines[-1].endswith(b"\n"):
            lines[-1] += plain.readline()
        for at, line in enumerate(chain(lines, plain), start=number):
            if line.strip():
                yield from ((at, document) for document in _elements(line))


class _Raw(io.RawIOBase):
    """Reads from a stream that may be a pipe; ``peek`` is asked of the buffer above it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._stream.read(len(buffer))
        if len(data) == 1:
            # One byte alone does not tell gzip from text.
            data += self._stream.read(len(buffer) - 1)
        buffer[: len(data)] = data
        return len(data)


def _stdin() -> IO[bytes]:
    # Not Python's own: its lock, held by a thread that waits for input, would spoil the end of the process.
    return open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)


async def _read(export: Export, stopped: Callable[[], bool]) -> AsyncIterator[tuple[int, bytes] | None]:
    """The documents of ``export``; None, as the last, when it was stopped while it waited for more."""
    if export.name != STDIN:
        for document in export.documents():
            yield document
        return
    # A pipe may have nothing to say for hours, and a loop that waits in read() hears no signal.
    ahead: queue.Queue[tuple[int, bytes] | BaseException | None] = queue.Queue(_AHEAD)

    def run() -> None:
        try:
            for found in export.documents():
                ahead.put(found)
            ahead.put(None)
        except BaseException as error:  # noqa: BLE001 - it is raised where the documents are asked for
            ahead.put(error)

    threading.Thread(target=run, name="stdin", daemon=True).start()
    idle = 0
    while True:
        try:
            found = ahead.get_nowait()
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
        yield found


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
    patience_seconds: float = 60.0,
) -> None:
    """Write the events of ``export`` from ``from_line`` on, keeping ``tally``; without ``store`` only count.

    What is refused is told to ``refused`` and, with ``keep_refused``, stored as a dead letter. Raises ``BridgeError`` when
    a batch is not confirmed within ``patience_seconds`` of trying: everything up to ``tally.stored_line`` is stored.
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

    async def send() -> None:
        nonlocal batch
        if store is not None:
            letters = [letter.to_record() for letter in batch.dead_letters]
            task = asyncio.create_task(_confirmed(store, batch.events, letters, patience_seconds))
            under_way.append((task, tally.line, len(batch.events)))
            if len(under_way) >= _UNDER_WAY:
                await settle_oldest()
        batch = _Batch()

    tally.size = export.size
    ended = False
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
            intake = records_of(document, limits, now(), DECODER)
            batch.events.extend(intake.events)
            batch.bytes += sum(map(record_bytes, intake.events))
            tally.events += len(intake.events)
            for letter in intake.dead_letters:
                tally.refused += 1
                refused(line, letter)
                if keep_refused:
                    batch.dead_letters.append(letter)
                    batch.bytes += len(letter.value)
        else:
            ended = True
        await send()
        while under_way:
            await settle_oldest()
        tally.complete = ended
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


def _is_json(text: bytes) -> bool:
    try:
        parse_json(text)
    except NotJson:
        return False
    return True


def _elements(text: bytes) -> Iterator[bytes]:
    """The documents of a text: itself, or the elements of an array."""
    if not text.lstrip(_BEFORE_JSON).startswith(b"["):
        yield text
        return
    try:
        document = parse_json(text)
    except NotJson:
        yield text
        return
    for element in document:
        written = encode(element)
        yield text if isinstance(written, Refusal) else written
