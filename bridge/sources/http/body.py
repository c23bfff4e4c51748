"""A request's body, read with bounds: on its size before and after decompression, and on what all requests hold together."""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING, Self

from bridge.model.event import Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

_GZIP = 16 + zlib.MAX_WBITS
_RAW_DEFLATE = -zlib.MAX_WBITS
_PIECE = 256 * 1024
_MAGIC = b"\x1f\x8b"
_ZLIB = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
"""How deflate with zlib's header begins, at each level of compression; JSON never does."""
_DEFLATE = frozenset({"deflate", "x-deflate"})
_KNOWN = _DEFLATE | {"gzip", "x-gzip"}
_NO_ENCODING = frozenset({"", "identity", "none"})
_PADDING = b"\0\r\n\t "
_PLAIN = re.compile(rb'[ \t\r\n]*(?:\{(?:[ \t\r\n"}]|$)|\[(?:[ \t\r\n\[\]{"]|$))')
"""How a body of events begins that is not compressed; deflated JSON does not, with a byte order mark neither."""
_MOST_MEMBERS = 1_000
"""Of a gzip body: each costs a decompressor, however little it holds."""
_MOST_LAYERS = 2
"""Compressed by the sender and by a proxy once more; deeper is nobody's way."""


class BodyTooLarge(Exception):  # noqa: N818 - it reads as the verdict that it is
    """The body is over the limit, compressed or not."""


class NoRoom(Exception):  # noqa: N818
    """All requests together hold as much as they may."""


class BodyMemory:
    """Bytes that all requests may hold at once."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    def lease(self) -> Lease:
        """One request's part, given back at the end of its ``with``."""
        return Lease(self)


class Lease:
    """What one request holds."""

    __slots__ = ("_budget", "held")

    def __init__(self, budget: BodyMemory) -> None:
        self._budget = budget
        self.held = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.hold(0)

    def reserve(self, size: int) -> None:
        """Hold ``size`` bytes more; raises ``NoRoom`` when they are not there."""
        if self._budget.used + size > self._budget.limit:
            raise NoRoom
        self._budget.used += size
        self.held += size

    def need(self, size: int) -> None:
        """As :meth:`reserve`, but a request that is alone has room for whatever one body may become, or it would never have."""
        if self._budget.used == self.held:
            self.hold(self.held + size)
        else:
            self.reserve(size)

    def hold(self, size: int) -> None:
        """Hold ``size`` bytes from now on, never refused: what was read has become something else."""
        self._budget.used += size - self.held
        self.held = size


async def read_body(
    chunks: AsyncIterator[bytes], encoding: str, *, limit: int, lease: Lease
) -> tuple[bytes, Refusal | None]:
    """The body, decompressed; with a ``Refusal`` the body as it came, because it cannot be, unless it is readable as it is.

    gzip, and deflate with zlib's header, are told by their first bytes, whatever ``encoding``, the Content-Encoding, says; deflate
    without a header by that alone. Another label over a readable body harms nobody, so the caller tries to read the body before
    it believes the refusal. Raises ``BodyTooLarge`` at the first byte over ``limit``, and ``NoRoom``.
    """
    labels = _labels(encoding)
    inflater: _Inflater | None = None
    begun = False
    head = b""
    raw: list[bytes] = []
    plain: list[bytes] = []
    raw_size = plain_size = 0
    damaged = False
    async for chunk in chunks:
        raw_size += len(chunk)
        if raw_size > limit:
            raise BodyTooLarge
        lease.reserve(len(chunk))
        raw.append(chunk)
        if not begun:
            head += chunk
            if len(head) < len(_MAGIC):
                continue
            begun = True
            inflater = _inflater(head, labels)
            waiting = head
        else:
            waiting = chunk
        if inflater is None or damaged:
            continue
        try:
            plain_size += _inflate(inflater, waiting, plain, limit - plain_size, lease)
        except zlib.error:
            damaged = True
        except BodyTooLarge:
            # Under a label of another kind the bytes may be anything, and are kept.
            if set(labels) <= _KNOWN:
                raise
            damaged = True
        if damaged:
            plain.clear()
    body = b"".join(raw)
    if inflater is None or damaged or not inflater.complete:
        return body, _doubt(body, labels)
    return _unpacked(b"".join(plain), body, labels[:-1], limit, lease)


