"""The sum of a day's events, and what of it does not hold: the values that a reconciliation comes to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final

from bridge.routes.reconciliation.event_table import DEAD, DELIVERED, LEFT_OUT, OPEN

_EPOCH: Final = date(1970, 1, 1)


def day_name(day: int) -> str:
    """``2026-11-26`` of a day number."""
    return (_EPOCH + timedelta(days=day)).isoformat()


def day_number(moment: datetime) -> int:
    """The number of the UTC day of an aware moment."""
    return (moment.astimezone(UTC).date() - _EPOCH).days


@dataclass(frozen=True, slots=True)
class SumDifference:
    """Something that does not add up: ``events`` is by how many, ``fix`` says what to do. ``day`` is None for the whole time."""

    check: str
    day: int | None
    events: int
    words: str
    fix: str


@dataclass(slots=True)
class EventSum:
    """Distinct events and what became of them; those of one code have no more than that."""

    received: int = 0
    in_kafka: int = 0
    delivered: int = 0
    open: int = 0
    dead: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)

    def add(self, fate: str, events: int, in_kafka: int) -> None:
        """Add ``events`` distinct events of one fate, which are ``in_kafka`` records."""
        kind, _, name = fate.partition(":")
        self.received += events
        self.in_kafka += in_kafka
        if kind == DELIVERED:
            self.delivered += events
        elif kind == OPEN:
            self.open += events
        elif kind == LEFT_OUT:
            self.left_out[name] += events
        elif kind == DEAD:
            self.dead[name] += events

    @property
    def accounted(self) -> int:
        """Events that reached an end, or wait for it."""
        return self.delivered + self.open + self.dead.total() + self.left_out.total()


@dataclass(slots=True)
class DaySum:
    """One UTC day of the append to Kafka.

    ``distinct``: the topic holds the whole day, so that events are told apart by their ids; else the worker's own counts stand
    there, a copy of an event counted once more. ``ingested`` and ``failed`` are AEP's, by the day of its batches; None: unknown.
    """

    day: int
    total: EventSum = field(default_factory=EventSum)
    codes: dict[str, EventSum] = field(default_factory=dict)
    duplicates: int | None = 0
    replayed: int | None = 0
    expired: int = 0
    ingest_letters: int = 0
    ingested: int | None = None
    failed: int | None = None
    exported: int | None = None
    distinct: bool = True
    saved_at: str | None = None


@dataclass(slots=True)
class Reconciled:
    """Rows by day, what does not hold, and what is to be known. ``waiting_in_aep``: delivered, and in no batch yet; None: unknown."""

    days: list[DaySum]
    differences: list[SumDifference]
    notes: list[str]
    waiting_in_aep: int | None = None

    @property
    def holds(self) -> bool:
        """Whether the sum holds."""
        return not self.differences

    @property
    def difference_events(self) -> int:
        """By how many events it does not."""
        return sum(max(1, difference.events) for difference in self.differences)
