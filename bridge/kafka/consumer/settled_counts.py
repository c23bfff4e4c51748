"""Counts what was settled, so that each committed offset is stored with the counts of all events before it. Pure.

Counted is in the order of the ledger's finished prefix, and what is counted is stored with the offset in one request: a crash
loses both, and what comes again is counted again. At the beginning of an assignment the counts go on from the note that the
owner before has left (:class:`bridge.model.day_counts.OffsetNote`).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from bridge.model.day_counts import DAY_MS, DayCounts, OffsetNote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from bridge.model.day_counts import ChunkCounts, NotedOffset

    Partition = tuple[str, int]

_HOUR: Final = 3_600


class Passed(Protocol):
    """A finished run of records (:class:`bridge.kafka.consumer.chunk.Chunk`)."""

    @property
    def partition(self) -> Partition:
        """Where it lies."""

    @property
    def since(self) -> int:
        """The first offset that it accounts for."""

    @property
    def anew(self) -> int:
        """Not 0 where what was read before it is not stored any more."""

    @property
    def counts(self) -> ChunkCounts | None:
        """Its events."""


class Deleted(Protocol):
    """Records that were deleted unread (:class:`bridge.kafka.consumer.client.offset_account.Expired`)."""

    @property
    def partition(self) -> Partition:
        """Where they were."""

    @property
    def start(self) -> int:
        """Their first offset."""

    @property
    def end(self) -> int:
        """The offset behind them."""


@dataclass(slots=True)
class _Page:
    """One assigned partition: its note; ``anew`` where what was counted before is of records that are gone."""

    note: OffsetNote
    begun: int | None = None
    anew: bool = False
    expired: list[Deleted] = field(default_factory=list)


class SettledCounts:
    """One worker's counts, by partition of its assignment. ``now``: seconds since 1970."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._pages: dict[Partition, _Page] = {}
        self.known = False
        """Whether the notes of the owners before are known: before that nothing may be committed."""

    def open(self, partitions: Iterable[Partition]) -> None:
        """Another assignment begins; the pages of the one before are kept until then, and nobody asks for them."""
        self._pages = {partition: _Page(OffsetNote(0)) for partition in partitions}
        self.known = False

    def passed(self, chunk: Passed) -> None:
        """The finished prefix has moved over a chunk."""
        page = self._pages[chunk.partition]
        if chunk.anew:
            page.note, page.anew, page.begun = OffsetNote(chunk.since), True, chunk.since
            # What went unread with the log that is gone has no offsets any more that could be passed.
            self._expire(page, page.expired)
            page.expired = []
        elif page.begun is None:
            page.begun = chunk.since
        if chunk.counts is not None:
            page.note.add(chunk.counts.days.items(), int(self._now()) // _HOUR)

    def expired(self, lost: Deleted) -> None:
        """Records were deleted unread: they count once the prefix has moved over them."""
        if (page := self._pages.get(lost.partition)) is not None:
            page.expired.append(lost)

    def begin(self, stored: Mapping[Partition, NotedOffset | None]) -> None:
        """What the group had stored at the beginning of this assignment."""
        self.known = True
        for partition, page in self._pages.items():
            found = stored.get(partition)
            if page.anew:
                continue
            before = None if found is None else OffsetNote.from_text(found.note)
            if before is None:
                page.note.since = page.begun or 0 if found is None else found.offset
                continue
            own, page.note = page.note, before
            before.add(own.days.items())
            before.hours.update(own.hours)
            before.add(())

    def notes(self, offsets: Mapping[Partition, int]) -> dict[Partition, str]:
        """The note of each of these offsets, which are those of the finished prefix as it is now."""
        told = {}
        for partition, offset in offsets.items():
            page = self._pages[partition]
            passed = [lost for lost in page.expired if lost.end <= offset]
            page.expired = [lost for lost in page.expired if lost.end > offset]
            self._expire(page, passed)
            told[partition] = page.note.to_text()
        return told

    def _expire(self, page: _Page, lost: Sequence[Deleted]) -> None:
        if lost:
            today = int(self._now() * 1000) // DAY_MS
            page.note.add([(today, DayCounts(expired=sum(each.end - each.start for each in lost)))])
