"""Reads one stored record batch leniently: every record of it that can be read, and where the others lie.

The client's parser stops at the first byte that is not as it should be, and takes the rest of the batch along. This one is for
what is set aside after that: slower, and with an answer for each record. Pure: bytes in, values out. Only the format of today's
brokers (version 2) is known; of anything else nothing is said.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aiokafka.record.util import calc_crc32c

from bridge.kafka.batches.batches_in_place import passed_before
from bridge.kafka.batches.decompression import gunzip, unlz4, unsnap, unzstd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HEADER = struct.Struct(">qiibIhiqqqhii")
_BEFORE_LENGTH = 12
MAGIC = 2
CHECKED_FROM = 21
_BROKERS_TIME = 0x08
_IN_TRANSACTION = 0x30
_OFFSET = struct.Struct(">q")
_LEAST_LENGTH = HEADER.size - _BEFORE_LENGTH
_MOST_SIZES = 100
"""Places that are tried as the end of a batch: payloads may hold the bytes of an offset, too."""
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
    """Records in the order of their offsets, all of the batch from the asked one on; ``end`` is the offset behind them.

    ``size``: bytes up to its end. ``mended``: its length or its version is damaged and was found by its checksum, so that brokers may
    find nothing of what they store behind it. ``plain``: sound as a whole, neither of a transaction nor a marker.
    """

    records: tuple[StoredRecord, ...]
    end: int
    size: int
    mended: bool = False
    plain: bool = True


@dataclass(frozen=True, slots=True)
class BatchHead:
    """Of a batch, as it is stored."""

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
        """Bytes of the whole batch."""
        return _BEFORE_LENGTH + self.length

    @property
    def end(self) -> int:
        """The offset behind its last."""
        return self.base + self.last_delta + 1


def read_batch(raw: bytes, offset: int) -> StoredBatch | None:
    """What the batch of ``raw`` with ``offset`` holds from there on; None where not even its extent can be told for certain."""
    passed = _passed_bytes(raw, offset)
    raw = raw[passed:]
    head, mended = _whole(raw, offset)
    if head is None:
        return None
    behind = _sound_after(raw, head)
    following = behind if behind is not None and behind.base > offset else None
    if calc_crc32c(raw[CHECKED_FROM : head.size]) != head.crc:
        end = _end_of_damaged(head, following, offset)
        return None if end is None else _as_one(raw[: head.size], offset, end, "its checksum does not match")
    if not head.base <= offset < head.end or not _is_in_place(head, behind, offset):
        # The checksum does not cover where the batch stands; only the next one tells where it ends.
        return None if following is None else _as_one(raw[: head.size], offset, following.base, "its offset is damaged")
    if head.count < 0:
        return None
    try:
        body = _decompressed(raw[HEADER.size : head.size], head.attributes & 0x07)
    except Exception as error:  # noqa: BLE001 - decompressors raise what they like
        return _as_one(raw[: head.size], offset, head.end, f"it cannot be decompressed ({type(error).__name__})")
    records = tuple(record for record in _records(body, head, offset) if record.offset >= offset)
    return StoredBatch(records, head.end, passed + head.size, mended, plain=not head.attributes & _IN_TRANSACTION)


def _whole(raw: bytes, offset: int) -> tuple[BatchHead | None, bool]:
    """The head of the first batch, where that is there whole, and whether its length or version had to be found.

    The checksum covers neither of them, but it holds for one length only. Where the next batch begins is told by its offset.
    """
    head = head_at(raw, 0)
    if head is None:
        return None, False
    length_fits = _LEAST_LENGTH <= head.length <= len(raw) - _BEFORE_LENGTH
    if length_fits and head.magic == MAGIC and calc_crc32c(raw[CHECKED_FROM : head.size]) == head.crc:
        return head, False
    if head.base <= offset < head.end:
        for size in _sizes(raw, head):
            if calc_crc32c(raw[CHECKED_FROM:size]) == head.crc:
                return replace(head, length=size - _BEFORE_LENGTH, magic=MAGIC), True
    return (head if length_fits and head.magic == MAGIC else None), False


def _sizes(raw: bytes, head: BatchHead) -> Iterator[int]:
    """How long the batch may be: what it says, up to where one of the offset behind it seems to begin, or all that is there."""
    if HEADER.size <= head.size <= len(raw):
        yield head.size
    next_base = _OFFSET.pack(head.end)
    at = raw.find(next_base, HEADER.size)
    for _ in range(_MOST_SIZES):
        if at < 0:
            break
        yield at
        at = raw.find(next_base, at + 1)
    yield len(raw)


def head_at(raw: bytes, at: int) -> BatchHead | None:
    """The head of a batch that would begin there; None where there is no room for one."""
    if len(raw) - at < HEADER.size:
        return None
    base, length, _epoch, magic, crc, attributes, last_delta, first, last, _id, _turn, _seq, count = HEADER.unpack_from(
        raw, at
    )
    return BatchHead(base, length, magic, crc, attributes, last_delta, first, last, count)


def _passed_bytes(raw: bytes, offset: int) -> int:
    """How much of what the broker gives lies before the batch with the offset: of batches that seem to lie further on than they do."""
    first = head_at(raw, 0)
    # Of many batches each begins where it should: to look at all behind each of them would take minutes.
    if first is None or first.base == offset:
        return 0
    at, sizes, spans = 0, list[int](), list[tuple[int, int]]()
    while (head := head_at(raw, at)) is not None and head.magic == MAGIC and head.length >= _LEAST_LENGTH:
        if at + head.size > len(raw):
            break
        sizes.append(head.size)
        spans.append((head.base, head.end))
        at += head.size
    return sum(sizes[: passed_before(spans, offset)]) if len(spans) > 1 else 0


def _is_in_place(head: BatchHead, behind: BatchHead | None, offset: int) -> bool:
    """Whether nothing shows that its own offset is damaged: it overlaps the next batch, or leaves offsets in front of it."""
    if head.base == offset and head.count == head.last_delta + 1:
        return True
    if behind is None:
        return True
    return head.end <= behind.base if head.base == offset else head.end == behind.base


def _end_of_damaged(head: BatchHead, following: BatchHead | None, offset: int) -> int | None:
    """Where the next batch begins. The damage may lie in the very field that says so: two witnesses have to agree.

    The next batch is one, when it is there whole and sound; else the number of records is, as batches that were not compacted
    have one for each offset.
    """
    if following is not None:
        return following.base
    return head.end if head.count == head.last_delta + 1 and head.base <= offset < head.end else None


def _sound_after(raw: bytes, head: BatchHead) -> BatchHead | None:
    """The next batch, where it is whole."""
    following = head_at(raw, head.size)
    if following is None or following.length < _LEAST_LENGTH or following.magic != MAGIC:
        return None
    # Of one that is not there whole the checksum does not match.
    body = raw[head.size + CHECKED_FROM : head.size + following.size]
    return following if calc_crc32c(body) == following.crc else None


def _as_one(raw: bytes, offset: int, end: int, why: str) -> StoredBatch:
    return StoredBatch(
        (StoredRecord(offset, 0, None, raw, (), f"of its batch {why}", end - 1),), end, len(raw), plain=False
    )


def _decompressed(body: bytes, kind: int) -> bytes:
    return bytes(_CODECS[kind](body)) if kind else body


def _records(body: bytes, head: BatchHead, offset: int) -> Iterator[StoredRecord]:
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
    first = max(reached, offset)
    if at < len(body) and first < head.end:
        yield StoredRecord(first, 0, None, body[at:], (), "the batch has more than its number of records", head.end - 1)


def _framed(body: bytes, at: int, head: BatchHead) -> tuple[StoredRecord | None, int]:
    """The record whose frame begins here, and where the next one does; None where there is no telling."""
    try:
        length, at = _varint(body, at)
        raw = body[at : at + length]
        return (_record(raw, head) if len(raw) == length else None), at + length
    except (ValueError, IndexError):
        return None, at


def _record(raw: bytes, head: BatchHead) -> StoredRecord:
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
