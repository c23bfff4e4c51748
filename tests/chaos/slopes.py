"""Is it flat? Least squares over what was sampled, and what the line comes to over the time that was looked at. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_HOUR = 3_600.0


@dataclass(frozen=True, slots=True)
class Line:
    """The straight line through ``samples`` values. ``per_hour`` with its standard error, in units of the value.

    ``drift`` is what the line climbs over ``seconds``, from the first sample to the last.
    """

    samples: int
    seconds: float
    first: float
    last: float
    least: float
    most: float
    mean: float
    per_hour: float
    error: float

    @property
    def drift(self) -> float:
        """What it climbs in the time it was looked at."""
        return self.per_hour * self.seconds / _HOUR


def fit(samples: Sequence[tuple[float, float]]) -> Line:
    """Least squares through (seconds, value); ``ValueError`` for fewer than three, or for samples of one moment."""
    count = len(samples)
    times, values = [at for at, _ in samples], [value for _, value in samples]
    if count < 3 or max(times) == min(times):
        raise ValueError(f"no line through {count} samples")
    middle, mean = sum(times) / count, sum(values) / count
    spread = sum((at - middle) ** 2 for at in times)
    slope = sum((at - middle) * (value - mean) for at, value in samples) / spread
    residual = sum((value - mean - slope * (at - middle)) ** 2 for at, value in samples)
    return Line(
        samples=count,
        seconds=max(times) - min(times),
        first=values[0],
        last=values[-1],
        least=min(values),
        most=max(values),
        mean=mean,
        per_hour=slope * _HOUR,
        error=sqrt(residual / (count - 2) / spread) * _HOUR,
    )


def calm(
    samples: Iterable[tuple[float, float]], faults: Iterable[tuple[float, float]], *, after: float, settle: float
) -> list[tuple[float, float]]:
    """The samples from ``after`` on that lie in no fault (beginning, end) nor within ``settle`` seconds of its end.

    While something is broken, connections and work pile up as they should; whether everything is given back shows between.
    """
    stormy = list(faults)
    return [
        (at, value)
        for at, value in samples
        if at >= after and not any(begun <= at <= over + settle for begun, over in stormy)
    ]


def climbs(line: Line, bound: float) -> bool:
    """Whether it climbs more than ``bound`` while it is looked at, beyond what its own noise explains (two errors).

    A leak adds up with time, noise does not: the longer the run, the smaller a leak it sees.
    """
    noise = 2 * line.error * line.seconds / _HOUR
    return line.drift - noise > bound
