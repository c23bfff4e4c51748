"""What was read for a reconciliation: each partition's records and note, the letters, and what AEP has ingested."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bridge.model.day_counts import DayCounts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bridge.adobe.reconciliation.ingested import IngestedCounts
    from bridge.kafka.reading_back.day_records import HeldRange
    from bridge.model.day_counts import OffsetNote
    from bridge.routes.reconciliation.event_table import DistinctRow


@dataclass(slots=True)
class Account:
    """What one partition told: the records that it holds, the note of the group's offset, and the events that were met.

    ``met``: day -> fate -> events before the committed offset and counted by the note; ``before``: day -> such events as the note
    does not count, since counting began later. ``unsure``: day -> events of which a letter tells that stands for several.
    """

    held: HeldRange
    committed: int | None
    note: OffsetNote | None
    met: dict[int, Counter[str]] = field(default_factory=dict)
    before: Counter[int] = field(default_factory=Counter)
    waiting: Counter[int] = field(default_factory=Counter)
    unsure: Counter[int] = field(default_factory=Counter)

    def holds_whole(self, day: int) -> bool:
        """Whether nothing of the day has been deleted."""
        if self.held.first == 0 or (self.note is not None and self.held.first <= self.note.since):
            return True
        return self.held.first_day is not None and self.held.first_day < day

    def counted(self, day: int) -> DayCounts | None:
        """What the worker has counted of the day; None where it does not tell."""
        if self.note is None or (self.note.oldest is not None and day < self.note.oldest):
            return None
        return self.note.days.get(day, DayCounts())


@dataclass(slots=True)
class FoundAccount:
    """All that was read. ``aep`` is None where AEP was not asked, for the reason ``aep_unknown``."""

    topic: str
    accounts: Mapping[int, Account]
    distinct: Sequence[DistinctRow]
    repeated: Mapping[int, int]
    replayed: Mapping[int, int]
    ingest_letters: Mapping[int, int]
    ingest_batches: frozenset[str]
    now: float
    aep: IngestedCounts | None = None
    aep_unknown: str = ""
    exported: tuple[int, Mapping[int, int]] | None = None
    unreadable: Sequence[str] = ()
