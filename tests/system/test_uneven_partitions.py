"""A backlog in one partition is worked off without waiting for the partitions that have nothing."""

import time

import orjson
import pytest
from confluent_kafka import Producer

from bridge.testing.numbered_events import by_id, event
from bridge.testing.rig import Rig

pytestmark = [pytest.mark.kafka, pytest.mark.serial]
_EVENTS = 6_000


def _backlog(rig):
    """All of it in one of six partitions: several fetches' worth."""
    producer = Producer({"bootstrap.servers": rig.bootstrap, "linger.ms": 5, "acks": "all"})
    for number in range(_EVENTS):
        document = event(number)
        producer.produce(rig.topic, value=orjson.dumps(document), partition=0)
        producer.poll(0)
        found = by_id(document)
        rig.sent |= found
        rig.promised |= set(found)
    assert producer.flush(30) == 0


def test_empty_partitions_do_not_hold_up_the_one_with_a_backlog(kafka, topic, tmp_path):
    """What is fetched takes longer than the client's tenth of a second: a fetch for the others must not keep the broker busy."""
    settings = {
        "BRIDGE_WORKER__MAX_IN_FLIGHT_EVENTS": "600",
        "BRIDGE_AEP__BATCH_EVENTS": "100",
        "BRIDGE_AEP__EVENTS_PER_SECOND": "0",
    }
    with Rig(kafka, topic, tmp_path, **settings) as rig:
        rig.emulator.control(latency_seconds=0.05)
        _backlog(rig)
        rig.worker()
        # From the answer to the first look that saw a number to the question of the last: what this process sleeps through
        # or an answer takes is no standstill.
        seen, since, longest = 0, time.monotonic(), 0.0
        deadline = time.monotonic() + 60
        while seen < _EVENTS:
            assert time.monotonic() < deadline, f"{seen} of {_EVENTS}"
            asked = time.monotonic()
            events = rig.emulator.received()["events"]
            if events > seen:
                seen, since = events, time.monotonic()
            elif seen:
                longest = max(longest, asked - since)
            time.sleep(0.02)
        assert longest < 1.0
        rig.wait_drained()
        rig.account()
