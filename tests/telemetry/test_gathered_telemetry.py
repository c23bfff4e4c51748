"""Several processes behind one telemetry port: metrics told apart by a label, health of all of them."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bridge.settings import TelemetrySettings
from bridge.telemetry.gathering import GatheringServer, ProcessName, merged
from bridge.telemetry.health import Health, TelemetryServer
from bridge.telemetry.metrics import GroupMetrics, Metrics
from bridge.telemetry.report import Report


class _Group:
    """Two processes, as servers of this one, and the server before them."""

    def __init__(self) -> None:
        self.metrics = [Metrics(), Metrics()]
        self.healths = [Health(), Health()]
        self.own, self.health = GroupMetrics(), Health()
        self.addresses: dict[ProcessName, str] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self):
        self.servers = []
        for number, (metrics, health) in enumerate(zip(self.metrics, self.healths, strict=True)):
            told = Report("worker", joined=bool(number), partitions=number or None, lag_known=True)
            server = TelemetryServer(TelemetrySettings(port=0), metrics, health, lambda told=told: told)
            self.servers.append(await self._stack.enter_async_context(server))
            self.addresses[ProcessName(number)] = f"http://127.0.0.1:{server.port}"
        self.server = GatheringServer(TelemetrySettings(port=0), self.own, self.health, lambda: self.addresses)
        await self._stack.enter_async_context(self.server)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    async def get(self, path: str) -> tuple[int, str]:
        """Status and text of the group's answer."""
        url = f"http://127.0.0.1:{self.server.port}{path}"
        async with aiohttp.ClientSession() as client, client.get(url) as answer:
            return answer.status, await answer.text()


def _samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_metrics_of_all_are_one_text() -> None:
    """Every sample of every process is there under its name with a label `process`; each family stands there once."""
    async with _Group() as group:
        group.metrics[0].delivered_events.inc(3)
        group.metrics[1].delivered_events.inc(4)
        group.metrics[1].kafka_lag.labels("events", "5").set(7)
        group.metrics[0].delivery_seconds.observe(0.02)
        group.own.process_up.labels("default", "0").set(1)
        status, text = await group.get("/metrics")
    assert status == 200
    found = _samples(text)
    assert found["bridge_delivered_events_total", (("process", "0"), ("route", "default"))] == 3
    assert found["bridge_delivered_events_total", (("process", "1"), ("route", "default"))] == 4
    assert (
        found["bridge_kafka_lag", (("partition", "5"), ("process", "1"), ("route", "default"), ("topic", "events"))]
        == 7
    )
    assert found["bridge_delivery_seconds_bucket", (("le", "0.025"), ("process", "0"), ("route", "default"))] == 1
    assert found["bridge_delivery_seconds_count", (("process", "1"), ("route", "default"))] == 0
    assert found["bridge_worker_process_up", (("process", "0"), ("route", "default"))] == 1
    types = [line for line in text.splitlines() if line.startswith("# TYPE ")]
    assert len(types) == len(set(types))


def test_merging_loses_no_sample() -> None:
    """What one process tells alone and what it tells in a group differ by the label only."""
    metrics = Metrics()
    metrics.dead_letters.labels("map", 'odd"code\\').inc(2)
    metrics.mapping_warnings.labels("7").inc()
    metrics.topic_retention_seconds.set(60)  # not a number as long as it is unknown, and that equals nothing
    metrics.event_age_seconds.set(1)
    from prometheus_client import generate_latest

    alone = generate_latest(metrics.registry).decode()
    found = _samples(merged({ProcessName(3): alone}).decode())
    assert found == {
        (name, tuple(sorted([*labels, ("process", "3")]))): value for (name, labels), value in _samples(alone).items()
    }
    assert merged({}) == b""


async def test_health_is_that_of_all() -> None:
    """Ready when all are; otherwise whose reason it is is said. The parent's own reasons count as well."""
    async with _Group() as group:
        assert await group.get("/health/ready") == (200, '{"status":"ready"}')
        assert await group.get("/health/live") == (200, '{"status":"alive"}')
        group.healths[1].hold("kafka", "not connected yet")
        group.health.hold("process 0", "is starting")
        status, text = await group.get("/health/ready")
        assert status == 503
        assert json.loads(text)["reasons"] == {
            "process 0": "is starting",
            "kafka (process 1)": "not connected yet",
        }
        assert (await group.get("/health/live"))[0] == 200
        group.healths[0].fail("stalled", "no event finished")
        status, text = await group.get("/health/live")
        assert (status, json.loads(text)["reasons"]) == (503, {"stalled (process 0)": "no event finished"})


@pytest.mark.parametrize("known", [True, False])
async def test_one_that_does_not_answer(known) -> None:
    """A process that should answer and does not makes the group unhealthy; one that has ended meanwhile does not. Metrics go on."""
    async with _Group() as group:
        group.metrics[0].delivered_events.inc(3)
        await group.servers[1].__aexit__()
        if not known:
            del group.addresses[ProcessName(1)]
        status, text = await group.get("/health/live")
        assert (status, "process 1" in text) == ((503, True) if known else (200, False))
        status, text = await group.get("/metrics")
        assert status == 200
        assert 'bridge_delivered_events_total{process="0",route="default"} 3.0' in text
        assert 'process="1"' not in text


async def test_what_each_process_tells_of_itself_is_told_by_number() -> None:
    """Status of all processes in one answer; one that does not answer is there as nothing."""
    async with _Group() as group:
        group.addresses[ProcessName(2)] = "http://127.0.0.1:1"
        status, text = await group.get("/status")
    assert status == 200
    found = json.loads(text)["processes"]
    assert {number: each and each["joined"] for number, each in found.items()} == {"0": False, "1": True, "2": None}
    assert found["1"] == {
        "role": "worker",
        "joined": True,
        "partitions": 1,
        "lag_known": True,
        "destination": None,
        "mapping": None,
    }


async def test_a_dead_process_of_one_route_leaves_the_others_alive() -> None:
    """Of several routes one that stands still makes the group unready; only when all do, a restart of the whole is asked for."""
    async with _Group() as group:
        first, second = group.addresses.values()
        group.addresses = {ProcessName(0, "a"): first, ProcessName(0, "b"): second}
        group.healths[0].fail("stalled", "no event finished")
        assert (await group.get("/health/live"))[0] == 200
        status, text = await group.get("/health/ready")
        assert (status, json.loads(text)["reasons"]) == (503, {"stalled (route a, process 0)": "no event finished"})
        group.healths[1].fail("stalled", "no event finished")
        assert (await group.get("/health/live"))[0] == 503
        assert set(json.loads((await group.get("/status"))[1])["processes"]) == {"a/0", "b/0"}


async def test_every_sample_names_its_route() -> None:
    """The label is on each sample of each family, of any kind, and the metrics of two routes stand side by side."""
    async with _Group() as group:
        group.metrics[1] = Metrics("eu")
        group.servers[1]._metrics = group.metrics[1]
        group.metrics[0].delivered_events.inc(3)
        group.metrics[1].delivered_events.inc(4)
        group.own.process_up.labels("eu", "1").set(1)
        _, text = await group.get("/metrics")
    found = _samples(text)
    assert found["bridge_delivered_events_total", (("process", "0"), ("route", "default"))] == 3
    assert found["bridge_delivered_events_total", (("process", "1"), ("route", "eu"))] == 4
    assert all("route" in dict(labels) for _, labels in found)
