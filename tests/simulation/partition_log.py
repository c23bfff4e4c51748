"""A partition as a broker keeps it: records by offset, with gaps, transactions, damage, and what retention has deleted."""

import struct
from bisect import bisect_left
from dataclasses import dataclass, field
from enum import Enum

from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c

_CRC_AT, _CHECKED_FROM = 17, 21
_NAME, _NO_NAME = b"\x08simu", b"\x08\xff\xfe\xfd\xfc"


def stored_batch(entries):
    """Entries as one batch of Kafka's format."""
    base = entries[0].offset
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 10_000_000)
    for entry in entries:
        headers = [*entry.headers, ("simu", b"x")] if entry.unparsable else list(entry.headers)
        builder.append(entry.offset - base, entry.timestamp, entry.key, entry.value, headers)
    made = bytearray(builder.build())
    if any(entry.unparsable for entry in entries):
        made = bytearray(bytes(made).replace(_NAME, _NO_NAME))
        struct.pack_into(">I", made, _CRC_AT, calc_crc32c(bytes(made[_CHECKED_FROM:])))
    struct.pack_into(">q", made, 0, base)
    return bytes(made)


class Kind(Enum):
    """What lies at an offset."""

    RECORD = "record"
    OPEN = "of a transaction that is open"
    ABORTED = "of a transaction that was aborted"
    MARKER = "end of a transaction"


@dataclass(slots=True, eq=False)
class Entry:
    """One offset. ``unparsable``: the client cannot make a record of it."""

    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int
    kind: Kind = Kind.RECORD
    headers: tuple = ()
    unparsable: bool = False


@dataclass(slots=True)
class PartitionLog:
    """``start``: first offset that is kept; ``end``: the next that is written. ``damaged`` holds the offsets of unreadable batches."""

    partition: tuple
    start: int = 0
    end: int = 0
    entries: list = field(default_factory=list)
    offsets: list = field(default_factory=list)
    open: dict = field(default_factory=dict)
    damaged: set = field(default_factory=set)
    shown_damaged: set = field(default_factory=set)

    def append(self, key, value, timestamp, kind=Kind.RECORD, *, transaction=None, gap=0, headers=()):
        """Write at the end, after so many offsets that compaction has removed."""
        self.end += gap
        entry = Entry(self.end, key, value, timestamp, kind, headers)
        self.entries.append(entry)
        self.offsets.append(self.end)
        self.end += 1
        if transaction is not None:
            entry.kind = Kind.OPEN
            self.open.setdefault(transaction, []).append(entry)
        return entry

    def finish(self, transaction, timestamp, *, commit):
        """End a transaction; the entries that were its."""
        entries = self.open.pop(transaction)
        for entry in entries:
            entry.kind = Kind.RECORD if commit else Kind.ABORTED
        self.append(None, None, timestamp, Kind.MARKER)
        return entries

    @property
    def stable(self):
        """The last stable offset: what a reader of committed transactions may read up to."""
        return min((entries[0].offset for entries in self.open.values() if entries), default=self.end)

    def read(self, position, most, *, uncommitted=False):
        """Up to so many entries from ``position`` on."""
        until = self.end if uncommitted else self.stable
        at = bisect_left(self.offsets, position)
        found = []
        while at < len(self.entries) and len(found) < most and self.entries[at].offset < until:
            found.append(self.entries[at])
            at += 1
        return found

    def raw(self, position):
        """The stored bytes of the batch at ``position`` and of the one behind it, as a broker gives them."""
        at = bisect_left(self.offsets, position)
        if at >= len(self.entries) or self.entries[at].offset >= self.stable:
            return b""
        first = last = at
        if self.offsets[at] in self.damaged:
            while first > 0 and self.offsets[first - 1] in self.damaged and self.offsets[first - 1] >= self.start:
                first -= 1
            while last + 1 < len(self.entries) and self.offsets[last + 1] in self.damaged:
                last += 1
        batch = self.entries[first : last + 1]
        stored = stored_batch(batch)
        if self.offsets[at] in self.damaged:
            stored = stored[:-2] + bytes([stored[-2] ^ 0xFF]) + stored[-1:]
        if self.offsets[at] in self.damaged or batch[0].unparsable:
            self.shown_damaged.update(entry.offset for entry in batch)
        return stored + (stored_batch(self.entries[last + 1 : last + 2]) if last + 1 < len(self.entries) else b"")

    def expire(self, start):
        """Delete what lies before ``start``, as retention does."""
        self.start = max(self.start, min(start, self.end))
