"""A light, steady load: from the receiver's door to AEP's answer, event by event; and what a worker costs that has nothing to do.

Every event carries the time it was posted at (a user attribute, which the mapping copies); the sink notes when the
request that holds it arrived. Receiver and worker run as users run them, with the linger that they come with (0.5 s).
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING, Any

import orjson
import uvloop

from bench.receiver import Connection, percentile, request_of, start_receiver, streams_body
from bench.records import records
from bench.rungs import environment, rungs
from bench.stage import Child, SinkProcess

if TYPE_CHECKING:
    from pathlib import Path

RATES = (100, 1_000)
_POSTS_A_SECOND = 10


async def _steady(port: int, rate: int, seconds: float, since: int) -> int:
    """Post ``rate`` events a second, evenly; how many."""
    batch = rate // _POSTS_A_SECOND
    total = int(seconds * _POSTS_A_SECOND)
    events = [orjson.loads(value) for _, value in records(batch * total, since=since)]
    connections = [await Connection(port).open() for _ in range(4)]
    began = asyncio.get_running_loop().time()
    pending: list[asyncio.Task[float]] = []
    for turn in range(total):
        await asyncio.sleep(max(0.0, began + turn / _POSTS_A_SECOND - asyncio.get_running_loop().time()))
        now = time.time()
        part = events[turn * batch : (turn + 1) * batch]
        for event in part:
            event["user_attributes"]["sent_at"] = now
        request = request_of(streams_body([orjson.dumps(event) for event in part]))
        if len(pending) >= len(connections):
            await pending.pop(0)
        pending.append(asyncio.create_task(connections[turn % len(connections)].post(request)))
    await asyncio.gather(*pending)
    for connection in connections:
        connection.close()
    return batch * total


def run(bootstrap: str, where: Path, *, seconds: float = 15.0) -> dict[str, Any]:
    """Latencies by rate, and the idle worker's CPU."""
    from bridge.testing.kafka.admin import create_topic

    topic = create_topic(bootstrap, "bench-latency", partitions=6)
    dead = create_topic(bootstrap, "bench-latency-dead", partitions=1)
    sink = SinkProcess(where)
    receiver, port = start_receiver(bootstrap, topic, dead, where / "latency")
    rung = next(rung for rung in rungs() if rung.name == "bridge")
    worker = Child(
        [sys.executable, "-m", "bridge", "worker"],
        environment(rung, sink, bootstrap, topic, dead),
        where / "worker" / "log",
    )
    found: list[dict[str, Any]] = []
    sent = 0
    try:
        sent += _through(port, sink, 100, 2.0, 0)
        for rate in RATES:
            sink.clear()
            before, began = worker.cpu(), time.monotonic()
            count = _through(port, sink, rate, seconds, sent)
            used = (worker.cpu() - before) / (time.monotonic() - began)
            sent += count
            told, taken = sink.ask("verify"), sink.ask("latencies")
            found.append(
                {
                    "rate": rate,
                    "p50_ms": round(percentile(taken, 0.5) * 1e3),
                    "p99_ms": round(percentile(taken, 0.99) * 1e3),
                    "worst_ms": round(max(taken) * 1e3),
                    "lost": count - told["unique"],
                    "repeated": told["events"] - told["unique"],
                    "worker_cpu_percent": round(used * 100, 1),
                }
            )
        time.sleep(3.0)
        before, began = worker.cpu(), time.monotonic()
        time.sleep(seconds)
        idle = (worker.cpu() - before) / (time.monotonic() - began)
        return {"rates": found, "idle_cpu_percent": round(idle * 100, 2), "idle_mb": round(worker.memory("VmRSS"))}
    finally:
        worker.stop()
        receiver.stop()
        sink.stop()


def _through(port: int, sink: SinkProcess, rate: int, seconds: float, since: int) -> int:
    before = sink.progress()[1]
    count = uvloop.run(_steady(port, rate, seconds, since))
    until = time.monotonic() + 30
    while sink.progress()[1] - before < count and time.monotonic() < until:
        time.sleep(0.1)
    return count
