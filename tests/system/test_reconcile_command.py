"""``reconcile`` on a real Kafka: the sum holds whatever is done to the worker, and what does not add up is told by name."""

import asyncio
import gzip
import json
import os
import re
import shlex
from datetime import UTC, datetime, timedelta

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as PlaceOf
from aiokafka.structs import OffsetAndMetadata
from checkout import ROOT
from confluent_kafka import Consumer, TopicPartition
from json_output import json_of
from test_worker_delivery import Scene, _ended, _until

from bridge.kafka.reading_back.noted_offsets import noted_offsets
from bridge.settings import KafkaSettings
from bridge.testing.commands import run_command
from bridge.testing.kafka.admin import admin_client
from bridge.testing.kafka.offsets import end_offsets

pytestmark = pytest.mark.kafka
YESTERDAY = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()


async def _reconciled(scene, *arguments, exit_code=0):
    """The answer of the command, and the sums of its days."""
    env = {**os.environ, **scene.settings, **scene.emulator.environment(), "PYTHONPATH": str(ROOT)}
    arguments = ("reconcile", "--since", YESTERDAY, "--no-aep", "--json", *arguments)
    done = await asyncio.to_thread(run_command, *arguments, env=env)
    assert done.returncode == exit_code, (done.stdout, done.stderr)
    found = json_of(done, exit_code=exit_code)
    total = {
        name: sum(day[name] or 0 for day in found["days"])
        for name in ("received", "in_kafka", "delivered", "open", "duplicates", "replayed", "expired")
    }
    for name in ("dead_letters", "left_out"):
        total[name] = {}
        for day in found["days"]:
            for key, count in day[name].items():
                total[name][key] = total[name].get(key, 0) + count
    return found, total


async def _all_committed(scene):
    done, end = await scene.committed()
    return done == end


def _move_offset(scene, offsets):
    consumer = Consumer({"bootstrap.servers": scene.kafka, "group.id": scene.topic, "enable.auto.commit": False})
    consumer.commit(
        offsets=[TopicPartition(scene.topic, number, offset) for number, offset in offsets.items()], asynchronous=False
    )
    consumer.close()


@pytest.mark.slow(40)
async def test_the_sum_holds_over_kills_duplicates_poison_and_replays(kafka, topic, tmp_path):
    """Killed twice in the middle; events that come twice, alone and in batches, are one; a replayed letter is received once."""
    async with Scene(kafka, topic, tmp_path) as scene:
        await scene.produce(3_000)
        await scene.produce_raw(b"{not json", key=b"poison")
        await scene.produce_raw(None, key=b"tombstone")
        twice = {"event_uuid": "event-7", "event_code": "Test", "uid": "user"}
        await scene.produce_raw(json.dumps(twice).encode(), key=b"again")
        batch = [
            {"event_uuid": "a", "event_code": "Other"},
            {"no": "event"},
            {"event_uuid": "a", "event_code": "Other"},
        ]
        await scene.produce_raw(json.dumps({"app_name": "Luma", "events": batch}).encode(), key=b"batch")
        _, before = await _reconciled(scene)
        assert (before["open"], before["delivered"]) == (3_000 + 1 + 1 + 1, 0), "nobody has begun"
        for accepted in (500, 1_500):
            worker = scene.worker(f"killed-after-{accepted}")
            await _until(lambda n=accepted: scene.sent - len(scene.missing) >= n, 40, "some events accepted")
            worker.kill9()
            _, halfway = await _reconciled(scene)
            assert halfway["delivered"] + halfway["open"] + sum(halfway["dead_letters"].values()) == 3_003
        worker = scene.worker()
        await _until(lambda: _all_committed(scene), 60, "everything committed")
        found, total = await _reconciled(scene)
        assert (total["received"], total["in_kafka"], total["delivered"]) == (3_003, 3_003, 3_001)
        assert (total["dead_letters"], total["open"], total["duplicates"]) == ({"decode": 2}, 0, 2)
        codes = {
            code: part["received"] for day in found["days"] for code, part in day["codes"].items() if part["received"]
        }
        assert codes == {"": 2, "Test": 3_000, "Other": 1}
        replayed = await asyncio.to_thread(scene.command, "deadletters", "replay", "--code", "not_json")
        assert replayed.returncode == 0, (replayed.stdout, replayed.stderr)
        await _until(lambda: _all_committed(scene), 30, "the replayed record is committed")
        _, total = await _reconciled(scene)
        # Killed workers have stored its letter more than once, and each is replayed.
        assert (total["received"], total["dead_letters"]) == (3_003, {"decode": 2})
        assert 1 <= total["replayed"] <= 3
        worker.terminate()
        assert await _ended(worker, 20) == 0


