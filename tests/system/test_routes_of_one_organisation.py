"""Two routes to one organisation under one parent, on a real Kafka: its rate limit and its 429 are for both."""

from __future__ import annotations

import time
from itertools import combinations

import pytest

from bridge.testing.processes import eventually
from bridge.testing.rig import RoutesRig

pytestmark = pytest.mark.kafka
_RATE = 300
_EVENTS = 3_000


def _sum_of(worker, metric, *labels):
    return sum(
        value
        for name, value in worker.metrics().items()
        if name.startswith(metric) and all(label in name for label in labels)
    )


def _delivered(worker, route):
    return _sum_of(worker, "bridge_delivered_events_total", f'route="{route}"')


def _until(worker, route, count):
    eventually(lambda: _delivered(worker, route) >= count, within=60, what=f"{route} has delivered {count}")


def _looks(worker, route, more):
    """When each look was asked for, when answered and what it saw, until so many more are delivered."""
    looks = []

    def enough():
        asked = time.monotonic()
        if seen := _delivered(worker, route):
            looks.append((asked, time.monotonic(), seen))
        return bool(looks) and looks[-1][2] - looks[0][2] >= more

    eventually(enough, within=60, what=f"{route} has delivered {more} more")
    return looks


def test_what_one_leaves_the_other_uses_and_a_429_pauses_both(kafka, topic, tmp_path):
    """Beside a route without events the other has more than its half of the limit; told to wait, neither sends, and nothing is lost."""
    routes = {"eu": {}, "us": {}}
    limits = {"BRIDGE_AEP__EVENTS_PER_SECOND": str(_RATE), "BRIDGE_AEP__BATCH_EVENTS": "20"}
    with RoutesRig(kafka, topic, tmp_path, routes, **limits) as rig:
        receiver = rig.receiver()
        worker = rig.run("worker").wait_ready(60)
        rig["eu"].post_numbers(range(_EVENTS))
        _until(worker, "eu", 100)
        looks = _looks(worker, "eu", 8 * _RATE)
        assert looks[-1][2] - looks[0][2] < _RATE * (looks[-1][1] - looks[0][0] + 1), "not above the limit"
        # Half of the limit never gives more than half; a machine that is busy with others takes from some of the time only.
        assert (
            max(
                (later[2] - earlier[2]) / (later[1] - earlier[0])
                for earlier, later in combinations(looks, 2)
                if later[2] - earlier[2] >= 2 * _RATE
            )
            > 0.7 * _RATE
        )
        _until(worker, "eu", _EVENTS)
        # The pause of six seconds begins later than this.
        began = time.monotonic()
        rig["eu"].emulator.control(fail={"status": 429, "retry_after": 6, "count": 1})
        rig["eu"].post_numbers(range(_EVENTS, _EVENTS + 20))
        eventually(
            lambda: _sum_of(worker, "bridge_delivery_requests_total", 'route="eu"', 'status="429"') > 0,
            within=20,
            what="eu has been told to wait",
        )
        rig["us"].post_numbers(range(20))
        _until(worker, "us", 20)
        assert time.monotonic() - began > 5.9
        _until(worker, "eu", _EVENTS + 20)
        worker.terminate()
        assert worker.wait(30) == 0, worker.tail()
        receiver.terminate()
        assert receiver.wait(30) == 0
        for name in routes:
            assert rig[name].account().letters == []
