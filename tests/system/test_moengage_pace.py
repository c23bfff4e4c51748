"""The budget of a workspace against windows of unknown phase, with three real processes of which one has nothing to do."""

from __future__ import annotations

import time

import orjson
import pytest
from confluent_kafka import Producer
from moengage_copy import copying

from bridge.testing.processes import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.slow(190), pytest.mark.timeout(500)]

_PER_MINUTE = 60_000
_SECONDS = 185
"""So long it takes at most until two windows have been full from their beginning to their end."""


def _event(number):
    return {
        "event_name": "x",
        "event_code": "X",
        "event_uuid": f"u-{number}",
        "event_time": 1_790_000_000,
        "event_type": "CAMPAIGN_EVENT",
        "event_source": "MOENGAGE",
        "uid": f"C-{number}",
        "email_id": f"c{number}@example.com",
        "event_attributes": {},
        "user_attributes": {"visits": number},
        "device_attributes": {},
    }


def _fill(kafka, topic, count):
    """So many customers in two of three partitions."""
    producer = Producer({"bootstrap.servers": kafka, "linger.ms": 50, "queue.buffering.max.messages": 1_000_000})
    for number in range(count):
        value = orjson.dumps(_event(number))
        producer.produce(topic, value, key=f"C-{number}", partition=number % 2)
    assert producer.flush(120) == 0


def _delivered(worker):
    """Elements by process."""
    return {name: value for name, value in worker.metrics().items() if name.startswith("bridge_delivered_events_total")}


def test_the_budget_is_used_and_never_broken(kafka, topic, tmp_path):
    """In each full window at least 95 % of 60,000 users arrive, and not one request is refused for their number."""
    settings = {"BRIDGE_MOENGAGE__USERS_PER_MINUTE": str(_PER_MINUTE), "BRIDGE_MOENGAGE__LINGER_SECONDS": "0.5"}
    rows = "source,destination\nuid,customer.customer_id\nuser_attributes.visits,customer.attributes.visits\n"
    with copying(kafka, topic, tmp_path, mapping=rows, **settings) as (rig, route):
        route.emulator.control(limits={"users": _PER_MINUTE}, latency_seconds=0.05)
        _fill(kafka, route.topic, _PER_MINUTE * _SECONDS // 60 + 10_000)
        worker = rig.run("worker", "--processes", "3").wait_ready(90)
        eventually(lambda: route.emulator.received()["customer"] > 0, within=60, what="users arrive")
        time.sleep(10)  # until the group has settled who has which partition
        before = _delivered(worker)

        def two_full():
            found = route.emulator.received()
            return found if len(found["windows"]) >= 4 else None

        summary = eventually(
            two_full, within=_SECONDS - 10, what="two windows are over, and a fourth has begun", every=1
        )
        assert summary["requests"].keys() == {"200"}, summary
        full = [window["users"] for window in summary["windows"][1:-1]]
        assert len(full) >= 2
        assert min(full) >= 0.95 * _PER_MINUTE, summary["windows"]
        assert max(full) <= _PER_MINUTE
        grown = {name: value - before.get(name, 0) for name, value in _delivered(worker).items()}
        told = (
            f"windows {full}, elements a request {summary['elements_per_request']}, processes {sorted(grown.values())}"
        )
        print(told)  # noqa: T201 - the figures of the run
        assert sum(value > 0 for value in grown.values()) == 2
