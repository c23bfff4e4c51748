"""A worker and a batch whose length or version is damaged on the broker's disk."""

from __future__ import annotations

import json
import struct

import orjson
import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, Producer, TopicPartition

from bridge.testing.kafka.admin import admin_client
from bridge.testing.numbered_events import by_id, event
from bridge.testing.processes import eventually, get
from bridge.testing.rig import Rig

pytestmark = pytest.mark.kafka


def _ids(*numbers):
    return {next(iter(by_id(event(number)))) for number in numbers}


def _reading(worker):
    """What readiness says of reading; nothing where it does not answer in time."""
    status, body = get(worker.url + "/health/ready")
    return json.loads(body).get("reasons", {}).get("reading", "") if status else ""


def _write(rig, first, count):
    producer = Producer({"bootstrap.servers": rig.bootstrap, "acks": "all", "linger.ms": 200})
    for number in range(first, first + count):
        document = event(number)
        producer.produce(rig.topic, value=orjson.dumps(document), key=document["uid"], partition=0)
    assert producer.flush(20) == 0


def _damage(data, topic, offset, at, value):
    """Change bytes in the head of the batch with this first offset."""
    (segment,) = (data / f"{topic}-0").glob("*.log")
    raw, begin = segment.read_bytes(), 0
    while struct.unpack_from(">q", raw, begin)[0] != offset:
        begin += 12 + struct.unpack_from(">i", raw, begin + 8)[0]
    with segment.open("r+b") as log:
        log.seek(begin + at)
        log.write(value)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param((8, struct.pack(">i", 700)), id="shorter"),
        pytest.param((8, struct.pack(">i", 2**31 - 1)), id="longer than the log"),
        pytest.param((8, struct.pack(">i", 3)), id="shorter than a batch can be"),
        pytest.param((16, b"\x07"), id="another version"),
    ],
)
def test_a_batch_with_a_damaged_head_is_read_by_its_checksum(kafka_broker, kafka, topic, tmp_path, damage):
    """Every event arrives once, of the batch and of those behind it, which the broker does not find by itself; no letter is made."""
    with Rig(kafka, topic, tmp_path, partitions=1, BRIDGE_WORKER__UNREADABLE="set_aside") as rig:
        for first in range(0, 50, 10):
            _write(rig, first, 10)
        _damage(kafka_broker.directory / "data", rig.topic, 20, *damage)
        worker = rig.run("worker", name="worker")
        wanted = _ids(*range(50))
        eventually(lambda: set(rig.emulator.accepted()) == wanted, within=75, what="all events")
        rig.wait_drained()
        assert not rig.letters()
        assert {times for times, _ in rig.emulator.accepted().values()} == {1}
        if damage[0] == 8:
            (told,) = [line for line in worker.log_lines() if line["event"] == "batch_mended"]
            assert (told["first"], told["last"]) == (20, 49)
        assert not [name for name, value in worker.metrics().items() if name.startswith("bridge_expired") and value]
        eventually(lambda: get(worker.url + "/health/ready")[0] == 200, within=20, what="ready")
        assert worker.stop(grace=30) == 0


def test_what_has_no_end_that_can_be_proved_is_held_until_it_is_given_up(kafka_broker, kafka, topic, tmp_path):
    """Length and checksum are damaged: told with its place, nothing passed; once the group is moved behind it the rest arrives."""
    with Rig(kafka, topic, tmp_path, partitions=1, BRIDGE_WORKER__UNREADABLE="set_aside") as rig:
        for first in range(0, 50, 10):
            _write(rig, first, 10)
        _damage(kafka_broker.directory / "data", rig.topic, 20, 8, struct.pack(">i", 2**31 - 1))
        _damage(kafka_broker.directory / "data", rig.topic, 20, 17, b"\0\0\0\0")
        worker = rig.worker()
        place = f"topic {rig.topic} partition 0 cannot be read at offset 20"
        eventually(lambda: place in _reading(worker), within=60, what="the place is told")
        # What lies before the place may still be on its way when it is told.
        eventually(lambda: len(rig.emulator.accepted()) >= 20, within=30, what="what lies before it")
        assert set(rig.emulator.accepted()) == _ids(*range(20))
        assert worker.metrics()['bridge_unreadable_partitions{partition="0"}'] == 1
        assert worker.stop(grace=30) == 0
        moved = ConsumerGroupTopicPartitions(rig.group, [TopicPartition(rig.topic, 0, 40)])
        admin = admin_client(kafka)
        for done in admin.alter_consumer_group_offsets([moved]).values():
            done.result(20)
        worker = rig.worker("next")
        wanted = _ids(*range(20), *range(40, 50))
        eventually(lambda: set(rig.emulator.accepted()) == wanted, within=30, what="what lies behind it")
        assert not rig.letters()
        eventually(lambda: get(worker.url + "/health/ready")[0] == 200, within=20, what="ready")
        assert worker.stop(grace=30) == 0
