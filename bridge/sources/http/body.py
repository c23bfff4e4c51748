"""A request's body, read with bounds: on its size before and after decompression, and on what all requests hold together."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Self

from bridge.model.event import Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

_GZIP = 16 + zlib.MAX_WBITS
_RAW_DEFLATE = -zlib.MAX_WBITS
_PIECE = 256 * 1024
_MAGIC = b"\x1f\x8b"
_KNOWN = frozenset({"gzip", "x-gzip", "deflate"})
_NO_ENCODING = frozenset({"", "identity", "none"})
_PADDING = b"\0\r\n\t "
_MOST_MEMBERS = 1_000
"""Of a gzip body: each costs a decompressor, however little it holds."""


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

    gzip is told by its first bytes, whatever ``encoding``, the Content-Encoding, says; deflate by that alone. Another label
    over a readable body harms nobody, so the caller tries to read the body before it believes the refusal. Raises
    ``BodyTooLarge`` at the first byte over ``limit``, and ``NoRoom``.
    """
    labels = [label for part in encoding.split(",") if (label := part.strip()) not in _NO_ENCODING] if encoding else []
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
    once = b"".join(plain)
    if not once.startswith(_MAGIC):
        return once, None
    # Compressed by the sender and by a proxy once more. Deeper than twice is nobody's way.
    inflater = _Inflater(gzip=True)
    plain.clear()
    try:
        _inflate(inflater, once, plain, limit, lease)
    except zlib.error:
        return body, _doubt(once, labels)
    return (b"".join(plain), None) if inflater.complete else (body, _doubt(once, labels))


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
    if head.startswith(_MAGIC):
        return _Inflater(gzip=True)
    return _Inflater(gzip=False) if labels == ["deflate"] else None


def _doubt(body: bytes, labels: list[str]) -> Refusal | None:
    if body.startswith(_MAGIC):
        return Refusal("bad_encoding", "the body begins as gzip does, and is damaged or ends in the middle")
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
