"""Undoes the compression of stored batches within a bound: 20 kB of a topic can stand for hundreds of megabytes.

The client's own decoders have none, so that such a batch would end every process that reads it, one after the other, for lack of
memory. Beyond the bound it counts as a batch that cannot be read: its partition is held and told, or it is set aside.
"""

from __future__ import annotations

import mmap
import struct
import threading
import zlib
from typing import TYPE_CHECKING, Any, Final

import cramjam
from aiokafka import codec

from bridge.kafka.aiokafka_internals import decode_with

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_BYTES: Final = 64_000_000
"""Of one batch after decompression. Producers make batches of a megabyte or a few, before they compress them."""
_GZIP: Final = 16 + zlib.MAX_WBITS
_XERIAL_MAGIC: Final = b"\x82SNAPPY\x00"
_XERIAL_HEAD: Final = 16
_LENGTH: Final = struct.Struct(">i")
_NO_ROOM: Final = "failed to write whole buffer"


class BatchTooLarge(Exception):  # noqa: N818 - its name is told as the reason
    """The batch is more than :data:`MOST_BYTES` once it is decompressed."""


class _Room(threading.local):
    """What is decompressed into, kept from batch to batch: memory is taken for as much of it as has ever been written."""

    def __init__(self) -> None:
        self.buffer = mmap.mmap(-1, MOST_BYTES)


_room = _Room()


def gunzip(data: bytes) -> bytes:
    """gzip, of one member or several."""
    pieces: list[bytes] = []
    room = MOST_BYTES
    while data:
        stream = zlib.decompressobj(_GZIP)
        piece = stream.decompress(data, room + 1)
        room -= len(piece)
        if room < 0:
            raise BatchTooLarge
        if not stream.eof:
            raise EOFError("gzip ends in the middle")
        pieces.append(piece)
        data = stream.unused_data.lstrip(b"\0")
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def unsnap(data: bytes) -> bytes:
    """snappy, in one piece or in the blocks of xerial's framing; each says beforehand how long it becomes."""
    blocks = _xerial_blocks(data) if data.startswith(_XERIAL_MAGIC) else [memoryview(data)]
    if sum(map(cramjam.snappy.decompress_raw_len, blocks)) > MOST_BYTES:
        raise BatchTooLarge
    return b"".join(bytes(cramjam.snappy.decompress_raw(block)) for block in blocks)


def unlz4(data: bytes) -> bytes:
    """lz4's frames."""
    return _within_room(cramjam.lz4.decompress_into, data)


def unzstd(data: bytes) -> bytes:
    """Zstd's frames."""
    return _within_room(cramjam.zstd.decompress_into, data)


def _xerial_blocks(data: bytes) -> list[memoryview]:
    view, blocks, at = memoryview(data), [], _XERIAL_HEAD
    while at < len(view):
        (length,) = _LENGTH.unpack_from(view, at)
        at += _LENGTH.size
        if not 0 <= length <= len(view) - at:
            raise ValueError("a block of snappy is longer than what is there")
        blocks.append(view[at : at + length])
        at += length
    return blocks


def _within_room(decompress_into: Callable[[Any, Any], int], data: bytes) -> bytes:
    buffer = _room.buffer
    try:
        size = decompress_into(data, buffer)
    except cramjam.DecompressionError as error:
        if _NO_ROOM in str(error):
            raise BatchTooLarge from None
        raise
    return bytes(memoryview(buffer)[:size])


DECODERS: Final[dict[str, Callable[[bytes], bytes]]] = {
    codec.gzip_decode.__name__: gunzip,
    codec.snappy_decode.__name__: unsnap,
    codec.lz4_decode.__name__: unlz4,
    codec.zstd_decode.__name__: unzstd,
}
"""By the names of the client's own."""


def bound_client() -> None:
    """Have every consumer of this process decompress so."""
    decode_with(DECODERS)
