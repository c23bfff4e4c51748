"""What an operator can see during a run: readiness, metrics and log lines of every process, twice a second."""

from __future__ import annotations

import asyncio
import json
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from bridge.testing.processes import get

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from stage import Stage

_EVERY = 0.5
_EVENT = re.compile(rb'"event": "([^"]+)"')
_STAGE = re.compile(r'\bstage="([a-z]+)"')
_PREFIXES = (
    "bridge_circuit_open",
    "bridge_delivery_held",
    "bridge_throttled",
    "bridge_oldest_open_seconds",
    "bridge_expired_records_total",
    "bridge_mapping_warnings_total",
    "bridge_unreadable",
    "bridge_token_refreshes_total",
    "bridge_retries_total",
    "bridge_kafka_lag",
    "bridge_postponed_events",
    "bridge_in_flight_events",
    "bridge_consumed_records_total",
    "bridge_dead_letters_total",
)


@dataclass(frozen=True, slots=True)
class Observation:
    """One look at one process.

    ``at``: seconds on the monotonic clock. ``answers``: whether its telemetry answered at all. ``reasons``: why it is
    not ready, by name. ``metrics``: sums over the labels of those that tell of trouble, and of each stage where there is one
    (``NAME{stage}``). ``lines``: names of what it has
    logged since the last look.
    """

    at: float
    process: str
    answers: bool
    reasons: Mapping[str, str]
    metrics: Mapping[str, float]
    lines: frozenset[str] = frozenset()


@dataclass(slots=True)
class Watcher:
    """Looks at every process of the stage until it is left."""

    stage: Stage
    observations: list[Observation] = field(default_factory=list)
    _read: dict[str, int] = field(default_factory=dict)
    _task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def write(self, path: Path, began: float) -> None:
        """One line of JSON for each look, in seconds of the run: what the judge saw, for whoever wonders about a verdict."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8") as file:
            for each in self.observations:
                line = {
                    "at": round(each.at - began, 2),
                    "process": each.process,
                    "answers": each.answers,
                    "reasons": dict(each.reasons),
                    "metrics": {name: value for name, value in each.metrics.items() if value},
                    "lines": sorted(each.lines),
                }
                file.write(json.dumps(line) + "\n")

    async def _run(self) -> None:
        while True:
            begun = time.monotonic()
            urls = {name: role.process.url for name, role in self.stage.roles.items()}
            found = await asyncio.gather(*(asyncio.to_thread(_look, name, url) for name, url in urls.items()))
            self.observations += found
            # Under their own time: they were written after the look, perhaps.
            self.observations += [
                Observation(time.monotonic(), name, answers=True, reasons={}, metrics={}, lines=lines)
                for name in urls
                if (lines := self._lines(name))
            ]
            await asyncio.sleep(max(0.05, _EVERY - (time.monotonic() - begun)))

    def _lines(self, process: str) -> frozenset[str]:
        role = self.stage.roles.get(process)
        if role is None or not role.process.log.exists():
            return frozenset()
        with role.process.log.open("rb") as log:
            log.seek(self._read.get(process, 0))
            fresh = log.read()
        # The end may be half a line.
        whole = fresh[: fresh.rfind(b"\n") + 1]
        self._read[process] = self._read.get(process, 0) + len(whole)
        return frozenset(name.decode(errors="replace") for name in _EVENT.findall(whole))


def _look(process: str, url: str) -> Observation:
    at = time.monotonic()
    status, body = get(url + "/health/ready", timeout=0.4)
    if status not in {200, 503}:
        return Observation(at, process, answers=False, reasons={}, metrics={})
    reasons = json.loads(body).get("reasons", {}) if status == 503 else {}
    code, text = get(url + "/metrics", timeout=1.0)
    return Observation(
        at, process, answers=True, reasons=reasons, metrics=_sums(text.splitlines() if code == 200 else ())
    )


def _sums(lines: Iterable[str]) -> dict[str, float]:
    sums: dict[str, float] = {}
    for line in lines:
        if line.startswith(_PREFIXES):
            name, value = line.rsplit(" ", 1)
            key = name.partition("{")[0]
            stage = _STAGE.search(name)
            for each in (key, *([f"{key}{{{stage[1]}}}"] if stage else ())):
                sums[each] = sums.get(each, 0.0) + float(value)
    return sums


def between(observations: Sequence[Observation], first: float, last: float) -> list[Observation]:
    """Those made from ``first`` to ``last``, in seconds on the monotonic clock."""
    return [each for each in observations if first <= each.at <= last]
