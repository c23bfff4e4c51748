"""The number of tasks is told as it is at the moment of the question."""

from __future__ import annotations

import asyncio
import re

import httpx

from bridge.settings import TelemetrySettings
from bridge.telemetry.health import Health, TelemetryServer
from bridge.telemetry.metrics import Metrics


async def test_tasks_are_counted_when_they_are_asked_for():
    """Five tasks more are five more, and gone when they have ended."""
    async with TelemetryServer(TelemetrySettings(port=0), Metrics(), Health()) as server, httpx.AsyncClient() as client:

        async def tasks():
            told = await client.get(f"http://127.0.0.1:{server.port}/metrics")
            return int(float(re.search(r'^bridge_asyncio_tasks{route="default"} (\S+)$', told.text, re.MULTILINE)[1]))

        await tasks()  # the connection has a task of its own
        before = await tasks()
        five = [asyncio.create_task(asyncio.sleep(60)) for _ in range(5)]
        assert await tasks() == before + 5
        for task in five:
            task.cancel()
        await asyncio.gather(*five, return_exceptions=True)
        assert await tasks() == before
