"""``replay`` on a real Kafka: what was delivered is delivered once more, also when the command is killed in the middle."""

import asyncio
import json
import os
import time
from datetime import UTC, datetime, timedelta

import pytest
from aiokafka import AIOKafkaProducer
from checkout import ROOT
from confluent_kafka import Consumer, TopicPartition
from json_output import json_of
from test_worker_delivery import Scene, _ended, _until

from bridge.kafka.replaying.range_marks import is_copy
from bridge.testing.commands import run_command
from bridge.testing.kafka.admin import admin_client
from bridge.testing.kafka.offsets import end_offsets
from bridge.testing.processes import BridgeProcess

pytestmark = pytest.mark.kafka
_EVENTS = 400


async def _replayed(scene, *arguments, exit_code=0, as_json=True):
    """What the command prints."""
    return await _run(scene.settings | scene.emulator.environment(), *arguments, exit_code=exit_code, as_json=as_json)


async def _run(settings, *arguments, exit_code=0, as_json=True):
    env = {**os.environ, **settings, "PYTHONPATH": str(ROOT)}
    done = await asyncio.to_thread(run_command, "replay", *arguments, *(["--json"] if as_json else []), env=env)
    assert done.returncode == exit_code, (done.stdout, done.stderr)
    return json_of(done, exit_code=exit_code) if done.stdout.startswith("{") else None, done.stderr


async def _all_committed(scene):
    done, end = await scene.committed()
    return done == end


def _records(scene):
    return _all_records(scene.kafka, scene.topic)


def _all_records(kafka, topic):
    """Everything in the topic, by partition."""
    reader = Consumer({"bootstrap.servers": kafka, "group.id": "reading", "enable.auto.commit": False})
    places = [TopicPartition(topic, number, 0) for number in range(4)]
    left = sum(end_offsets(reader, topic, range(4)).values())
    reader.assign(places)
    found = {number: [] for number in range(4)}
    deadline = time.monotonic() + 30
    while left and time.monotonic() < deadline:
        for record in reader.consume(500, timeout=1):
            left -= 1
            found[record.partition()].append(record)
    reader.close()
    assert not left
    return found


