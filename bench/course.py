"""The course of a run: how far it was when, and what it had cost by then. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Sample:
    """At ``moment`` (seconds of any clock) ``events`` had arrived, and ``cpu`` seconds had been spent."""

    moment: float
    events: int
    cpu: float


@dataclass(frozen=True, slots=True)
class Stretch:
    """Events a second and CPU seconds per million events over a part of the run."""

    events_per_second: float
    cpu_seconds_per_million: float


def stretch(samples: Sequence[Sample], count: int, since: float, until: float) -> Stretch:
    """Between the first samples that had reached the parts ``since`` and ``until`` (0 to 1) of ``count`` events.

    Events arrive by requests of hundreds, so a part of the run should hold many of them. Raises ``ValueError`` when
    both fall into one sample.
    """
    first, last = (next(one for one in samples if one.events >= part * count) for part in (since, until))
    if last.events <= first.events or last.moment <= first.moment:
        raise ValueError(f"no two samples between {since} and {until} of {count} events")
    events = last.events - first.events
    return Stretch(events / (last.moment - first.moment), (last.cpu - first.cpu) / events * 1e6)


def tenths(samples: Sequence[Sample], count: int) -> list[Stretch]:
    """The ten tenths of a run."""
    return [stretch(samples, count, part / 10, (part + 1) / 10) for part in range(10)]
