"""The receiver as users run it, into a real Kafka: events a second confirmed, and how long a request takes.

The process is pinned to one core; sixteen connections post bodies of 1, 100 and 500 events and wait for each answer, so
that the time of a request includes Kafka's confirmation.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING, Any

import uvloop

from bench.records import records
from bench.stage import Child, cleaned
from bridge.testing.processes import eventually, free_port, get

if TYPE_CHECKING:
    from pathlib import Path

CONNECTIONS = 16
KEY = "bench-key"
BATCHES = (1, 100, 500)


def start_receiver(bootstrap: str, topic: str, dead: str, where: Path) -> tuple[Child, int]:
    """The process, ready to take requests, and its port."""
    port, telemetry = free_port(), free_port()
    settings = {
        "BRIDGE_KAFKA__BOOTSTRAP_SERVERS": bootstrap,
        "BRIDGE_KAFKA__TOPIC": topic,
        "BRIDGE_KAFKA__DEAD_LETTER_TOPIC": dead,
        "BRIDGE_RECEIVER__HOST": "127.0.0.1",
        "BRIDGE_RECEIVER__PORT": str(port),
        "BRIDGE_RECEIVER__AUTH": "header",
        "BRIDGE_RECEIVER__HEADER_VALUE": KEY,
        "BRIDGE_TELEMETRY__PORT": str(telemetry),
    }
    child = Child([sys.executable, "-m", "bridge", "receiver"], settings, where / "receiver" / "log")
    eventually(
        lambda: get(f"http://127.0.0.1:{telemetry}/health/ready")[0] == 200,
        within=40,
        what=f"the receiver is ready: {child.tail()}",
    )
    return child, port


def request_of(body: bytes) -> bytes:
    """A whole HTTP request."""
    head = f"POST /moengage/streams HTTP/1.1\r\nHost: x\r\nX-Api-Key: {KEY}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def streams_body(events: list[bytes]) -> bytes:
    """MoEngage's batch of these events."""
    return (
        b'{"app_name":"Northwind Retail","source":"MOENGAGE","moe_request_id":"r","events":['
        + b",".join(events)
        + b"]}"
    )


class Connection:
    """One kept connection."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def open(self) -> Connection:
        """Connect."""
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def post(self, request: bytes) -> float:
        """Send, read the whole 200; seconds it took."""
        began = time.perf_counter()
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        if b" 200 OK" not in head:
            raise RuntimeError(f"the receiver answered {head[:60]!r}")
        await self._reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
        return time.perf_counter() - began

    def close(self) -> None:
        """Disconnect."""
        self._writer.close()


async def load(port: int, request: bytes, seconds: float) -> list[float]:
    """Post over every connection for so long; the seconds of each request."""
    until = time.monotonic() + seconds
    taken: list[float] = []

    async def one() -> None:
        connection = await Connection(port).open()
        while time.monotonic() < until:
            taken.append(await connection.post(request))
        connection.close()

    await asyncio.gather(*(one() for _ in range(CONNECTIONS)))
    return taken


def percentile(values: list[float], part: float) -> float:
    """The value that so large a part of all stays below."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def written(bootstrap: str, topic: str) -> int:
    """Records in the topic."""
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "bench-count"})
    try:
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        return sum(
            consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=10)[1] for number in partitions
        )
    finally:
        consumer.close()


def run(bootstrap: str, where: Path, *, seconds: float = 4.0, repeats: int = 3) -> list[dict[str, Any]]:
    """Rows by batch size."""
    from bridge.testing.kafka.admin import create_topic

    found: list[dict[str, Any]] = []
    dead = create_topic(bootstrap, "bench-receiver-dead", partitions=1)
    topic = create_topic(bootstrap, "bench-receiver", partitions=6)
    child, port = start_receiver(bootstrap, topic, dead, where)
    try:
        for count in BATCHES:
            events = [value for _, value in records(count)]
            request = request_of(streams_body(events) if count > 1 else events[0])
            uvloop.run(load(port, request, 0.5))
            runs = []
            for _ in range(repeats):
                had, before, began = written(bootstrap, topic), child.cpu(), time.monotonic()
                taken = uvloop.run(load(port, request, seconds))
                wall, used = time.monotonic() - began, child.cpu() - before
                answered = len(taken) * count
                confirmed = written(bootstrap, topic) - had
                runs.append(
                    (
                        answered / wall,
                        answered / used,
                        percentile(taken, 0.5),
                        percentile(taken, 0.99),
                        answered - confirmed,
                    )
                )
            speed, spread = cleaned([one[0] for one in runs])
            found.append(
                {
                    "batch": count,
                    "events_per_second": round(speed),
                    "spread": round(spread, 3),
                    "events_per_cpu_second": round(cleaned([one[1] for one in runs])[0]),
                    "p50_ms": round(cleaned([one[2] for one in runs])[0] * 1e3, 1),
                    "p99_ms": round(cleaned([one[3] for one in runs])[0] * 1e3, 1),
                    "lost": max(one[4] for one in runs),
                }
            )
    finally:
        child.stop()
    return found
