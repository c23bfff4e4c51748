"""Health and metrics over HTTP."""

from __future__ import annotations

import json

import aiohttp
import pytest

from bridge.model.errors import BridgeError
from bridge.settings import TelemetrySettings
from bridge.telemetry.health import Health, TelemetryServer
from bridge.telemetry.metrics import Metrics
from bridge.telemetry.report import Report


async def get(server: TelemetryServer, path: str):
    """Status, type and text of an answer."""
    async with aiohttp.ClientSession() as client, client.get(f"http://127.0.0.1:{server.port}{path}") as answer:
        return answer.status, answer.headers["Content-Type"], await answer.text()


async def test_health_names_what_stands_in_the_way() -> None:
    """Ready until something is held or a probe finds something, by name; alive until something fails for good."""
    health, trouble = Health(), []
    health.watch("receiver", lambda: trouble[0] if trouble else None)
    async with TelemetryServer(TelemetrySettings(port=0), Metrics(), health) as server:
        assert await get(server, "/health/ready") == (200, "application/json; charset=utf-8", '{"status":"ready"}')
        health.hold("kafka", "no connection")
        trouble.append("refusing")
        status, _, text = await get(server, "/health/ready")
        assert status == 503
        assert text == '{"status":"unready","reasons":{"kafka":"no connection","receiver":"refusing"}}'
        assert (await get(server, "/health/live"))[::2] == (200, '{"status":"alive"}')
        health.release("kafka")
        health.release("kafka")
        trouble.clear()
        assert (await get(server, "/health/ready"))[0] == 200
        health.fail("stall", "nothing resolved")
        assert (await get(server, "/health/live"))[::2] == (
            503,
            '{"status":"dead","reasons":{"stall":"nothing resolved"}}',
        )
        assert (await get(server, "/health/ready"))[0] == 503


async def test_metrics_are_served() -> None:
    """The registry is served in Prometheus' form."""
    metrics = Metrics()
    metrics.received_events.inc(3)
    async with TelemetryServer(TelemetrySettings(port=0), metrics, Health()) as server:
        status, kind, text = await get(server, "/metrics")
    assert status == 200
    assert kind.startswith("text/plain; version=")
    assert 'bridge_received_events_total{route="default"} 3.0' in text


async def test_each_reason_not_to_be_ready_is_a_metric() -> None:
    """An alert can ask for it by name, also where no other figure is known; it is gone with its reason."""
    health, metrics = Health(), Metrics()
    health.watch("brokers", lambda: "the brokers do not answer")
    health.hold("kafka", "no connection")
    async with TelemetryServer(TelemetrySettings(port=0), metrics, health) as server:
        text = (await get(server, "/metrics"))[2]
        assert 'bridge_unready{reason="brokers",route="default"} 1.0' in text
        assert 'bridge_unready{reason="kafka",route="default"} 1.0' in text
        health.release("kafka")
        text = (await get(server, "/metrics"))[2]
        assert 'bridge_unready{reason="brokers",route="default"} 1.0' in text
        assert 'reason="kafka"' not in text


async def test_nothing_is_shown_of_the_age_of_events_before_kafka_is_reached() -> None:
    """Nor by a receiver, which knows none: 0 would say that all is delivered."""
    async with TelemetryServer(TelemetrySettings(port=0), Metrics(), Health()) as server:
        text = (await get(server, "/metrics"))[2]
    assert 'bridge_event_age_seconds{route="default"} NaN' in text


async def test_port_in_use_names_the_setting() -> None:
    """Two processes on one port: the second is told which variable to change, and leaves nothing open."""
    async with TelemetryServer(TelemetrySettings(port=0), Metrics(), Health()) as first:
        with pytest.raises(BridgeError, match=f"cannot listen on 127.0.0.1:{first.port}") as caught:
            async with TelemetryServer(TelemetrySettings(port=first.port), Metrics(), Health()):
                pass
        assert "BRIDGE_TELEMETRY__PORT" in (caught.value.hint or "")


async def test_what_the_process_tells_of_itself_is_served() -> None:
    """As JSON, asked for at each question; nothing where nobody tells."""
    joined = [False]
    async with TelemetryServer(
        TelemetrySettings(port=0), Metrics(), Health(), lambda: Report("worker", joined=joined[0])
    ) as server:
        for joined[0] in (False, True):
            status, kind, text = await get(server, "/status")
            assert (status, kind) == (200, "application/json; charset=utf-8")
            assert json.loads(text)["processes"][""]["joined"] is joined[0]
    async with TelemetryServer(TelemetrySettings(port=0), Metrics(), Health()) as server:
        assert (await get(server, "/status"))[2] == '{"processes":{}}'
