"""A partition as a broker keeps it: records by offset, with gaps, transactions, damage, and what retention has deleted."""

from bisect import bisect_left
from dataclasses import dataclass, field
from enum import Enum


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

    def expire(self, start):
        """Delete what lies before ``start``, as retention does."""
        self.start = max(self.start, min(start, self.end))
