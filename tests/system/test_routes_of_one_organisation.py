"""Two routes to one organisation under one parent, on a real Kafka: its rate limit and its 429 are for both."""

from __future__ import annotations

import time

import pytest

from bridge.testing.processes import eventually
from bridge.testing.rig import RoutesRig

pytestmark = pytest.mark.kafka
_RATE = 300
_EVENTS = 1_800


def _delivered(worker, route):
    return sum(
        value
        for name, value in worker.metrics().items()
        if name.startswith("bridge_delivered_events_total") and f'route="{route}"' in name
    )


def _seconds_until(worker, route, count):
    began = time.monotonic()
    eventually(lambda: _delivered(worker, route) >= count, within=60, what=f"{route} has delivered {count}")
    return time.monotonic() - began


def test_what_one_leaves_the_other_uses_and_a_429_pauses_both(kafka, topic, tmp_path):
    """Beside a route without events the other has more than its half of the limit; told to wait, neither sends, and nothing is lost."""
    routes = {"eu": {}, "us": {}}
    limits = {"BRIDGE_AEP__EVENTS_PER_SECOND": str(_RATE), "BRIDGE_AEP__BATCH_EVENTS": "20"}
    with RoutesRig(kafka, topic, tmp_path, routes, **limits) as rig:
        receiver = rig.receiver()
        worker = rig.run("worker").wait_ready(60)
        rig["eu"].post_numbers(range(_EVENTS))
        _seconds_until(worker, "eu", 100)
        before = _delivered(worker, "eu")
        seconds = _seconds_until(worker, "eu", before + 4 * _RATE)
        # Half of the limit would take 8 seconds; all of it 4, and no less.
        assert 3.0 < seconds < 6.5
        _seconds_until(worker, "eu", _EVENTS)
        rig["eu"].emulator.control(fail={"status": 429, "retry_after": 6, "count": 1})
        rig["eu"].post_numbers(range(_EVENTS, _EVENTS + 20))
        eventually(
            lambda: rig["eu"].emulator.received()["requests"].get("429", 0) > 0, within=20, what="eu is told to wait"
        )
        rig["us"].post_numbers(range(20))
        assert _seconds_until(worker, "us", 20) > 3.5
        _seconds_until(worker, "eu", _EVENTS + 20)
        worker.terminate()
        assert worker.wait(30) == 0, worker.tail()
        receiver.terminate()
        assert receiver.wait(30) == 0
        for name in routes:
            assert rig[name].account().letters == []
