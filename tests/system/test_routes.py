"""Several routes in one deployment on a real Kafka: what holds one of them holds no other, and nothing is lost on any."""

from __future__ import annotations

import json
from contextlib import contextmanager

import pytest

from bridge.testing.processes import BridgeProcess, eventually, get
from bridge.testing.rig import RoutesRig

pytestmark = pytest.mark.kafka
NAMES = ("eu", "us", "raw", "broken")
_EVENTS = 300


@contextmanager
def _deployment(kafka, topic, directory):
    """A deployment of four routes, of which one cannot start and one has the wrong secret in its file."""
    secret = directory / "us.secret"
    secret.write_text("not-the-secret")
    routes = {
        "eu": {},
        "us": {"BRIDGE_OAUTH__CLIENT_SECRET": "", "BRIDGE_OAUTH__CLIENT_SECRET_FILE": str(secret)},
        "raw": {"BRIDGE_AEP__PAYLOAD": "raw"},
        "broken": {"BRIDGE_MAPPING__PATH": "no-such-file.csv"},
    }
    with RoutesRig(kafka, topic, directory, routes, BRIDGE_WORKER__DRAIN_SECONDS="5") as rig:
        yield rig, secret


def _ready(process):
    status, body = get(f"{process.url}/health/ready")
    return json.loads(body) if status else {}


def _of(process, metric, route):
    return sum(
        value for name, value in process.metrics().items() if name.startswith(metric) and f'route="{route}"' in name
    )


def test_a_held_route_holds_no_other(kafka, topic, tmp_path):
    """AEP away for one, credentials refused for another, a third that cannot start: the fourth flows, and nothing is lost on any."""
    with _deployment(kafka, topic, tmp_path) as (rig, secret):
        receiver = rig.receiver()
        rig["eu"].emulator.control(fail={"status": 503, "seconds": 600})
        worker = rig.run("worker")
        eventually(
            lambda: all(_of(worker, "bridge_assigned_partitions", name) == 2 for name in ("raw", "eu")),
            # Five interpreters start at once, and that of the broken route again and again.
            within=180,
            what="the routes that can be are at work",
        )
        for name in NAMES:
            rig[name].post_numbers(range(_EVENTS))
        eventually(
            lambda: _of(worker, "bridge_delivered_events_total", "raw") == _EVENTS,
            within=30,
            what="the raw route has delivered all of its events",
        )
        reasons = eventually(
            lambda: (
                "given up" in str(told := _ready(worker).get("reasons", {})) and "credentials" in str(told) and told
            ),
            within=180,
            what="the given-up route and the refused credentials are told",
        )
        assert "mapping" in worker.tail(1_000)
        assert [name for name in reasons if name == "route broken"], reasons
        assert [name for name in reasons if name.startswith("credentials") and "route us" in name], reasons
        assert not [name for name in reasons if "route raw" in name], reasons
        assert get(f"{worker.url}/health/live")[0] == 200
        assert _of(worker, "bridge_worker_process_up", "broken") == 0
        eventually(
            lambda: _of(worker, "bridge_worker_process_up", "raw") == 1, within=10, what="the raw route is told as up"
        )
        assert (
            _of(worker, "bridge_delivered_events_total", "eu")
            == _of(worker, "bridge_delivered_events_total", "us")
            == 0
        )
        # While the two are held the third goes on.
        rig["raw"].post_numbers(range(_EVENTS, 2 * _EVENTS))
        eventually(
            lambda: _of(worker, "bridge_delivered_events_total", "raw") == 2 * _EVENTS, within=30, what="raw flows on"
        )
        eventually(
            lambda: _of(worker, "bridge_kafka_lag", "eu") == _EVENTS,
            within=30,
            what="eu has seen its lag",
        )
        status = rig.run("status", "--url", worker.url, "--json", "--seconds", "0")
        assert status.wait(60) == 1
        told = json.loads(status.log.read_text())["routes"]
        assert told["raw"]["ready"] is True
        assert told["us"]["ready"] is False
        assert sum(told["eu"]["lag"].values()) == _EVENTS
        rig["eu"].emulator.control(clear_faults=True)
        secret.write_text("emulated-secret")
        for name in ("eu", "us"):
            eventually(
                lambda name=name: _of(worker, "bridge_delivered_events_total", name) == _EVENTS,
                within=90,
                what=f"{name} is delivered once its cause is mended",
            )
        worker.terminate()
        assert worker.wait(30) == 0, worker.tail()
        receiver.terminate()
        assert receiver.wait(30) == 0, receiver.tail()
        for name in ("eu", "us", "raw"):
            assert rig[name].account().letters == []


def test_when_no_route_starts_the_command_ends(tmp_path):
    """Every route's mapping set is missing: each is given up, and the command exits 1."""
    (tmp_path / "bridge.toml").write_text(
        "[kafka]\nbootstrap_servers = ['127.0.0.1:9']\n[mapping]\npath = 'no-such-file.csv'\n"
        "[telemetry]\nlog_format = 'json'\n[routes.a]\n[routes.b]\n",
        encoding="utf-8",
    )
    with BridgeProcess(["worker"], {}, directory=tmp_path) as worker:
        assert worker.wait(120) == 1
    given_up = [line["route"] for line in worker.log_lines() if line["event"] == "worker_processes_given_up"]
    assert sorted(given_up) == ["a", "b"]
    assert "route a: " in worker.tail(1_000)
