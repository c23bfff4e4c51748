"""The worker as a process on a real Kafka against the emulator: nothing is lost, whatever is done to it."""

import asyncio
import json
import os
import random
import time
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import TopicPartition
from checkout import ROOT
from json_output import json_of

from bridge.emulators.adobe import Emulator
from bridge.emulators.adobe.inlet import EXAMPLE, Inlet
from bridge.model.dead_letter import DeadLetter
from bridge.testing.commands import run_command
from bridge.testing.kafka.stored_records import stored
from bridge.testing.processes import BridgeProcess, get, logged_at

pytestmark = pytest.mark.kafka
RAW = Inlet(payload="raw", inlet_id=EXAMPLE.inlet_id, org_id=EXAMPLE.org_id, flow_id=EXAMPLE.flow_id)


def _event(number, size=600):
    return {
        "event_uuid": f"event-{number}",
        "event_code": "Test",
        "uid": f"user-{hash(number) % 97}",
        "fill": "x" * size,
    }


class Scene:
    """An emulator, two topics, and workers on them."""

    def __init__(self, kafka, topic, folder, **settings):
        self.kafka, self.folder = kafka, folder
        self.topic, self.dead = topic(partitions=4), topic("dead", partitions=2)
        self.settings = {
            "BRIDGE_KAFKA__BOOTSTRAP_SERVERS": kafka,
            "BRIDGE_KAFKA__TOPIC": self.topic,
            "BRIDGE_KAFKA__DEAD_LETTER_TOPIC": self.dead,
            "BRIDGE_KAFKA__GROUP": self.topic,
            "BRIDGE_KAFKA__SESSION_TIMEOUT_SECONDS": "8",
            "BRIDGE_KAFKA__COMMIT_INTERVAL_SECONDS": "0.5",
            "BRIDGE_AEP__LINGER_SECONDS": "0.1",
            "BRIDGE_AEP__EVENTS_PER_SECOND": "0",
            "BRIDGE_AEP__REQUESTS_PER_SECOND": "0",
            "BRIDGE_AEP__BATCH_EVENTS": "100",
            "BRIDGE_WORKER__DRAIN_SECONDS": "5",
            "BRIDGE_TELEMETRY__LOG_FORMAT": "json",
        } | {f"BRIDGE_{key}": value for key, value in settings.items()}
        self.workers = []
        self.sent = 0

    async def __aenter__(self):
        """Start the emulator."""
        self.emulator = await Emulator(port=0, inlet=RAW, latency_seconds=0.02).start()
        return self

    def command(self, *arguments):
        """Run another command with the same settings to its end."""
        env = {**os.environ, **self.settings, **self.emulator.environment(), "PYTHONPATH": str(ROOT)}
        return run_command(*arguments, env=env)

    async def told(self, *arguments):
        """What a command says as JSON."""
        return json_of(await asyncio.to_thread(self.command, *arguments))

    async def __aexit__(self, *_):
        """Leave nothing behind."""
        for worker in self.workers:
            if worker.alive:
                worker.kill9()
        await self.emulator.stop()

    def worker(self, name="worker"):
        """Start a worker."""
        made = BridgeProcess(
            ["worker"], self.settings | self.emulator.environment(), directory=self.folder, name=name
        ).start()
        self.workers.append(made)
        return made

    async def produce(self, count, *, keyed=True):
        """So many numbered events."""
        async with self._producer() as producer:
            for _ in range(count):
                event = _event(self.sent)
                key = event["uid"].encode() if keyed else None
                await producer.send(self.topic, json.dumps(event).encode(), key=key)
                self.sent += 1

    async def produce_raw(self, value, key=None):
        """One record as it is."""
        async with self._producer() as producer:
            await producer.send_and_wait(self.topic, value, key=key)

    @asynccontextmanager
    async def _producer(self):
        producer = AIOKafkaProducer(bootstrap_servers=self.kafka, acks="all", linger_ms=5)
        await producer.start()
        try:
            yield producer
        finally:
            await producer.stop()

    @property
    def missing(self):
        """Numbers of events that the emulator has not accepted."""
        return [number for number in range(self.sent) if not self.emulator.state.times(f"event-{number}")]

    @property
    def duplicates(self):
        """How often events were accepted more than once."""
        return sum(max(0, self.emulator.state.times(f"event-{n}") - 1) for n in range(self.sent))

    async def committed(self):
        """Sum of the committed offsets, and of the end offsets."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.kafka, group_id=self.topic, enable_auto_commit=False)
        await consumer.start()
        try:
            partitions = [TopicPartition(self.topic, number) for number in range(4)]
            ends = await consumer.end_offsets(partitions)
            return sum([await consumer.committed(p) or 0 for p in partitions]), sum(ends.values())
        finally:
            await consumer.stop()

    async def letters(self):
        """Everything in the dead-letter topic: records and what they say."""
        records = await asyncio.to_thread(stored, self.kafka, self.dead)
        return [(record, DeadLetter.from_headers(record.key, record.value, record.headers)) for record in records]


async def _until(probe, within, what):
    deadline = time.monotonic() + within
    while True:
        # Looked at before the question: who was kept from the processor asks once more before calling it too late.
        is_late = time.monotonic() > deadline
        found = probe()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return
        assert not is_late, f"not within {within} s: {what}"
        await asyncio.sleep(0.1)


async def _ended(worker, within):
    await _until(lambda: not worker.alive, within, "the worker has ended")
    return worker.wait(1)


async def test_the_whole_path_with_poison_and_a_restart_that_repeats_nothing(kafka, topic, tmp_path):
    """Keyed and keyless records, a batch, a tombstone, poison: accepted once or dead-lettered; offsets are committed to the end."""
    async with Scene(kafka, topic, tmp_path) as scene:
        await scene.produce(1_500)
        await scene.produce(500, keyed=False)
        await scene.produce_raw(b"{not json", key=b"poison")
        await scene.produce_raw(None, key=b"tombstone")
        await scene.produce_raw(b"[1, 2]")
        batch = [_event("a"), {"no": "event"}, _event("b")]
        await scene.produce_raw(json.dumps({"app_name": "Luma", "events": batch}).encode(), key=b"batch")
        worker = scene.worker()
        await _until(lambda: not scene.missing, 40, "all events accepted")

        async def all_committed():
            done, end = await scene.committed()
            return done == end

        await _until(all_committed, 15, "everything committed")
        assert scene.emulator.state.times("event-a") == scene.emulator.state.times("event-b") == 1
        letters = {letter.code: (record, letter) for record, letter in await scene.letters()}
        assert set(letters) == {"not_json", "not_an_object", "not_an_event"}
        record, letter = letters["not_json"]
        assert (record.key, record.value) == (b"poison", b"{not json")
        assert (letter.stage, letter.topic) == ("decode", scene.topic)
        assert letter.partition is not None
        assert letter.offset is not None
        assert json.loads(letters["not_an_event"][0].value) == {"app_name": "Luma", "events": [{"no": "event"}]}
        await _until(
            lambda: worker.metric("bridge_kafka_lag") == 0, 15, "the lag is asked once a second, by a busy machine too"
        )
        worker.terminate()
        assert await _ended(worker, 15) == 0
        again = scene.worker("again")
        await _until(lambda: get(again.url + "/health/ready")[0] == 200, 60, "the second has joined")
        await scene.produce(50)
        await _until(lambda: not scene.missing, 20, "new events accepted")
        assert scene.duplicates == 0
        assert again.metric("bridge_consumed_records_total") == 50


async def test_dead_letters_are_listed_shown_and_replayed_once(kafka, topic, tmp_path):
    """What AEP refused is listed with counts, shown, replayed with a loop guard, and a second replay finds nothing left."""
    async with Scene(kafka, topic, tmp_path) as scene:
        scene.emulator.control(item_failures={"every": 10})
        await scene.produce(200)
        worker = scene.worker()
        await _until(lambda: worker.metric("bridge_dead_letters_total") == 20, 40, "20 dead letters")
        scene.emulator.control(clear_faults=True)
        listed = await scene.told("deadletters", "list", "--json")
        assert listed["total"] == 20
        assert listed["counts"][0]["stage"] == "deliver"
        place = f"{listed['letters'][0]['partition']}/{listed['letters'][0]['offset']}"
        shown = await scene.told("deadletters", "show", place)
        assert shown["value"]["event_uuid"] == listed["letters"][0]["event_uuid"]
        assert (await scene.told("deadletters", "replay", "--dry-run", "--json"))["sent"] == 20
        assert (await scene.told("deadletters", "replay", "--code", "nothing", "--json"))["sent"] == 0
        assert (await scene.told("deadletters", "replay", "--max", "5", "--json"))["sent"] == 5
        assert (await scene.told("deadletters", "replay", "--json"))["sent"] == 15
        await _until(lambda: not scene.missing, 20, "the replayed events are accepted")
        assert scene.duplicates == 0
        again = await scene.told("deadletters", "replay", "--json")
        assert (again["sent"], again["already_replayed"]) == (0, 20)
        other = await scene.told("deadletters", "replay", "--since", "2020-01-01T00:00:00Z", "--dry-run", "--json")
        assert (other["sent"], other["already_replayed"]) == (0, 20), "whatever the filter"
        listed = await scene.told("deadletters", "list", "--json")
        assert (listed["total"], listed["open"], listed["replayed"]) == (20, 0, 20)
        anew = await scene.told("deadletters", "replay", "--again", "--dry-run", "--json")
        assert anew["sent"] == 20
        status = await scene.told("status", "--json", "--seconds", "0", "--url", worker.url)
        assert status["total"] == {"delivered": 200, "dead_lettered": 20, "rate_limited_seconds": 0.0}
        missing = await asyncio.to_thread(scene.command, "deadletters", "show", "0/99999")
        assert missing.returncode == 1, missing.stderr


async def test_an_outage_is_waited_out(kafka, topic, tmp_path):
    """AEP answers 503 until that has shown: unready, lag stands, memory bounded, no dead letter; then all arrives once."""
    async with Scene(kafka, topic, tmp_path, WORKER__MAX_IN_FLIGHT_EVENTS="500") as scene:
        scene.emulator.control(fail={"status": 503})
        await scene.produce(3_000)
        worker = scene.worker()
        await _until(lambda: worker.metric("bridge_circuit_open") == 1, 60, "circuit open, its start included")
        await _until(lambda: worker.metric("bridge_kafka_lag") > 2_000, 20, "lag is seen")
        # While everything fails a little more is read, to show whose fault it is.
        assert worker.metric("bridge_in_flight_events") <= 500 + 50
        scene.emulator.control(clear_faults=True)
        await _until(lambda: not scene.missing, 60, "all events accepted after the outage")
        assert scene.duplicates == 0
        assert not await scene.letters()


async def test_sigterm_in_the_middle_loses_and_repeats_nothing(kafka, topic, tmp_path):
    """SIGTERM while events flow: drains, commits, exit 0; the next worker takes up exactly there."""
    async with Scene(kafka, topic, tmp_path, AEP__EVENTS_PER_SECOND="750", WORKER__MAX_IN_FLIGHT_EVENTS="500") as scene:
        await scene.produce(6_000)
        worker = scene.worker()
        await _until(lambda: len(scene.missing) < 5_000, 30, "it has begun")
        worker.terminate()
        assert await _ended(worker, 12) == 0
        assert scene.missing, "the test must stop it before the end"
        done, _ = await scene.committed()
        assert done == scene.sent - len(scene.missing)
        scene.worker("next")
        await _until(lambda: not scene.missing, 40, "the next worker does the rest")
        assert scene.duplicates == 0


async def test_sigterm_during_a_hanging_request_ends_within_the_budget(kafka, topic, tmp_path):
    """Requests hang: the worker leaves within its drain budget, not with 0, and nothing unfinished was committed."""
    async with Scene(kafka, topic, tmp_path) as scene:
        await scene.produce(500)
        worker = scene.worker()
        await _until(lambda: not scene.missing, 30, "the first events")
        scene.emulator.control(hang={"seconds": 60})
        await scene.produce(500)
        await _until(lambda: worker.metric("bridge_delivery_in_flight") >= 1, 20, "a request hangs")
        worker.terminate()
        assert await _ended(worker, 30) == 1
        (began,), (ended,) = worker.wait_logged("draining"), worker.wait_logged("stopped_with_work_left")
        assert logged_at(ended) - logged_at(began) < 5 + 4
        done, _ = await scene.committed()
        assert done <= scene.sent - len(scene.missing)
        scene.emulator.control(clear_faults=True)
        scene.worker("next")
        await _until(lambda: not scene.missing, 40, "nothing is lost")


async def test_a_second_signal_ends_at_once(kafka, topic, tmp_path):
    """Whoever cannot wait signals twice."""
    async with Scene(kafka, topic, tmp_path, WORKER__DRAIN_SECONDS="30") as scene:
        scene.emulator.control(hang={"seconds": 60})
        await scene.produce(100)
        worker = scene.worker()
        await _until(lambda: worker.metric("bridge_delivery_in_flight") >= 1, 30, "a request hangs")
        worker.terminate()
        # The kernel makes one of two signals that nobody has taken yet.
        await asyncio.to_thread(worker.wait_logged, "draining")
        await asyncio.sleep(0.5)
        assert worker.alive
        worker.terminate()
        assert await _ended(worker, 10) != 0, "long before the hanging request or the drain budget"


@pytest.mark.parametrize("seed", [1, 2])
async def test_kill_9_at_random_moments_loses_nothing(kafka, topic, tmp_path, seed):
    """Killed again and again without warning: every event arrives, repeated at most by what was under way."""
    rng = random.Random(seed)
    # The next one waits until the group has missed the last for a whole session.
    async with Scene(kafka, topic, tmp_path, KAFKA__SESSION_TIMEOUT_SECONDS="3") as scene:
        await scene.produce(6_000)
        kills = 0
        while kills < 3:
            worker = scene.worker(f"worker-{kills}")
            before = len(scene.missing)
            await _until(lambda before=before: len(scene.missing) < before or not scene.missing, 40, "it works")
            await asyncio.sleep(rng.random())
            worker.kill9()
            kills += 1
            if not scene.missing:
                await scene.produce(3_000)
        scene.worker("last")
        await _until(lambda: not scene.missing, 60, "nothing is lost")
        # What a kill repeats is what was finished since the last commit or under way, never the whole.
        assert scene.duplicates < kills * 6_000


async def test_workers_come_and_go_while_events_flow(kafka, topic, tmp_path):
    """Two share, a third joins, one is killed, one is told to stop: nothing is lost, and what lives carries on."""
    async with Scene(kafka, topic, tmp_path) as scene:
        first, second = scene.worker("first"), scene.worker("second")
        feeding = asyncio.create_task(_feed(scene, 40, 200))
        await _until(lambda: scene.sent - len(scene.missing) > 500, 40, "they work")
        third = scene.worker("third")
        await asyncio.sleep(4)
        first.kill9()
        await asyncio.sleep(3)
        second.terminate()
        await _ended(second, 15)
        await feeding
        await _until(lambda: not scene.missing, 60, "nothing is lost")
        assert third.alive
        await scene.produce(100)
        await _until(lambda: not scene.missing, 20, "new events flow")
        assert scene.duplicates < scene.sent


async def _feed(scene, rounds, count):
    for _ in range(rounds):
        await scene.produce(count)
        await asyncio.sleep(0.2)