async def _delete(scene, topic, partitions):
    """Delete all that a topic holds, as retention does."""
    reader, client = Consumer({"bootstrap.servers": scene.kafka, "group.id": "deleting"}), admin_client(scene.kafka)
    ends = end_offsets(reader, topic, range(partitions))
    reader.close()
    asked = [TopicPartition(topic, number, end) for number, end in ends.items()]
    for done in client.delete_records(asked).values():
        await asyncio.to_thread(done.result, 20)


async def _to_the_end(scene):
    """Move the offsets to the end, and leave the notes beside them as they are."""
    consumer = AIOKafkaConsumer(bootstrap_servers=scene.kafka, group_id=scene.topic, enable_auto_commit=False)
    await consumer.start()
    places = [PlaceOf(scene.topic, number) for number in range(4)]
    ends = await consumer.end_offsets(places)
    held = await noted_offsets(KafkaSettings(bootstrap_servers=scene.kafka, topic=scene.topic, group=scene.topic))
    consumer.assign(places)
    await consumer.commit({place: OffsetAndMetadata(ends[place], held[place.partition].note) for place in places})
    await consumer.stop()


async def test_events_that_were_passed_over_by_hand_are_an_error_with_their_number(kafka, topic, tmp_path):
    """Somebody sets the group's offsets to the end: the events before them are delivered by nobody, and the sum says how many."""
    async with Scene(kafka, topic, tmp_path) as scene:
        await scene.produce(400)
        worker = scene.worker()
        await _until(lambda: not scene.missing, 40, "all accepted")
        worker.terminate()
        assert await _ended(worker, 20) == 0
        await _reconciled(scene)
        await scene.produce(100)
        await _to_the_end(scene)
        found, total = await _reconciled(scene, exit_code=1)
        assert {one["check"] for one in found["differences"]} == {"kafka"}
        assert sum(one["events"] for one in found["differences"]) == 100
        assert all("aep-bridge replay --since" in one["fix"] for one in found["differences"])
        assert total["received"] == 500


async def test_offsets_that_were_reset_begin_a_new_count(kafka, topic, tmp_path):
    """Kafka's own tool sets them back: what is delivered once more is counted once more from there, and what was before is told."""
    async with Scene(kafka, topic, tmp_path) as scene:
        await scene.produce(400)
        worker = scene.worker()
        await _until(lambda: not scene.missing, 40, "all accepted")
        worker.terminate()
        assert await _ended(worker, 20) == 0
        _move_offset(scene, dict.fromkeys(range(4), 50))
        _, total = await _reconciled(scene, exit_code=1)
        assert total["open"] == 400 - 4 * 50
        again = scene.worker("again")
        await _until(lambda: _all_committed(scene), 40, "everything committed")
        again.terminate()
        assert await _ended(again, 20) == 0
        found, total = await _reconciled(scene, exit_code=1)
        assert (total["received"], total["delivered"], total["open"]) == (400, 400, 0)
        assert sum(one["events"] for one in found["differences"] if one["check"] == "uncounted") == 200
        assert all("by hand" in one["what"] for one in found["differences"])


