"""What a run comes to: JSON for programs, a table for people."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from counting import Findings
    from sender import ChaosSender
    from stage import Stage


@dataclass(frozen=True, slots=True)
class Done:
    """One fault as it was: beginning and end in seconds of the run, and until AEP had something new after it.

    ``struck``: requests to AEP and IMS that met it; None where that cannot be counted.
    """

    kind: str
    lane: str
    began: float
    ended: float
    flowing_again: float | None = None
    struck: int | None = None


@dataclass(slots=True)
class Report:
    """Figures of one run."""

    seed: int
    rate: float
    began: str
    seconds: float = 0.0
    faults: Sequence[Done] = ()
    sent: int = 0
    promised: int = 0
    given_up: int = 0
    answers: dict[str, int] = field(default_factory=dict)
    accepted: int = 0
    dead_letters: int = 0
    lost: int = 0
    changed: int = 0
    invented: int = 0
    unexplained: int = 0
    duplicates: int = 0
    duplicates_bound: int = 0
    duplicates_bound_by: dict[str, int] = field(default_factory=dict)
    longest_stall_seconds: float = 0.0
    recovery_seconds: float = 0.0
    drained_seconds: float = 0.0
    restarts: int = 0
    rebalances: int = 0
    aep_requests: dict[str, int] = field(default_factory=dict)
    token_requests: dict[str, int] = field(default_factory=dict)
    surprises: list[str] = field(default_factory=list)
    expired: int = 0
    unseen: list[str] = field(default_factory=list)
    alerts: dict[str, int] = field(default_factory=dict)
    came_back: int = 0
    came_back_seconds: float = 0.0
    without_prometheus: str = ""

    def fill(self, sender: ChaosSender, stage: Stage, findings: Findings) -> None:
        """Take the figures of a run that is over."""
        self.sent, self.promised, self.given_up = sender.next, len(sender.promised), len(sender.given_up)
        self.answers = dict(sender.answers)
        self.accepted, self.dead_letters = findings.accepted, findings.dead_letters
        self.lost, self.changed = len(findings.lost), len(findings.changed)
        self.invented, self.unexplained = len(findings.invented), len(findings.unexplained)
        bounds = {"posted again": sender.resent, **stage.allowance.repeatable()}
        self.duplicates, self.duplicates_bound = findings.duplicates, sum(bounds.values())
        self.duplicates_bound_by = bounds
        self.expired = len(findings.gone)
        self.came_back = len(stage.came_back)
        self.longest_stall_seconds = round(stage.longest_stall, 2)
        self.rebalances = len(stage.allowance.rebalances())
        self.restarts = sum(role.starts for role in stage.roles.values())
        state = stage.emulator.state
        self.aep_requests, self.token_requests = dict(state.requests), dict(state.token_requests)
        self.surprises = [f"{each.name} ({each.code})" for each in stage.surprises]

    def by_kind(self) -> dict[str, dict[str, Any]]:
        """Kind of fault -> how often, seconds in all, and the longest time until AEP had something new after it."""
        counts = Counter(fault.kind for fault in self.faults)
        return {
            kind: {
                "count": count,
                "seconds": round(sum(each.ended - each.began for each in self.faults if each.kind == kind), 1),
                "slowest_recovery": max(
                    (
                        each.flowing_again
                        for each in self.faults
                        if each.kind == kind and each.flowing_again is not None
                    ),
                    default=None,
                ),
            }
            for kind, count in sorted(counts.items())
        }

    def write(self, path: Path) -> None:
        """As JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        document = {**asdict(self), "faults_by_kind": self.by_kind()}
        path.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))

    def table(self) -> str:
        """For people."""
        lines = [f"{'fault':36}{'times':>7}{'seconds':>10}{'flowing again after':>22}"]
        for kind, row in self.by_kind().items():
            again = "-" if row["slowest_recovery"] is None else f"{row['slowest_recovery']:.1f} s at most"
            lines.append(f"{kind:36}{row['count']:>7}{row['seconds']:>10}{again:>22}")
        share = 100 * self.duplicates / max(1, self.accepted)
        figures = {
            "seed": self.seed,
            "length": f"{self.seconds:g} s at {self.rate:g} events/s",
            "events posted": f"{self.sent:,}",
            "answered 200 (promised)": f"{self.promised:,}",
            "refused to the end (MoEngage gave up)": f"{self.given_up:,}",
            "accepted by AEP": f"{self.accepted:,}",
            "dead letters": f"{self.dead_letters:,}",
            "of them refused by AEP after its 200": f"{self.came_back:,}, the last one {self.came_back_seconds:.1f} s after no lag",
            "LOST": f"{self.lost:,}",
            "changed, invented, unexplained": f"{self.changed:,}, {self.invented:,}, {self.unexplained:,}",
            "deleted by Kafka before they were read (a fault)": f"{self.expired:,}",
            "faults that nobody could see": ", ".join(self.unseen) or "none",
            "alerts that stood (seconds)": self.without_prometheus
            or ", ".join(f"{name} {seconds}" for name, seconds in self.alerts.items())
            or "none",
            "duplicates": f"{self.duplicates:,} ({share:.2f} %), bound {self.duplicates_bound:,}",
            "faults": f"{len(self.faults):,}, {self.restarts:,} process starts, {self.rebalances:,} rebalances",
            "longest time without a new event at AEP": f"{self.longest_stall_seconds:.1f} s",
            "recovery after the last fault": f"{self.recovery_seconds:.1f} s to a new event,"
            f" {self.drained_seconds:.1f} s to no lag",
            "ended by themselves": ", ".join(self.surprises) or "none",
        }
        return "\n".join(["", *lines, "", *(f"{name:52}{value}" for name, value in figures.items()), ""])
