"""The receiver while it is abused: good requests get through, memory stays bounded, nothing leaks."""

from __future__ import annotations

import asyncio
import gc
import gzip
import random
import time

import aiohttp
import orjson
import psutil
import pytest
from memory_store import serve

pytestmark = pytest.mark.serial

EVENT = {"event_code": "X", "uid": "user", "event_time": 5}
KEY = {"X-Api-Key": "k"}
AUTH = {"auth": "header", "header_value": "k"}


async def good(served, client, number: int) -> float:
    """One good request; gives how long it took."""
    began = time.monotonic()
    body = orjson.dumps({"app_name": "A", "events": [{**EVENT, "event_uuid": f"u-{number}"}]})
    async with client.post(served.url, data=body, headers=KEY) as answer:
        assert answer.status == 200
    return time.monotonic() - began


async def test_thousands_of_slow_connections() -> None:
    """With 2,000 connections that trickle their request, a good one is answered at once; the slow ones are ended."""
    async with serve(**AUTH, read_timeout_seconds=2) as served, aiohttp.ClientSession() as client:
        head = b"POST /moengage/streams HTTP/1.1\r\nHost: x\r\nX-Api-Key: k\r\nContent-Length: 5000\r\n\r\n{"
        slow = []
        for _ in range(20):
            opened = await asyncio.gather(
                *(asyncio.open_connection("127.0.0.1", served.listener.port) for _ in range(100))
            )
            for _, writer in opened:
                # At once: a connection that says nothing for the time that a head may take is closed without an answer.
                writer.write(head)
            slow += opened
        await asyncio.sleep(0.2)
        assert max([await good(served, client, number) for number in range(20)]) < 1
        answers = await asyncio.gather(*(reader.read() for reader, _ in slow))
        assert {answer[:13] for answer in answers} == {b"HTTP/1.1 408 "}
        for _, writer in slow:
            writer.close()
        assert served.receiver._budget.used == 0


async def test_bombs_garbage_and_wrong_keys_at_once() -> None:
    """Gzip bombs, garbage, deep JSON and wrong keys all at once: the right answers, every good event stored once."""
    seed = random.randrange(2**32)
    dice = random.Random(seed)
    bomb = gzip.compress(b"\0" * 50_000_000)
    deep = b'{"event_code":' + b"[" * 200_000
    hostile = [
        ({"data": bomb, "headers": {**KEY, "Content-Encoding": "gzip"}}, 413),
        ({"data": b"x" * 1_048_000, "headers": KEY}, 413),
        ({"data": deep, "headers": KEY}, 200),
        ({"data": b"\xff\xfe\x00garbage", "headers": KEY}, 200),
        ({"data": bomb, "headers": {**KEY, "Content-Encoding": "br"}}, 200),
        ({"data": b"{}", "headers": {"X-Api-Key": "wrong"}}, 401),
        ({"data": b"{}"}, 401),
    ]
    async with serve(**AUTH, max_body_bytes=900_000) as served, aiohttp.ClientSession() as client:

        async def bad() -> None:
            request, status = dice.choice(hostile)
            async with client.post(served.url, **request) as answer:
                assert answer.status == status, (seed, answer.status, status)

        before = psutil.Process().memory_info().rss
        await asyncio.gather(*(bad() if dice.random() < 0.7 else good(served, client, n) for n in range(600)))
        gc.collect()
        grown = psutil.Process().memory_info().rss - before
        stored = [orjson.loads(value)["event_uuid"] for _, value, _ in served.store.events]
        assert len(stored) == len(set(stored)) == served.count("bridge_received_events_total")
        assert served.receiver._budget.used == 0
        # What the memory store itself keeps of the refused bodies is the larger part.
        assert grown < 150_000_000, (seed, grown)


async def test_connections_leave_nothing_behind() -> None:
    """After thousands of short connections there are as many tasks and descriptors as before."""
    async with serve(**AUTH) as served:

        async def once(number: int) -> None:
            async with aiohttp.ClientSession() as client:
                await good(served, client, number)

        await once(-1)
        await asyncio.sleep(0.1)
        process = psutil.Process()
        before = process.num_fds(), len(asyncio.all_tasks())
        for start in range(0, 1_000, 50):
            await asyncio.gather(*(once(start + number) for number in range(50)))
        # The server's side of a connection ends a moment after the client's.
        deadline = time.monotonic() + 20
        while max(left := (process.num_fds() - before[0], len(asyncio.all_tasks()) - before[1])) > 2:
            assert time.monotonic() < deadline, left
            await asyncio.sleep(0.05)
        assert len(served.store.events) == 1_001