async def test_what_retention_took_is_told_and_the_rest_counted(kafka, topic, tmp_path):
    """Records that were delivered are deleted: the worker's counts stand for them. Undelivered ones are expired."""
    async with Scene(kafka, topic, tmp_path) as scene:
        await scene.produce(400)
        worker = scene.worker()
        await _until(lambda: not scene.missing, 40, "all accepted")
        worker.terminate()
        assert await _ended(worker, 20) == 0
        await scene.produce(100)
        await _delete(scene, scene.topic, 4)
        again = scene.worker("again")
        await scene.produce(20)
        await _until(lambda: _all_committed(scene), 40, "everything committed")
        again.terminate()
        assert await _ended(again, 20) == 0
        found, total = await _reconciled(scene)
        assert (total["delivered"], total["expired"]) == (420, 100)
        assert any(not day["distinct"] for day in found["days"])
        assert "deleted by retention before they were delivered" in " ".join(found["notes"])


async def test_dead_letters_that_are_gone_are_an_error(kafka, topic, tmp_path):
    """The worker has stored them, and their topic has forgotten them."""
    async with Scene(kafka, topic, tmp_path) as scene:
        await scene.produce(10)
        for number in range(5):
            await scene.produce_raw(b"{not json", key=b"%d" % number)
        worker = scene.worker()
        await _until(lambda: _all_committed(scene), 40, "everything committed")
        worker.terminate()
        assert await _ended(worker, 20) == 0
        await _reconciled(scene)
        await _delete(scene, scene.dead, 2)
        found, _ = await _reconciled(scene, exit_code=1)
        assert {one["check"] for one in found["differences"]} == {"letters"}
        assert all("retention.ms" in one["fix"] for one in found["differences"])


async def test_export_files_are_held_against_what_came(kafka, topic, tmp_path):
    """Events of the files that never came are an error, and the way to bring them in is named."""
    async with Scene(kafka, topic, tmp_path) as scene:
        await scene.produce(10)
        lines = [json.dumps({"event": {"event_uuid": f"event-{number}", "event_code": "Test"}}) for number in range(12)]
        (tmp_path / "export.jsonl").write_text("\n".join([*lines, "not json"]), encoding="utf-8")
        found, _ = await _reconciled(scene, "--export", str(tmp_path / "export.jsonl"), exit_code=1)
        assert sum(day["exported"] for day in found["days"]) == 10
        (difference,) = found["differences"]
        assert (difference["check"], difference["events"]) == ("export", 2)
        assert "aep-bridge backfill" in difference["fix"]


def _commands_of_the_page():
    page = (ROOT / "docs/reconciliation.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    return [shlex.split(line, comments=True) for block in blocks for line in block.splitlines()]


async def test_every_command_of_the_page_does_what_it_says(kafka, topic, tmp_path):
    """As they stand there, in a directory with the export file; the table names the columns that the page explains."""
    async with Scene(kafka, topic, tmp_path) as scene:
        await scene.produce(50)
        worker = scene.worker()
        await _until(lambda: _all_committed(scene), 60, "everything committed")
        worker.terminate()
        assert await _ended(worker, 20) == 0
        lines = [json.dumps({"event": {"event_uuid": f"event-{number}", "event_code": "Test"}}) for number in range(50)]
        (tmp_path / "export-2026-11-25.json.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
        env = {**os.environ, **scene.settings, **scene.emulator.environment(), "PYTHONPATH": str(ROOT)}
        commands = _commands_of_the_page()
        assert len(commands) == 4
        shown = []
        for program, *arguments in commands:
            assert program == "aep-bridge"
            done = await asyncio.to_thread(run_command, *arguments, env=env, cwd=tmp_path)
            assert done.returncode == 0, (arguments, done.stdout, done.stderr)
            shown.append(done.stdout)
        page = (ROOT / "docs/reconciliation.md").read_text(encoding="utf-8")
        header = next(line for line in shown[2].splitlines() if "received" in line)
        columns = [cell.strip() for cell in re.split(r"[┃│|]", header) if cell.strip()]
        assert columns[-1] == "in export"
        assert all(column in page for column in columns[1:])
        assert sum(day["delivered"] for day in json.loads(shown[3])["days"]) == 50
