"""What stands still is told by a real worker on a real Kafka: an event that AEP postpones for ever, and hours of throttling in short."""

import json
import time

import orjson
import pytest
from confluent_kafka import Producer

from bridge.testing.numbered_events import by_id, event
from bridge.testing.processes import eventually, get, logged_at
from bridge.testing.rig import Rig

pytestmark = pytest.mark.kafka


def _unready(worker):
    status, body = get(worker.url + "/health/ready")
    return {} if status == 200 else json.loads(body).get("reasons", {})


def _put(producer, rig, numbers, partition):
    for number in numbers:
        producer.produce(rig.topic, value=orjson.dumps(event(number)), partition=partition)
    assert producer.flush(20) == 0


@pytest.mark.slow(60)
@pytest.mark.parametrize("status", [503, 401])
def test_an_event_that_aep_postpones_for_ever_is_named_while_others_flow(kafka, topic, tmp_path, status):
    """Ready no more within twenty seconds, place and answer in reason and log, the age grows, no restart; then set aside by the setting."""
    settings = {"BRIDGE_WORKER__MAX_IN_FLIGHT_EVENTS": "500", "BRIDGE_WORKER__STALL_SECONDS": "12"}
    with Rig(kafka, topic, tmp_path, partitions=2, **settings) as rig:
        worker = rig.worker()
        (postponed,) = by_id(event(5))
        rig.emulator.control(item_failures={"ids": [postponed], "status": status, "message": "busy asha@example.com"})
        producer, number, began, put_at = Producer({"bootstrap.servers": kafka}), 100, time.monotonic(), time.time()
        _put(producer, rig, [5], 0)
        while time.monotonic() - began < 30:
            for partition in (0, 1):
                _put(producer, rig, range(number, number + 10), partition)
                number += 10
            time.sleep(0.4)
        told = _unready(worker)
        assert list(told) == ["postponed"]
        assert f"{rig.topic}[0] offset 0: AEP answered {status} for " in told["postponed"]
        ages = {key: value for key, value in worker.metrics().items() if key.startswith("bridge_oldest_open_seconds")}
        assert 25 < ages['bridge_oldest_open_seconds{partition="0"}'] < 60
        assert ages['bridge_oldest_open_seconds{partition="1"}'] < 5
        assert worker.alive, "STALL_SECONDS have passed twice over"
        [line] = [line for line in worker.log_lines() if line["event"] == "events_postponed"]
        assert (line["topic"], line["partition"], line["offset"]) == (rig.topic, 0, 0)
        # The line is written when readiness changes; a probe of a busy machine comes later.
        assert logged_at(line) - put_at < 22
        assert status == 401 or "example.com" not in worker.tail(10_000), "what AEP says of an event may quote it"
        assert worker.stop(grace=40) == 1, "it says that something is left"
        rig.worker("next", BRIDGE_AEP__POSTPONED_TRIES="5")

        def flowing():
            nonlocal number
            _put(producer, rig, range(number, number + 5), 1)
            number += 5
            return rig.letters()

        [letter] = eventually(flowing, within=60, what="it is set aside", every=0.3)
        assert letter.headers["bridge.code"] == "postponed_repeatedly"
        assert f"AEP answered {status}" in letter.headers["bridge.reason"]
        rig.wait_drained()


@pytest.mark.slow(75)
def test_throttling_for_more_than_a_minute_is_a_state_of_its_own(kafka, topic, tmp_path):
    """429 without a time: after a minute unready with since and next try, gauge and one warning; back within three seconds of its end."""
    with Rig(kafka, topic, tmp_path, partitions=2) as rig:
        worker = rig.worker()
        rig.produce(range(20))
        rig.wait_drained()
        # The minute begins with the first answer, perhaps before the last event is written.
        began = time.monotonic()
        rig.emulator.control(fail={"status": 429})
        rig.produce(range(100, 1_100))
        told = eventually(lambda: _unready(worker).get("destination"), within=75, what="it is told")
        assert time.monotonic() - began > 55
        assert told.startswith("throttled since ")
        assert "the destination answers 429" in told
        assert worker.metric("bridge_throttled") == 1
        assert worker.metric("bridge_circuit_open") == 0
        rig.emulator.control(clear_faults=True)
        ended = time.time()
        (line,) = worker.wait_logged("destination_throttles_no_more")
        assert logged_at(line) - ended < 3.5
        assert len(rig.emulator.accepted()) > 20, "delivery goes on"
        rig.wait_drained()
        eventually(lambda: not _unready(worker), within=15, what="ready again")
        lines = [line["event"] for line in worker.log_lines()]
        assert lines.count("destination_throttles") == lines.count("destination_throttles_no_more") == 1
        assert worker.metric("bridge_throttled") == 0
        assert not [line for line in worker.log_lines() if line["level"] == "error"]
