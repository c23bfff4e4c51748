"""What the worker costs as the surroundings grow: partitions, the size of events, the mapping set, AEP's latency, processes, the backlog.

The cost of an event should hardly move with partitions, latency, processes and backlog, and grow with its bytes and with
the rows that give it a value. The rung ``bridge`` of the ladder, one thing changed at a time.
"""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.brokers import real_broker
from bench.course import Sample, Stretch, stretch, tenths
from bench.ladder import FEW, PARTITIONS, run_once
from bench.records import SIZE, records
from bench.rows import wide_records, write_mapping
from bench.rungs import Rung, rungs
from bench.stage import CORES, MEASURED, SinkProcess, folder, preload
from bridge.testing.kafka.admin import create_topic

if TYPE_CHECKING:
    from collections.abc import Callable

BACKLOG_SECONDS, BACKLOG_RATE = 600, 1_000
"""The backlog: ten minutes in which nothing left, at a thousand events a second."""


@dataclass(frozen=True, slots=True)
class Case:
    """What differs from the usual. ``part``: this much of the records, so that large events do not take for ever.

    ``rows``: of a mapping set of its own, over records of a thousand attributes; 0 is the shipped one. ``processes`` 0: a
    worker alone on one core; else so many under one command on all cores, which broker and sink use too.
    """

    partitions: int = PARTITIONS
    size: int = SIZE
    latency: float = 0.0
    part: float = 1.0
    rows: int = 0
    processes: int = 0


CASES = (
    Case(),
    Case(partitions=1),
    Case(partitions=64),
    Case(size=5_000, part=0.3),
    Case(size=20_000, part=0.1),
    Case(size=50_000, part=0.05),
    Case(rows=10, part=0.2),
    Case(rows=100, part=0.2),
    Case(rows=1_000, part=0.2),
    Case(latency=0.02),
    Case(latency=0.1, part=2.0),
    Case(latency=0.5, part=2.0),
    Case(processes=1, part=4.0),
    Case(processes=2, part=4.0),
)


def run(count: int, backlog: int, say: Callable[[str], None] = print) -> dict[str, Any]:
    """A row a case of about ``count`` records, and a backlog of ``backlog`` by its tenths."""
    with folder() as made, real_broker(Path(made), {"bench-dead": 1, "bench-few": PARTITIONS}) as bootstrap:
        sink = SinkProcess(Path(made))
        bench = _Bench(bootstrap, sink, Path(made), say)
        try:
            bench.begin()
            return {
                "cases": [bench.case(case, max(5 * FEW, int(count * case.part))) for case in CASES],
                "backlog": bench.backlog(backlog),
            }
        finally:
            sink.stop()


class _Bench:
    def __init__(self, bootstrap: str, sink: SinkProcess, where: Path, say: Callable[[str], None]) -> None:
        self._bootstrap, self._sink, self._where, self._say = bootstrap, sink, where, say
        self._rung = next(rung for rung in rungs() if rung.name == "bridge")
        self._startup = 0.0
        self._made = 0

    def begin(self) -> None:
        """Find out what starting up costs."""
        preload(self._bootstrap, "bench-few", records(FEW))
        self._startup = min(self._go(self._rung)("bench-few", FEW)["cpu_seconds"] for _ in range(2))

    def _go(self, rung: Rung, **how: Any) -> Callable[..., dict[str, Any]]:
        return partial(
            run_once, rung, self._sink, where=self._where, bootstrap=self._bootstrap, dead="bench-dead", **how
        )

    def _topic(self, partitions: int) -> str:
        self._made += 1
        return create_topic(self._bootstrap, f"bench-{self._made}", partitions=partitions)

    def case(self, case: Case, events: int) -> dict[str, Any]:
        """One row."""
        rung, cores, startup = self._rung, MEASURED, self._startup
        if case.rows:
            mapping = self._where / f"{case.rows}.csv"
            write_mapping(case.rows, mapping)
            rung = replace(rung, settings=rung.settings | {"BRIDGE_MAPPING__PATH": str(mapping)})
        if case.processes:
            rung = replace(rung, command=[*(rung.command or ()), "--processes", str(case.processes)])
            cores = set(CORES)
        go = self._go(rung, cores=cores)
        if case.processes > 1:
            startup = go("bench-few", FEW)["cpu_seconds"]
        topic = self._topic(case.partitions)
        size = preload(self._bootstrap, topic, wide_records(events) if case.rows else records(events, size=case.size))
        self._control({"latency_seconds": case.latency})
        course: list[Sample] = []
        try:
            one = go(topic, events, startup=startup, course=course)
        finally:
            self._control({"latency_seconds": 0.0})
        # The last request waits to be filled, which says nothing of the case; and while several processes join one after the other,
        # partitions change hands.
        speed = stretch(course, events, 0.3 if case.processes else 0.1, 0.9).events_per_second
        row = {
            "partitions": case.partitions,
            "record_bytes": round(size),
            "mapping_rows": case.rows or "shipped",
            "latency_ms": round(case.latency * 1e3),
            "processes": case.processes or 1,
            "cores": len(cores),
            "records": events,
            "events_per_second": round(speed),
            "cpu_seconds_per_million": round(one["cpu_seconds_per_million"], 1),
            "peak_mb": round(one["peak_mb"]),
            "lost": one["lost"],
            "repeated": one["repeated"],
        }
        self._say(f"  {row}")
        return row

    def backlog(self, events: int) -> dict[str, Any]:
        """How a worker that finds ``events`` records drains them, tenth by tenth."""
        topic = self._topic(PARTITIONS)
        preload(self._bootstrap, topic, records(events))
        course: list[Sample] = []
        one = self._go(self._rung)(topic, events, startup=self._startup, course=course)
        parts = tenths(course, events)
        found = {
            "records": events,
            "seconds": round(course[-1].moment - course[0].moment, 1),
            "tenths": [_rounded(part) for part in parts],
            # Beginning and end are left out: reading ahead belongs to no arrival, and the last request waits to be filled.
            "late_to_early_by_cpu": round(
                stretch(course, events, 0.5, 0.9).cpu_seconds_per_million
                / stretch(course, events, 0.1, 0.5).cpu_seconds_per_million,
                3,
            ),
            "peak_mb": round(one["peak_mb"]),
            "lost": one["lost"],
            "repeated": one["repeated"],
        }
        self._say(f"  {found}")
        return found

    def _control(self, orders: dict[str, float]) -> None:
        request = urllib.request.Request(f"{self._sink.url}/control", json.dumps(orders).encode(), method="POST")  # noqa: S310 - our own child
        with urllib.request.urlopen(request, timeout=5):  # noqa: S310
            pass


def _rounded(part: Stretch) -> dict[str, float]:
    return {
        "events_per_second": round(part.events_per_second),
        "cpu_seconds_per_million": round(part.cpu_seconds_per_million, 1),
    }
