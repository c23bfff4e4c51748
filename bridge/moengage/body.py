"""A request's body, read with bounds: on its size before and after decompression, and on what all requests hold together."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Self

from bridge.moengage.envelopes import Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

_GZIP = 16 + zlib.MAX_WBITS
_RAW_DEFLATE = -zlib.MAX_WBITS
_PIECE = 256 * 1024
_MOST_MEMBERS = 100
"""Of a gzip body: each costs a decompressor, however little it holds."""


class TooLarge(Exception):  # noqa: N818 - it reads as the verdict that it is
    """The body is over the limit, compressed or not."""


class NoRoom(Exception):  # noqa: N818
    """All requests together hold as much as they may."""


class Budget:
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

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.held = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.hold(0)

    def take(self, size: int) -> None:
        """Hold ``size`` bytes more; raises ``NoRoom`` when they are not there."""
        if self._budget.used + size > self._budget.limit:
            raise NoRoom
        self._budget.used += size
        self.held += size

    def hold(self, size: int) -> None:
        """Hold ``size`` bytes from now on, never refused: what was read has become something else."""
        self._budget.used += size - self.held
        self.held = size


async def read_body(
    chunks: AsyncIterator[bytes], encoding: str, *, limit: int, lease: Lease
) -> tuple[bytes, Refusal | None]:
    """The body, decompressed; with a ``Refusal`` the body as it came, because it cannot be.

    Raises ``TooLarge`` at the first byte over ``limit``, and ``NoRoom``. ``encoding`` is the Content-Encoding.
    """
    inflater = _inflater(encoding)
    raw: list[bytes] = []
    plain: list[bytes] = []
    raw_size = plain_size = 0
    refusal: Refusal | None = None
    if inflater is None and encoding not in ("", "identity"):
        refusal = Refusal("unknown_encoding", "Content-Encoding is none of gzip, deflate and identity")
    async for chunk in chunks:
        raw_size += len(chunk)
        if raw_size > limit:
            raise TooLarge
        lease.take(len(chunk))
        raw.append(chunk)
        if inflater is None or refusal is not None:
            continue
        try:
            for piece in inflater.feed(chunk):
                plain_size += len(piece)
                if plain_size > limit:
                    raise TooLarge
                lease.take(len(piece))
                plain.append(piece)
        except zlib.error:
            refusal = _damaged(encoding)
            plain.clear()
    if inflater is None or refusal is not None:
        return b"".join(raw), refusal
    if not inflater.complete:
        return b"".join(raw), _damaged(encoding)
    return b"".join(plain), None


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
                if not self._gzip or not data.strip(b"\0"):
                    # Padding after the end is common; another gzip member is allowed; after deflate nothing is.
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


def _inflater(encoding: str) -> _Inflater | None:
    if encoding in ("gzip", "x-gzip"):
        return _Inflater(gzip=True)
    return _Inflater(gzip=False) if encoding == "deflate" else None


def _damaged(encoding: str) -> Refusal:
    return Refusal("bad_encoding", f"the body is not the {encoding} that its Content-Encoding promises")
