"""MoEngage's file exports, document by document.

MoEngage exports the same events as newline-delimited ``.json.gz`` to S3, GCS or SFTP (S3 page): the channel for what the
stream lost or never had. Any envelope is taken, also a file that is one JSON document or one array. Memory holds one line,
whatever the size of the file and of what is packed in it.
"""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from bridge.model.errors import BridgeError, NotJson
from bridge.model.event import Refusal
from bridge.sources.http.json_reading import encode, parse_json

if TYPE_CHECKING:
    from collections.abc import Iterator

STDIN = "-"
_BEFORE_JSON = b" \t\r\n\x1e\xef\xbb\xbf"
"""Blanks, RFC 7464's record separator, and the bytes of a byte order mark."""
_GZIP = b"\x1f\x8b"
_PGP: Final = b"\x84\x85\x86\x8c\x8d\xc1\xc3"
"""First bytes of OpenPGP's packets with a session key (RFC 9580, section 4.2); no JSON begins with one."""
_ARMOURED: Final = b"-----BEGIN PGP MESSAGE-----"
LONGEST_LINE: Final = 64_000_000
"""Bytes of a line; of a longer one the beginning stands for it."""
_WHOLE_BYTES = 256_000_000
"""A file whose first line with anything in it is no JSON is read whole, as one document, up to this size."""


DECRYPT: Final = "decrypt it first: gpg --decrypt FILE.json.gz.gpg | aep-bridge backfill -"


class InputError(BridgeError):
    """A file cannot be read, or ends in the middle."""


class Export:
    """One file, ``-`` for stdin; gzip is told by its first bytes, not by its name."""

    def __init__(
        self,
        name: str,
        *,
        stdin: IO[bytes] | None = None,
        raw: io.BufferedIOBase | None = None,
        size: int | None = None,
    ) -> None:
        """``raw`` and ``size``: the bytes of an object, which are waited for as those of stdin are."""
        self.name = name
        self.is_waited_for = name == STDIN or raw is not None
        if raw is not None:
            self._raw: IO[bytes] | io.BufferedIOBase = raw
            self.size = size
            self._buffered = io.BufferedReader(_Raw(raw), 1 << 18)
            return
        try:
            self._raw = (stdin or _stdin()) if name == STDIN else Path(name).open("rb")  # noqa: SIM115
        except OSError as error:
            raise InputError(f"{name} cannot be read: {error.strerror}") from None
        self.size = None if name == STDIN else Path(name).stat().st_size
        self._buffered = io.BufferedReader(_Raw(self._raw), 1 << 18)

    @property
    def position(self) -> int:
        """Bytes of the file that were read, compressed as they are."""
        return self._raw.tell() if self.name != STDIN else 0

    def documents(self) -> Iterator[tuple[int, bytes]]:
        """(line, document) one by one; a document is JSON text of any envelope, or what stands in its place."""
        try:
            packed = self._buffered.peek(2)[:2] == _GZIP
            plain: io.BufferedIOBase = gzip.GzipFile(fileobj=self._buffered) if packed else self._buffered
            yield from self._lines(_Lines(plain))
        except (EOFError, zlib.error, OSError) as error:
            raise InputError(f"{self.name} is damaged or ends in the middle: {error}") from None

    def close(self) -> None:
        """Close the file (not stdin)."""
        if self.name != STDIN:
            self._raw.close()

    def _lines(self, plain: _Lines) -> Iterator[tuple[int, bytes]]:
        begun = False
        for number, line in enumerate(plain, start=1):
            if not line.strip():
                continue
            if not begun and not _is_json(line):
                if line[:1] in _PGP or line.startswith(_ARMOURED):
                    raise InputError(f"{self.name} is encrypted with PGP", hint=DECRYPT)
                if line.lstrip(_BEFORE_JSON)[:1] in (b"{", b"["):
                    yield from self._whole(number, line, plain)
                    return
            begun = True
            yield from ((number, document) for document in _elements(line))

    def _whole(self, number: int, first: bytes, plain: _Lines) -> Iterator[tuple[int, bytes]]:
        text = first + plain.read(_WHOLE_BYTES - len(first))
        if _is_json(text):
            yield from ((number, document) for document in _elements(text))
            return
        lines = text.splitlines(keepends=True)
        # What was cut at the bound goes on in the file.
        if lines and not lines[-1].endswith(b"\n"):
            lines[-1] += next(plain, b"")
        for at, line in enumerate(chain(lines, plain), start=number):
            if line.strip():
                yield from ((at, document) for document in _elements(line))


class _Lines:
    """The lines of a stream, none longer than :data:`LONGEST_LINE`: what packs a whole disk into one line costs no memory."""

    def __init__(self, plain: io.BufferedIOBase) -> None:
        self._plain = plain
        self._cut = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        while self._cut:
            self._cut = _goes_on(self._plain.readline(LONGEST_LINE))
        line = self._plain.readline(LONGEST_LINE)
        if not line:
            raise StopIteration
        self._cut = _goes_on(line)
        return line

    def read(self, size: int) -> bytes:
        """More of a line that was cut, and of what follows it."""
        self._cut = False
        return self._plain.read(size)


def _goes_on(line: bytes) -> bool:
    return len(line) == LONGEST_LINE and not line.endswith(b"\n")


class _Raw(io.RawIOBase):
    """Reads from a stream that may be a pipe; ``peek`` is asked of the buffer above it."""

    def __init__(self, stream: IO[bytes] | io.BufferedIOBase) -> None:
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