async def test_what_was_delivered_is_delivered_once_more_and_the_sum_holds(kafka, topic, tmp_path):
    """Counted first, then sent in order, and not twice; what waits is left; a refused record stays; ``reconcile`` counts copies apart."""
    async with Scene(kafka, topic, tmp_path) as scene:
        await scene.produce(_EVENTS)
        await scene.produce_raw(b"{not json", key=b"poison")
        found, told = await _replayed(scene, "--since", "1h", "--dry-run")
        assert (found["records"], found["waiting"]) == (0, _EVENTS + 1), "nobody has delivered anything"
        worker = scene.worker()
        await _until(lambda: _all_committed(scene), 60, "everything committed")
        found, _ = await _replayed(scene, "--since", "1h", "--dry-run")
        assert [(row["event_code"], row["count"]) for row in found["by_code"]] == [("Test", _EVENTS)]
        assert (found["waiting"], found["left"]) == (0, {"dead letters": 1})
        _, told = await _replayed(scene, "--since", "1h", exit_code=1)
        assert "nothing is sent without confirmation" in told
        assert not scene.duplicates
        found, told = await _replayed(scene, "--since", "1h", "--yes")
        assert (found["sent"], found["complete"]) == (_EVENTS, True)
        await _until(lambda: _all_committed(scene), 60, "the copies are committed")
        assert scene.duplicates == _EVENTS
        for records in (await asyncio.to_thread(_records, scene)).values():
            values = [record.value() for record in records if record.value() != b"{not json"]
            assert values[: len(values) // 2] == values[len(values) // 2 :], "the copies come in the same order"
        again = ("--since", found["since"], "--until", found["until"], "--yes")
        found, _ = await _replayed(scene, *again)
        assert (found["sent"], found["sent_before"]) == (0, _EVENTS)
        found, _ = await _replayed(scene, "--since", "1h", "--dry-run")
        assert found["left"] == {"dead letters": 1, "written by an earlier replay": _EVENTS}
        days = (await scene.told("reconcile", "--no-aep", "--json"))["days"]
        sums = {
            name: sum(day[name] or 0 for day in days) for name in ("received", "delivered", "duplicates", "replayed")
        }
        assert sums == {"received": _EVENTS + 1, "delivered": _EVENTS, "duplicates": 0, "replayed": _EVENTS}
        worker.terminate()
        assert await _ended(worker, 20) == 0


async def test_killed_in_the_middle_the_same_command_goes_on(kafka, topic, tmp_path):
    """Another one of the same range is refused, and names the one that goes on; every event is there once more, few twice."""
    async with Scene(kafka, topic, tmp_path) as scene:
        await scene.produce(_EVENTS)
        worker = scene.worker()
        await _until(lambda: _all_committed(scene), 60, "everything committed")
        command = BridgeProcess(
            ["replay", "--since", "1h", "--yes", "--events-per-second", "50"],
            scene.settings | scene.emulator.environment(),
            directory=scene.folder,
            name="replay",
        ).start()
        scene.workers.append(command)
        await _until(lambda: scene.duplicates >= 100, 60, "some sent once more")
        command.kill9()
        _, told = await _replayed(scene, "--since", "1h", "--yes", exit_code=1)
        assert "is not at its end" in told
        goes_on = told.split("aep-bridge replay ")[1].split(";")[0].split()
        found, _ = await _replayed(scene, *goes_on, "--limit", "10", "--yes")
        assert (found["sent"], found["complete"]) == (10, False)
        assert found["sent_before"] >= 50
        found, _ = await _replayed(scene, *goes_on, "--yes")
        assert found["complete"]
        # A page of fifty, sent and not marked, is sent again.
        assert _EVENTS - 50 <= found["sent"] + found["sent_before"] <= _EVENTS
        await _until(lambda: _all_committed(scene), 60, "the copies are committed")
        copies = {}
        for records in (await asyncio.to_thread(_records, scene)).values():
            for record in records:
                headers = dict(record.headers() or ())
                if is_copy(headers.items()):
                    copies[headers["bridge.replayed_from"]] = copies.get(headers["bridge.replayed_from"], 0) + 1
        assert len(copies) == _EVENTS
        assert sum(copies.values()) <= _EVENTS + 50
        worker.terminate()
        assert await _ended(worker, 20) == 0


async def test_what_retention_has_deleted_is_told(kafka, topic, tmp_path):
    """From when on the topic holds its records; the rest is sent. A key alone can be asked for."""
    async with Scene(kafka, topic, tmp_path) as scene:
        await scene.produce(100)
        worker = scene.worker()
        await _until(lambda: _all_committed(scene), 60, "everything committed")
        places = [TopicPartition(scene.topic, number, 1) for number in range(4)]
        client = admin_client(scene.kafka)
        for done in client.delete_records(places).values():
            await asyncio.to_thread(done.result, 20)
        found, told = await _replayed(scene, "--since", "1h", "--dry-run")
        assert found["records"] == 100 - 4
        assert found["held_since"] is not None
        assert "was deleted by retention" in told
        key = (await asyncio.to_thread(_records_left, scene)).decode()
        found, _ = await _replayed(scene, "--since", "1h", "--key", key, "--yes")
        assert found["sent"] >= 1
        assert found["left"]["not asked for"] == 96 - found["sent"]
        worker.terminate()
        assert await _ended(worker, 20) == 0


def _records_left(scene):
    """The key of a record that is still there."""
    reader = Consumer({"bootstrap.servers": scene.kafka, "group.id": "reading", "auto.offset.reset": "earliest"})
    reader.assign([TopicPartition(scene.topic, number, 1) for number in range(4)])
    record = reader.poll(20)
    reader.close()
    return record.key()


async def test_what_cannot_be_meant_is_a_usage_error(kafka, topic, tmp_path):
    """Times that are none, the wrong way round, and a topic that is not there."""
    async with Scene(kafka, topic, tmp_path) as scene:
        for arguments, words in (
            (("--since", "yesterday"), "expected ISO 8601"),
            (("--since", "1h", "--until", "2h"), "is not before"),
            (("--since", "1h", "--key", "k" * 3_001), "longer than 3000"),
        ):
            _, told = await _replayed(scene, *arguments, exit_code=2)
            assert words in " ".join(told.replace("│", " ").split())
        scene.settings["BRIDGE_KAFKA__TOPIC"] = "not-there"
        _, told = await _replayed(scene, "--since", "1h", exit_code=1)
        assert "no such topic: not-there" in told


async def test_of_profiles_only_the_newest_of_each_customer_is_sent(kafka, topic):
    """None of a customer who has changed behind the range or waits there; --all sends every one, events are never left."""
    events, dead = topic(partitions=4), topic("dead", partitions=1)
    settings = {"BRIDGE_KAFKA__BOOTSTRAP_SERVERS": kafka, "BRIDGE_ROUTES__CRM__SOURCE": "adobe"}
    for key, value in (("TOPIC", events), ("DEAD_LETTER_TOPIC", dead), ("GROUP", events)):
        settings[f"BRIDGE_ROUTES__CRM__KAFKA__{key}"] = value

    def profile(customer, city):
        return json.dumps({"identityMap": {"user_id": [{"id": customer}]}, "homeAddress": {"city": city}}).encode()

    happening = json.dumps({"name": "Order placed", "customer": "a", "attributes": {"total": 20}}).encode()
    producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all")
    await producer.start()
    try:
        for customer, value in (
            ("a", profile("a", "Rome")),
            ("a", happening),
            ("b", profile("b", "Oslo")),
            ("c", profile("c", "Bern")),
            ("a", profile("a", "Lima")),
        ):
            await producer.send_and_wait(events, value, key=customer.encode())
        until = datetime.now(UTC) + timedelta(milliseconds=5)
        await asyncio.sleep(0.05)
        await producer.send_and_wait(events, profile("b", "Kyiv"), key=b"b")
        group = Consumer({"bootstrap.servers": kafka, "group.id": events, "enable.auto.commit": False})
        group.commit(
            offsets=[
                TopicPartition(events, number, end) for number, end in end_offsets(group, events, range(4)).items()
            ],
            asynchronous=False,
        )
        group.close()
        await producer.send_and_wait(events, profile("c", "Wien"), key=b"c")
    finally:
        await producer.stop()
    found, _ = await _run(settings, "--since", "1h", "--until", until.isoformat(), "--dry-run")
    assert {row["event_code"]: row["count"] for row in found["by_code"]} == {"Order placed": 1, "profile": 1}
    assert found["left"] == {"replaced by a newer record of the customer": 3}
    assert found["waiting"] == 0
    found, _ = await _run(settings, "--since", "1h", "--until", until.isoformat(), "--yes")
    assert (found["sent"], found["route"]) == (2, "crm")
    copies = [record.value() for record in await asyncio.to_thread(_copies, kafka, events) if record.key() == b"a"]
    assert copies == [happening, profile("a", "Lima")]
    found, _ = await _run(settings, "--since", "1h", "--all", "--dry-run")
    assert (found["records"], found["waiting"]) == (6, 3), "the copies and the last profile are not delivered"


def _copies(kafka, topic):
    return [
        record
        for records in _all_records(kafka, topic).values()
        for record in records
        if is_copy(record.headers() or ())
    ]
