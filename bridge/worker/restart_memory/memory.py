"""What a worker remembers about one partition over the death of its process, so that no record kills one after the other. Pure.

After a process that has not given the partition away in order, what is about to be mapped is written down, and struck out when it has
been mapped. A run that is still there when somebody
else takes the partition has ended a process: its records are then tried one by one, each written down before. What has ended two
processes all by itself is *hung*: it is not mapped again. An innocent record would have to be tried alone, twice, in the very
moment when somebody kills the process.

A topic that is deleted and made again has other records at the same offsets: what is remembered of one record counts only for a
record with the same timestamp.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping

DEATHS: Final = 2
"""Processes that a record has to end, tried alone, before it is given up."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """What is stored of a partition.

    The records from offset ``first`` to ``last`` were being mapped, or are suspect since a process ended while they were; None when
    nothing is. ``alone`` was being tried alone, after ``deaths`` processes had ended over it; ``hung`` offsets are given up.
    ``busy``: a process holds the partition, and has not given it away in order. ``times``: offset and Kafka's timestamp, in
    milliseconds, of ``alone`` and of what is ``hung``.
    """

    first: int | None = None
    last: int | None = None
    alone: int | None = None
    deaths: int = 0
    hung: tuple[int, ...] = ()
    busy: bool = False
    times: tuple[tuple[int, int], ...] = ()

    def to_bytes(self) -> bytes:
        """As it is stored."""
        held = {
            "first": self.first,
            "last": self.last,
            "alone": self.alone,
            "deaths": self.deaths,
            "hung": self.hung,
            "busy": self.busy or None,
            "times": self.times or None,
        }
        return orjson.dumps({name: value for name, value in held.items() if value is not None})

    @classmethod
    def from_bytes(cls, stored: bytes | None) -> Remembered:
        """What was stored; nothing where it is not ours."""
        try:
            held: Mapping[str, Any] = orjson.loads(stored or b"{}")
            return cls(
                _offset(held.get("first")),
                _offset(held.get("last")),
                _offset(held.get("alone")),
                _offset(held.get("deaths")) or 0,
                tuple(offset for each in held.get("hung", ()) if (offset := _offset(each)) is not None),
                held.get("busy") is True,
                tuple((offset, time) for offset, time in held.get("times", ()) if type(offset) is type(time) is int),
            )
        except (ValueError, TypeError, AttributeError):
            return cls()


def _offset(value: object) -> int | None:
    return value if type(value) is int and value >= 0 else None


@dataclass(slots=True)
class PartitionMemory:
    """One assignment's view of a partition whose reading begins at offset ``position``.

    ``suspects`` are the offsets, from and to, that have to be tried alone. ``hung`` must not be mapped at all.
    """

    position: int
    stored: Remembered
    suspects: tuple[int, int] | None = None
    hung: set[int] = field(default_factory=set)
    _deaths: dict[int, int] = field(default_factory=dict)
    _times: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        stored = self.stored
        self._times = dict(stored.times)
        self.hung = {offset for offset in stored.hung if offset >= self.position}
        if stored.first is None or stored.last is None:
            return
        first = max(stored.first, self.position)
        alone = stored.alone
        if alone is not None and alone >= self.position:
            deaths = stored.deaths + 1
            if deaths >= DEATHS:
                self.hung.add(alone)
            else:
                self._deaths[alone] = deaths
        if first <= stored.last:
            self.suspects = (first, stored.last)

    def meets(self, offset: int, time: int) -> bool:
        """A record is about to be looked at, with Kafka's timestamp; False when what is remembered there is of another record."""
        same = self._times.get(offset, time) == time
        if not same:
            self.hung.discard(offset)
            self._deaths.pop(offset, None)
            del self._times[offset]
        if offset in self.hung or self.is_suspect(offset):
            self._times[offset] = time
        return same

    def is_suspect(self, offset: int) -> bool:
        """Whether the record has to be tried alone before it is mapped with its neighbours."""
        return self.suspects is not None and self.suspects[0] <= offset <= self.suspects[1] and offset not in self.hung

    def trying(self, offset: int) -> Remembered:
        """What has to be stored before a suspect is tried."""
        last = offset if self.suspects is None else max(offset, self.suspects[1])
        return Remembered(
            offset, last, offset, self._deaths.get(offset, 0), self._given_up(), True, self._known(offset)
        )

    def passed(self, offset: int) -> None:
        """A suspect was tried and is none any more; those before it are settled too."""
        self._times.pop(offset, None)
        if self.suspects is not None:
            self.suspects = (offset + 1, self.suspects[1]) if offset < self.suspects[1] else None

    def mapping(self, first: int, last: int) -> Remembered:
        """What has to be stored before a run is mapped."""
        return Remembered(first, last, hung=self._given_up(), busy=True, times=self._known())

    def settled(self, *, busy: bool = True) -> Remembered:
        """What has to be stored when nothing is being mapped: what is still to be tried stays suspect.

        Not ``busy`` when the partition is given away in order.
        """
        first, last = self.suspects or (None, None)
        alone = next((offset for offset in self._deaths if first is not None and offset >= first), None)
        # Struck out, not tried: whoever tries it next counts from the deaths there were.
        deaths = 0 if alone is None else self._deaths[alone] - 1
        return Remembered(first, last, alone, deaths, self._given_up(), busy, self._known(alone))

    def _given_up(self) -> tuple[int, ...]:
        return tuple(sorted(self.hung))

    def _known(self, alone: int | None = None) -> tuple[tuple[int, int], ...]:
        return tuple(
            (offset, time) for offset, time in sorted(self._times.items()) if offset == alone or offset in self.hung
        )
