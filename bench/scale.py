"""What the worker costs as the surroundings grow: partitions, the size of events, AEP's latency, the length of the backlog.

The cost of an event should hardly move with partitions, latency and backlog, and grow with its bytes. The rung ``bridge``
of the ladder, one thing changed at a time; CPU seconds per million events and events a second.
"""

from __future__ import annotations

import json
import urllib.request
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.ladder import FEW, PARTITIONS, run_once, rungs
from bench.records import SIZE, records
from bench.stage import OTHERS, SinkProcess, folder, on, preload

if TYPE_CHECKING:
    from collections.abc import Callable

_USUAL = {"partitions": 6, "bytes": SIZE, "latency": 0.0, "part": 1.0}
CASES: tuple[dict[str, float], ...] = (
    {},
    {"partitions": 1},
    {"partitions": 64},
    {"bytes": 5_000, "part": 0.3},
    {"bytes": 20_000, "part": 0.1},
    {"latency": 0.02},
    {"latency": 0.1},
    {"latency": 0.5},
    {"part": 3.0},
)
"""What differs from the usual; ``part``: this much of the records, so that large events do not take for ever."""


def run(count: int, say: Callable[[str], None] = print) -> list[dict[str, Any]]:
    """A row a case."""
    from kafka_broker import Broker, create_topic

    rung = next(rung for rung in rungs() if rung.name == "bridge")
    found: list[dict[str, Any]] = []
    with folder() as made, on(OTHERS), Broker(Path(made) / "kafka") as broker:
        sink = SinkProcess(Path(made))
        dead = create_topic(broker.bootstrap, "bench-dead", partitions=1)
        few = create_topic(broker.bootstrap, "bench-few", partitions=PARTITIONS)
        preload(broker.bootstrap, few, records(FEW))
        try:
            go = partial(run_once, rung, sink, where=Path(made), bootstrap=broker.bootstrap, dead=dead)
            startup = min(go(few, FEW)["cpu_seconds"] for _ in range(2))
            for number, differs in enumerate(CASES):
                case = _USUAL | differs
                events = int(count * case["part"])
                topic = create_topic(broker.bootstrap, f"bench-{number}", partitions=int(case["partitions"]))
                preload(broker.bootstrap, topic, records(events, size=int(case["bytes"])))
                _control(sink, {"latency_seconds": case["latency"]})
                one = go(topic, events, startup=startup)
                row = {
                    "partitions": int(case["partitions"]),
                    "record_bytes": int(case["bytes"]),
                    "latency_ms": round(case["latency"] * 1e3),
                    "records": events,
                    "events_per_second": round(one["events_per_second"]),
                    "cpu_seconds_per_million": round(one["cpu_seconds_per_million"], 1),
                    "peak_mb": round(one["peak_mb"]),
                    "lost": one["lost"],
                    "repeated": one["repeated"],
                }
                found.append(row)
                say(f"  {row}")
        finally:
            sink.stop()
    return found


def _control(sink: SinkProcess, orders: dict[str, float]) -> None:
    request = urllib.request.Request(f"{sink.url}/control", json.dumps(orders).encode(), method="POST")  # noqa: S310 - our own child
    with urllib.request.urlopen(request, timeout=5):  # noqa: S310
        pass
