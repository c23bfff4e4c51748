"""An event that hangs whoever maps it, on a real Kafka: every worker dies of it, the next ones find it, and everything else flows."""

import os
import signal
import time
from pathlib import Path

import orjson
import pytest
from checkout import ROOT
from confluent_kafka import Producer

from bridge.testing.numbered_events import by_id, event
from bridge.testing.processes import eventually
from bridge.testing.rig import Rig

pytestmark = pytest.mark.kafka
_HANGING = "hangs for good"


@pytest.fixture
def rig(kafka, topic, tmp_path):
    """Two partitions, and workers that an event of a certain name holds for good, for two seconds at most."""
    settings = {
        "BRIDGE_KAFKA__STATE_TOPIC": topic("state", partitions=1),
        "BRIDGE_WORKER__HANG_SECONDS": "2",
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1] / "data" / "hanging"), str(ROOT)]),
        "HANGING_EVENT_NAME": _HANGING,
    }
    with Rig(kafka, topic, tmp_path, partitions=2, **settings) as rig:
        yield rig


def _hanging(number):
    return event(number) | {"event_name": _HANGING}


def _letters(rig):
    """Stage, code and event of the dead letters; one may be stored twice, as its offset is committed only later."""
    return {
        (letter.headers["bridge.stage"], letter.headers["bridge.code"], orjson.loads(letter.value)["event_uuid"])
        for letter in rig.letters()
    }


def _hung(*numbers):
    return {("map", "hung", event(number)["event_uuid"]) for number in numbers}


def _missing(rig, guilty):
    return set(rig.promised) - set(rig.emulator.accepted()) - guilty


@pytest.mark.slow(30)
def test_the_event_becomes_a_dead_letter_and_all_others_arrive(rig):
    """Two processes under one parent: the event ends several of them, is tried alone and given up; no other event is."""
    rig.produce(range(300))
    group = rig.run("worker", "--processes", "2", name="group").wait_ready(60)
    eventually(lambda: not _missing(rig, set()), within=40, what="the first events have arrived")
    began = time.monotonic()
    guilty = set(by_id(_hanging(1_000)))
    rig.produce(range(300, 500))
    rig.produce_raw(orjson.dumps(_hanging(1_000)))
    rig.produce(range(500, 800))
    eventually(rig.letters, within=120, what="the event is a dead letter", every=1.0)
    eventually(lambda: not _missing(rig, guilty), within=60, what="all others have arrived")
    rig.wait_drained()
    took = time.monotonic() - began
    assert _letters(rig) == _hung(1_000)
    stacks = group.tail(10_000)
    assert stacks.count("Timeout (0:00:02)!") >= 3
    assert "sitecustomize.py" in stacks
    print(f"the event was given up and all was delivered {took:.0f} s after it came")  # noqa: T201 - pytest shows it
    rig.produce(range(800, 900))
    eventually(lambda: not _missing(rig, guilty), within=40, what="work goes on")
    group.terminate()
    assert group.wait(40) == 0
    # Nobody who starts anew is held up by what is remembered.
    rig.produce(range(900, 950))
    rig.worker("next")
    eventually(lambda: not _missing(rig, guilty), within=40, what="the next worker goes on")
    assert _letters(rig) == _hung(1_000)


@pytest.mark.slow(60)
def test_processes_that_each_end_over_their_first_event_are_not_given_up(rig):
    """Each partition begins with such an event: none is at work for a second, yet each has joined, so the route is started again."""
    guilty = set(by_id(_hanging(1_000))) | set(by_id(_hanging(1_001)))
    producer = Producer({"bootstrap.servers": rig.bootstrap, "acks": "all"})
    for partition in range(2):
        producer.produce(rig.topic, orjson.dumps(_hanging(1_000 + partition)), partition=partition)
    assert producer.flush(30) == 0
    rig.produce(range(200))
    group = rig.run("worker", "--processes", "2", name="group")
    eventually(lambda: _letters(rig) == _hung(1_000, 1_001), within=120, what="both events are dead letters", every=1.0)
    eventually(lambda: not _missing(rig, guilty), within=60, what="all others have arrived")
    assert "worker_processes_given_up" not in group.tail(10_000)
    assert _letters(rig) == _hung(1_000, 1_001)


def test_killing_workers_gives_up_no_event(rig):
    """A kill -9, again and again and as soon as a worker has joined, is no event's fault: every one arrives."""
    for turn in range(5):
        rig.produce(range(turn * 200, turn * 200 + 200))
        worker = rig.worker(f"worker-{turn}")
        eventually(
            lambda w=worker: w.metric("bridge_consumed_records_total") > 0 or not w.alive, within=30, what="it maps"
        )
        os.kill(worker.pid, signal.SIGKILL)
    rig.worker("last")
    eventually(lambda: not _missing(rig, set()), within=60, what="everything has arrived")
    rig.wait_drained()
    assert rig.letters() == []


def test_without_the_state_topic_work_goes_on_and_says_so(rig):
    """A missing state topic is told in the log and as a metric, and costs nobody an event."""
    rig.produce(range(200))
    worker = rig.worker(BRIDGE_KAFKA__STATE_TOPIC="is-not-there")
    eventually(lambda: not _missing(rig, set()), within=40, what="everything has arrived")
    assert worker.metric("bridge_restart_memory") == 0
    told = worker.wait_logged("restart_memory_unavailable")
    assert told[0]["why"] == "no such topic: is-not-there"
    assert "kafka-topics.sh" in told[0]["hint"]
