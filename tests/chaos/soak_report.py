"""What a soak comes to: is it flat, was anything lost, and what did it cost. JSON for programs, tables for people."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import orjson
from slopes import Line, calm, climbs, fit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from report import Report
    from usage import Usage

BOUNDS = {"rss_mb": 12.0, "descriptors": 6.0, "threads": 2.0, "tasks": 6.0}
"""How far the line of a measure may climb from the end of the warm-up to the end of the run, beyond its noise."""
WARM_UP = 0.25
"""Share of the run in which caches, pools and the heap may grow to their size."""
_SETTLE = 15.0
"""Seconds after a fault: retries, backlogs and connections that it left are gone by then."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One measure of one process; None where there were too few calm samples for a line."""

    process: str
    measure: str
    line: Line | None
    peak: float
    bound: float

    @property
    def flat(self) -> bool:
        """Whether it stays where it is."""
        return self.line is None or not climbs(self.line, self.bound)


@dataclass(slots=True)
class Soak:
    """A soak's own figures beside those of every chaos run."""

    report: Report
    measured: list[Measured] = field(default_factory=list)
    cpu_seconds: Mapping[str, float] = field(default_factory=dict)
    harness_rss_mb: float = 0.0
    lag: list[tuple[float, int]] = field(default_factory=list)
    judged_seconds: float = 0.0

    def measure(self, usage: Usage) -> None:
        """Fit a line through what was sampled between the faults, after the warm-up."""
        storms = [(fault.began, fault.ended + (fault.flowing_again or 0.0)) for fault in self.report.faults]
        for name, watched in usage.watched.items():
            for measure, samples in watched.samples.items():
                quiet = calm(samples, storms, after=WARM_UP * self.report.seconds, settle=_SETTLE)
                peak = max((value for _, value in samples), default=0.0)
                line = fit(quiet) if len(quiet) >= 3 else None
                self.measured.append(Measured(name, measure, line, peak, BOUNDS[measure]))

    @property
    def climbing(self) -> list[str]:
        """What is not flat, in words."""
        return [
            f"{each.process}: {each.measure} climbs {each.line.drift:+.2f} in {each.line.seconds:.0f} s"
            for each in self.measured
            if each.line is not None and not each.flat
        ]

    def write(self, path: Path) -> None:
        """As JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        document = {
            **asdict(self),
            "faults_by_kind": self.report.by_kind(),
            "bounds": BOUNDS,
            "flat": {f"{each.process} {each.measure}": each.flat for each in self.measured},
            "cores": self.cores(),
        }
        path.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))

    def cores(self) -> float:
        """CPU seconds of everything by second of the run."""
        return round(sum(self.cpu_seconds.values()) / max(1.0, self.report.seconds), 2)

    def table(self) -> str:
        """For people."""
        head = ("process", "measure", "first", "last", "least", "most", "peak", "slope/h", "error/h", "drift", "bound")
        lines = [f"{head[0]:14}{head[1]:13}" + "".join(f"{name:>10}" for name in head[2:])]
        for each in self.measured:
            line = each.line
            if line is None:
                lines.append(f"{each.process:14}{each.measure:13}{'too few calm samples':>30}{each.peak:>30.1f}")
                continue
            values = (line.first, line.last, line.least, line.most, each.peak, line.per_hour, line.error, line.drift)
            row = "".join(f"{value:>10.2f}" for value in (*values, each.bound))
            lines.append(f"{each.process:14}{each.measure:13}{row}{'' if each.flat else '  CLIMBS'}")
        used = ", ".join(f"{name} {seconds:g}" for name, seconds in self.cpu_seconds.items())
        figures = {
            "CPU seconds": f"{used}; together {self.cores():g} cores",
            "lag, at most and at the end": f"{max((lag for _, lag in self.lag), default=0):,}, {self.lag[-1][1] if self.lag else 0:,}",
            "memory of the harness": f"{self.harness_rss_mb:.0f} MB",
            "judged within": f"{self.judged_seconds:.0f} s",
        }
        words = [f"{name:42}{value}" for name, value in figures.items()]
        return self.report.table() + "\n".join([*words, "", *lines, ""])
