"""Reads one stored record batch leniently: every record of it that can be read, and where the others lie.

The client's parser stops at the first byte that is not as it should be, and takes the rest of the batch along. This one is for
what is set aside after that: slower, and with an answer for each record. Pure: bytes in, values out. Only the format of today's
brokers (version 2) is known; of anything else nothing is said.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiokafka.record.util import calc_crc32c

from bridge.kafka.batches.decompression import gunzip, unlz4, unsnap, unzstd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_HEADER = struct.Struct(">qiibIhiqqqhii")
_BEFORE_LENGTH = 12
_MAGIC = 2
_CHECKED_FROM = 21
_BROKERS_TIME = 0x08
_CODECS: dict[int, Callable[[bytes], bytes]] = {
    1: gunzip,
    2: unsnap,
    3: unlz4,
    4: unzstd,
}


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record; ``unreadable`` says what is wrong with it, and is empty for a sound one.

    Of one that cannot be read ``value`` has the bytes that are there, and ``last`` is the last offset that it stands for.
    """

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    unreadable: str
    last: int


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """Records in the order of their offsets, all of the batch from the asked one on; ``end`` is the offset behind them."""

    records: tuple[StoredRecord, ...]
    end: int


@dataclass(frozen=True, slots=True)
class _Head:
    base: int
    length: int
    magic: int
    crc: int
    attributes: int
    last_delta: int
    first_time: int
    last_time: int
    count: int

    @property
    def size(self) -> int:
        return _BEFORE_LENGTH + self.length

    @property
    def end(self) -> int:
        return self.base + self.last_delta + 1


def read_batch(raw: bytes, offset: int) -> StoredBatch | None:
    """What the first batch of ``raw`` holds from ``offset`` on; None where not even its extent can be told for certain."""
    head = _head_at(raw, 0)
    if head is None or head.magic != _MAGIC or len(raw) < head.size:
        return None
    if calc_crc32c(raw[_CHECKED_FROM : head.size]) != head.crc:
        end = _end_of_damaged(raw, head, offset)
        return None if end is None else _as_one(raw[: head.size], offset, end, "its checksum does not match")
    if not head.base <= offset < head.end:
        # The checksum does not cover where the batch stands; only the next one tells where it ends.
        following = _sound_after(raw, head, offset)
        return None if following is None else _as_one(raw[: head.size], offset, following.base, "its offset is damaged")
    if head.count < 0:
        return None
    try:
        body = _decompressed(raw[_HEADER.size : head.size], head.attributes & 0x07)
    except Exception as error:  # noqa: BLE001 - decompressors raise what they like
        return _as_one(raw[: head.size], offset, head.end, f"it cannot be decompressed ({type(error).__name__})")
    records = tuple(record for record in _records(body, head, offset) if record.offset >= offset)
    return StoredBatch(records, head.end)


def _head_at(raw: bytes, at: int) -> _Head | None:
    if len(raw) - at < _HEADER.size:
        return None
    base, length, _epoch, magic, crc, attributes, last_delta, first, last, _id, _turn, _seq, count = (
        _HEADER.unpack_from(raw, at)
    )
    if length < _HEADER.size - _BEFORE_LENGTH:
        return None
    return _Head(base, length, magic, crc, attributes, last_delta, first, last, count)


def _end_of_damaged(raw: bytes, head: _Head, offset: int) -> int | None:
    """Where the next batch begins. The damage may lie in the very field that says so: two witnesses have to agree.

    The next batch is one, when it is there whole and sound; else the number of records is, as batches that were not compacted
    have one for each offset.
    """
    following = _sound_after(raw, head, offset)
    if following is not None:
        return following.base
    return head.end if head.count == head.last_delta + 1 and head.base <= offset < head.end else None


def _sound_after(raw: bytes, head: _Head, offset: int) -> _Head | None:
    """The next batch, where it is whole and lies behind ``offset``."""
    following = _head_at(raw, head.size)
    if following is None or following.magic != _MAGIC or following.base <= offset:
        return None
    # Of one that is not there whole the checksum does not match.
    body = raw[head.size + _CHECKED_FROM : head.size + following.size]
    return following if calc_crc32c(body) == following.crc else None


def _as_one(raw: bytes, offset: int, end: int, why: str) -> StoredBatch:
    return StoredBatch((StoredRecord(offset, 0, None, raw, (), f"of its batch {why}", end - 1),), end)


def _decompressed(body: bytes, kind: int) -> bytes:
    return bytes(_CODECS[kind](body)) if kind else body


def _records(body: bytes, head: _Head, offset: int) -> Iterator[StoredRecord]:
    """Each record in its frame; where the frames themselves are broken, the rest as one."""
    at = 0
    reached = head.base
    for _ in range(head.count):
        start = at
        record, at = _framed(body, at, head)
        if record is None or record.offset < reached:
            first = max(reached, offset)
            if first < head.end:
                yield StoredRecord(first, 0, None, body[start:], (), "the batch is broken from here on", head.end - 1)
            return
        reached = record.offset + 1
        yield record


def _framed(body: bytes, at: int, head: _Head) -> tuple[StoredRecord | None, int]:
    """The record whose frame begins here, and where the next one does; None where there is no telling."""
    try:
        length, at = _varint(body, at)
        raw = body[at : at + length]
        return (_record(raw, head) if len(raw) == length else None), at + length
    except (ValueError, IndexError):
        return None, at


def _record(raw: bytes, head: _Head) -> StoredRecord:
    """One record; raises where its offset cannot be told."""
    at = 1
    time_delta, at = _varint(raw, at)
    offset_delta, at = _varint(raw, at)
    if not 0 <= offset_delta <= head.last_delta:
        raise ValueError("offset")
    offset = head.base + offset_delta
    timestamp = head.last_time if head.attributes & _BROKERS_TIME else head.first_time + time_delta
    try:
        key, at = _bytes(raw, at)
        value, at = _bytes(raw, at)
    except (ValueError, IndexError):
        return StoredRecord(offset, timestamp, None, raw, (), "its key or value is broken", offset)
    try:
        headers, why = _headers(raw, at)
    except (ValueError, IndexError):
        headers, why = (), "its headers are broken"
    return StoredRecord(offset, timestamp, key, value, headers, why, offset)


def _headers(raw: bytes, at: int) -> tuple[tuple[tuple[str, bytes | None], ...], str]:
    """The headers that can be read, and what is wrong with the others."""
    count, at = _varint(raw, at)
    found: list[tuple[str, bytes | None]] = []
    why = ""
    for _ in range(count):
        name, at = _bytes(raw, at)
        value, at = _bytes(raw, at)
        if name is None:
            raise ValueError("a header without a name")
        try:
            found.append((name.decode(), value))
        except UnicodeDecodeError:
            why = "the name of a header is not UTF-8"
    if at != len(raw):
        raise ValueError("bytes are left")
    return tuple(found), why


def _bytes(raw: bytes, at: int) -> tuple[bytes | None, int]:
    length, at = _varint(raw, at)
    if length < 0:
        return None, at
    if at + length > len(raw):
        raise ValueError("longer than the bytes that are there")
    return raw[at : at + length], at + length


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = raw[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (number >> 1) ^ -(number & 1), at
        shift += 7
        if shift > 63:
            raise ValueError("too long for a number")