def _unpacked(once: bytes, body: bytes, labels: list[str], limit: int, lease: Lease) -> tuple[bytes, Refusal | None]:
    """What is in ``once``, of which a layer is undone and ``labels`` are those below it; ``body`` is all as it came."""
    for _ in range(1, _MOST_LAYERS):
        inflater = _inflater(once, labels)
        if inflater is None:
            break
        plain: list[bytes] = []
        try:
            _inflate(inflater, once, plain, limit, lease)
        except zlib.error:
            inflater = None
        if inflater is None or not inflater.complete:
            if _kind(once) is not None:
                return body, _doubt(once, labels)
            # Only its label says that it is compressed once more.
            break
        once, labels = b"".join(plain), labels[:-1]
    return once, None


def _labels(encoding: str) -> list[str]:
    """The encodings that a Content-Encoding names, the outermost last, in small letters and without parameters and quotes."""
    named = [part.partition(";")[0].strip(' \t"') for part in encoding.split(",")] if encoding else []
    return [label for label in named if label not in _NO_ENCODING]


def _inflate(inflater: _Inflater, data: bytes, plain: list[bytes], room: int, lease: Lease) -> int:
    """Add the pieces of ``data`` to ``plain``, ``room`` bytes at most; how many they are."""
    size = 0
    for piece in inflater.feed(data):
        size += len(piece)
        if size > room:
            raise BodyTooLarge
        lease.reserve(len(piece))
        plain.append(piece)
    return size


def _inflater(head: bytes, labels: list[str]) -> _Inflater | None:
    kind = _kind(head)
    # By chance plain JSON passes for deflate without a header, and something else would come of it.
    if kind is None and labels and labels[-1] in _DEFLATE and set(labels) <= _KNOWN and _PLAIN.match(head) is None:
        kind = "deflate"
    return None if kind is None else _Inflater(gzip=kind == "gzip")


def _kind(head: bytes) -> str | None:
    """How a body is compressed, by its first bytes."""
    if head.startswith(_MAGIC):
        return "gzip"
    return "deflate" if head.startswith(_ZLIB) else None


def _doubt(body: bytes, labels: list[str]) -> Refusal | None:
    if (kind := _kind(body)) is not None:
        return Refusal("bad_encoding", f"the body begins as {kind} does, and is damaged or ends in the middle")
    if not labels:
        return None
    if set(labels) <= _KNOWN:
        return Refusal("bad_encoding", f"the body is not the {labels[-1]} that its Content-Encoding promises")
    return Refusal("unknown_encoding", "Content-Encoding is not one of gzip, deflate and identity")


class _Inflater:
    """Undoes gzip (of one or several members) or deflate (with or without zlib's header), piece by piece."""

    def __init__(self, *, gzip: bool) -> None:
        self._gzip = gzip
        self._stream = zlib.decompressobj(_GZIP) if gzip else None
        self._head = b""
        self._members = 1

    def feed(self, data: bytes) -> Iterator[bytes]:
        if self._stream is None:
            self._head += data
            if len(self._head) < 2:
                return
            data, self._head = self._head, b""
            zlib_header = data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0
            self._stream = zlib.decompressobj(zlib.MAX_WBITS if zlib_header else _RAW_DEFLATE)
        full = False
        while data or full:
            if self._stream.eof:
                if not self._gzip or not data.strip(_PADDING):
                    # Padding and a line's end after the end are common; another gzip member is allowed; after deflate nothing is.
                    return
                self._members += 1
                if self._members > _MOST_MEMBERS:
                    raise zlib.error
                self._stream = zlib.decompressobj(_GZIP)
            piece = self._stream.decompress(data, _PIECE)
            if piece:
                yield piece
            # A full piece may have more behind it, though all of the input is consumed.
            full = len(piece) == _PIECE and not self._stream.eof
            data = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail

    @property
    def complete(self) -> bool:
        return self._stream is not None and self._stream.eof
