"""Adobe's posts at the receiver, into a real Kafka with acks=all: requests of ten profiles at a fixed rate, whatever answers take.

Time counts from the moment at which a request was due, so that a late answer shows in all that wait behind it.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING, Any

import orjson
import uvloop

from bench.receiver import Connection, percentile, written
from bench.stage import Child
from bridge.testing.processes import eventually, free_port, get

if TYPE_CHECKING:
    from pathlib import Path

PROFILES = 10
RATES = (200, 400)
"""Requests a second."""
KEY = "bench-key"
AUDIENCES = 8


def profile(number: int) -> dict[str, Any]:
    """A profile as the HTTP API destination sends it: attributes, three identities, eight audiences of which two are not mapped."""
    audiences = {
        f"11111111-aaaa-4bbb-8ccc-{audience:012}": {
            "lastQualificationTime": "2026-11-02T08:15:30.123456Z",
            "status": "exited" if audience == 3 else "realized",
            "createdAt": 1790000000000,
            "updatedAt": 1790500000000,
            "mappingCreatedAt": 1790100000000,
            "mappingUpdatedAt": 1790100000000,
            **({"name": f"Audience {audience}"} if audience < AUDIENCES - 2 else {}),
        }
        for audience in range(AUDIENCES)
    }
    return {
        "person": {
            "name": {"firstName": "Zoë", "lastName": f"Ng {number}"},
            "birthDate": "1990-02-03",
            "gender": "female",
        },
        "personalEmail": {"address": f"zoe.{number}@example.com"},
        "mobilePhone": {"number": "+49 30 1234567"},
        "_acme": {"loyalty": {"points": number, "tier": "gold"}},
        "segmentMembership": {"ups": audiences},
        "identityMap": {
            "ecid": [{"id": f"{number:038}"}],
            "email_lc_sha256": [{"id": f"{number:064x}"}],
            "user_id": [{"id": f"C-{number:09}"}],
        },
    }


def requests(count: int) -> list[bytes]:
    """Whole HTTP requests, each of ten profiles of its own."""
    found = []
    for first in range(0, count * PROFILES, PROFILES):
        body = orjson.dumps({"profiles": [profile(number) for number in range(first, first + PROFILES)]})
        head = f"POST /adobe/crm HTTP/1.1\r\nHost: x\r\nX-Api-Key: {KEY}\r\nContent-Length: {len(body)}\r\n\r\n"
        found.append(head.encode() + body)
    return found


async def at_rate(port: int, waiting: list[bytes], rate: int, seconds: float) -> list[float]:
    """Seconds from when each request was due to the end of its answer."""
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for _ in range(64):
        free.put_nowait(await Connection(port).open())
    taken: list[float] = []
    began = time.perf_counter() + 0.1

    async def one(number: int) -> None:
        due = began + number / rate
        connection = await free.get()
        await connection.post(waiting[number % len(waiting)])
        taken.append(time.perf_counter() - due)
        free.put_nowait(connection)

    under_way = set()
    for number in range(int(rate * seconds)):
        await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
        task = asyncio.create_task(one(number))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
    await asyncio.gather(*under_way)
    while not free.empty():
        free.get_nowait().close()
    return taken


def run(bootstrap: str, where: Path, *, seconds: float = 20.0) -> list[dict[str, Any]]:
    """Rows by rate."""
    from bridge.testing.kafka.admin import create_topic

    dead = create_topic(bootstrap, "bench-adobe-dead", partitions=1)
    topic = create_topic(bootstrap, "bench-adobe", partitions=6)
    port, telemetry = free_port(), free_port()
    route = "BRIDGE_ROUTES__CRM__"
    settings = {
        f"{route}SOURCE": "adobe",
        f"{route}KAFKA__TOPIC": topic,
        f"{route}KAFKA__DEAD_LETTER_TOPIC": dead,
        f"{route}RECEIVER__AUTH": "header",
        f"{route}RECEIVER__HEADER_VALUE": KEY,
        "BRIDGE_KAFKA__BOOTSTRAP_SERVERS": bootstrap,
        "BRIDGE_RECEIVER__HOST": "127.0.0.1",
        "BRIDGE_RECEIVER__PORT": str(port),
        "BRIDGE_TELEMETRY__PORT": str(telemetry),
    }
    child = Child([sys.executable, "-m", "bridge", "receiver"], settings, where / "adobe" / "log")
    found: list[dict[str, Any]] = []
    try:
        eventually(
            lambda: get(f"http://127.0.0.1:{telemetry}/health/ready")[0] == 200,
            within=40,
            what=f"the receiver is ready: {child.tail()}",
        )
        waiting = requests(500)
        uvloop.run(at_rate(port, waiting, RATES[0], 2.0))
        for rate in RATES:
            had, before = written(bootstrap, topic), child.cpu()
            taken = uvloop.run(at_rate(port, waiting, rate, seconds))
            used = child.cpu() - before
            found.append(
                {
                    "requests_per_second": rate,
                    "profiles_per_second": rate * PROFILES,
                    "request_bytes": len(waiting[0]),
                    "receiver_cpu_percent": round(100 * used / seconds),
                    "p50_ms": round(percentile(taken, 0.5) * 1e3, 1),
                    "p99_ms": round(percentile(taken, 0.99) * 1e3, 1),
                    "worst_ms": round(max(taken) * 1e3, 1),
                    "lost": len(taken) * PROFILES - (written(bootstrap, topic) - had),
                }
            )
    finally:
        child.stop()
    return found


def table(rows: list[dict[str, Any]]) -> str:
    """One line a rate."""
    lines = [
        "",
        f"{'adobe, requests/s':17} {'profiles/s':>10} {'p50 ms':>7} {'p99 ms':>7} {'worst':>7} {'CPU':>5}  lost",
    ]
    lines += [
        f"{row['requests_per_second']:17d} {row['profiles_per_second']:10,d} {row['p50_ms']:7.1f} {row['p99_ms']:7.1f}"
        f" {row['worst_ms']:7.1f} {row['receiver_cpu_percent']:4d}%  {row['lost']:4d}"
        for row in rows
    ]
    return "\n".join(lines)
