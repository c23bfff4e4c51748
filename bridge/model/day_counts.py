"""What became of a partition's events, counted by UTC day of their append to Kafka; how it lies beside the group's offset.

A counter of a process dies with it. These counts are the *note* of a committed offset: Kafka stores both at once, and only for
the member that owns the partition, so that every event before the offset is counted once, whoever was killed in between. Pure.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable

DAY_MS: Final = 86_400_000
KEPT_DAYS: Final = 8
"""The newest days that are told: one more than Kafka keeps a topic by default."""
KEPT_HOURS: Final = 4
_LONGEST: Final = 3_000
"""Bytes of a note; Kafka keeps 4,096 (offset.metadata.max.bytes)."""
_MOST_NAMES: Final = 20
OTHER: Final = "other"
"""Stands for the names beyond the first ones."""


@dataclass(slots=True)
class DayCounts:
    """Events of one day by what became of them.

    ``dead`` by stage, ``left_out`` by rule. ``expired`` counts offsets that were deleted unread, on the day on which that was
    noticed; they are not among :attr:`events`.
    """

    delivered: int = 0
    expired: int = 0
    dead: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def events(self) -> int:
        """All events that were settled."""
        return self.delivered + self.dead.total() + self.left_out.total()

    def add(self, other: DayCounts) -> None:
        """Add another's counts."""
        self.delivered += other.delivered
        self.expired += other.expired
        self.dead.update(other.dead)
        self.left_out.update(other.left_out)

    def to_list(self) -> list[Any]:
        """As it is stored."""
        return [self.delivered, self.expired, _named(self.dead), _named(self.left_out)]

    @classmethod
    def from_list(cls, told: Any) -> Self:
        """Undo :meth:`to_list`; ``ValueError`` or ``TypeError`` for what is none."""
        delivered, expired, dead, left_out = told
        counts = cls(int(delivered), int(expired))
        counts.dead.update({str(name): int(count) for name, count in dead.items()})
        counts.left_out.update({str(name): int(count) for name, count in left_out.items()})
        return counts


def _named(counts: Counter[str]) -> dict[str, int]:
    told = dict(counts.most_common(_MOST_NAMES))
    if rest := counts.total() - sum(told.values()):
        told[OTHER] = told.get(OTHER, 0) + rest
    return {name: count for name, count in told.items() if count}


@dataclass(slots=True)
class ChunkCounts:
    """The events of a run of records, by day number; each is counted as delivered until it is refused."""

    days: dict[int, DayCounts] = field(default_factory=dict)
    _refused: set[int] = field(default_factory=set)

    def of(self, day: int) -> DayCounts:
        """The counts of a day."""
        counts = self.days.get(day)
        if counts is None:
            counts = self.days[day] = DayCounts()
        return counts

    def refuse(self, place: int, day: int, stage: str) -> None:
        """The event of this place becomes a dead letter. One of several elements is refused once, with the first."""
        if place not in self._refused:
            self._refused.add(place)
            counts = self.days[day]
            counts.delivered -= 1
            counts.dead[str(stage)] += 1


class NotedOffset(NamedTuple):
    """An offset that a consumer group has stored, and the note beside it, "" where there is none."""

    offset: int
    note: str


@dataclass(slots=True)
class OffsetNote:
    """What lies beside a committed offset.

    ``since``: the offset from which on everything is counted. ``days`` by day number; of days before ``oldest`` nothing is told.
    ``hours``: events delivered by the hour in which they were settled (hours since 1970), the newest ones.
    """

    since: int
    oldest: int | None = None
    days: dict[int, DayCounts] = field(default_factory=dict)
    hours: Counter[int] = field(default_factory=Counter)

    def add(self, days: Iterable[tuple[int, DayCounts]], hour: int | None = None) -> None:
        """Add counts, delivered in this hour."""
        for day, counts in days:
            if self.oldest is not None and day < self.oldest:
                continue
            if day in self.days:
                self.days[day].add(counts)
            else:
                self.days[day] = DayCounts()
                self.days[day].add(counts)
            if hour is not None and counts.delivered:
                self.hours[hour] += counts.delivered
        while len(self.days) > KEPT_DAYS:
            self._forget_a_day()
        for gone in sorted(self.hours)[:-KEPT_HOURS]:
            del self.hours[gone]

    def _forget_a_day(self) -> None:
        gone = min(self.days)
        del self.days[gone]
        self.oldest = gone + 1

    def to_text(self) -> str:
        """As it is stored; beyond what Kafka takes the oldest days go."""
        while True:
            told = {
                "v": 1,
                "since": self.since,
                "oldest": self.oldest,
                "days": {str(day): counts.to_list() for day, counts in self.days.items()},
                "hours": {str(hour): count for hour, count in self.hours.items()},
            }
            text = orjson.dumps(told).decode()
            if len(text) <= _LONGEST or len(self.days) <= 1:
                return text
            self._forget_a_day()

    @classmethod
    def from_text(cls, text: str) -> Self | None:
        """What was stored; None where it is not ours."""
        try:
            told = orjson.loads(text)
            if told["v"] != 1:
                return None
            oldest = told["oldest"]
            return cls(
                int(told["since"]),
                None if oldest is None else int(oldest),
                {int(day): DayCounts.from_list(counts) for day, counts in told["days"].items()},
                Counter({int(hour): int(count) for hour, count in told["hours"].items()}),
            )
        except (ValueError, TypeError, KeyError, AttributeError):
            return None
