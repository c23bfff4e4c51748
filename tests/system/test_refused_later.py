"""What AEP refuses after its 200, through worker processes on a real Kafka: it comes back as dead letters, once each, and can be replayed."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from confluent_kafka import Producer

from bridge.destinations.aep.envelope import xdm_envelope
from bridge.emulators.adobe import Emulator
from bridge.emulators.adobe.ingestion.dataset_rules import Limits
from bridge.testing.account import letters_of
from bridge.testing.later_refusals import CODE, FIELD, LATER, strict_schema
from bridge.testing.numbered_events import event, uuid_of
from bridge.testing.processes import BridgeProcess, eventually, get

pytestmark = pytest.mark.kafka

_ATTRIBUTES = event(0)["event_attributes"]


class Scene:
    """Topics, an emulated AEP that closes a batch twice a second, and workers that look every second."""

    def __init__(self, kafka: str, topic: Any, folder: Any, emulator: Emulator) -> None:
        self.kafka, self.folder, self.emulator = kafka, folder, emulator
        self.events, self.dead = topic("events", partitions=2), topic("dead", partitions=2)
        self.state = topic("state", partitions=1)
        self.workers: list[BridgeProcess] = []
        self.settings = {
            **emulator.environment(),
            "BRIDGE_KAFKA__BOOTSTRAP_SERVERS": kafka,
            "BRIDGE_KAFKA__TOPIC": self.events,
            "BRIDGE_KAFKA__DEAD_LETTER_TOPIC": self.dead,
            "BRIDGE_KAFKA__STATE_TOPIC": self.state,
            "BRIDGE_KAFKA__GROUP": self.events,
            "BRIDGE_KAFKA__SESSION_TIMEOUT_SECONDS": "6",
            "BRIDGE_KAFKA__COMMIT_INTERVAL_SECONDS": "0.3",
            "BRIDGE_AEP__LINGER_SECONDS": "0.1",
            "BRIDGE_AEP__FAILED_BATCHES_SECONDS": "1",
            "BRIDGE_TELEMETRY__LOG_FORMAT": "json",
        }

    async def worker(self, name: str) -> BridgeProcess:
        """One more worker, ready."""
        made = BridgeProcess(["worker"], self.settings, directory=self.folder, name=name)
        self.workers.append(made)
        await asyncio.to_thread(lambda: made.start().wait_ready())
        return made

    def put(self, *numbers: int, **changes: Any) -> None:
        """Write numbered events into the topic."""
        producer = Producer({"bootstrap.servers": self.kafka})
        for number in numbers:
            producer.produce(self.events, json.dumps(event(number, **changes)).encode(), f"crm-{number}".encode())
        assert producer.flush(20) == 0

    def put_late(self, *numbers: int) -> None:
        """The same, of events that AEP refuses later."""
        self.put(*numbers, event_attributes={**_ATTRIBUTES, "campaign_name": LATER})

    def letters(self) -> list[Any]:
        """All dead letters."""
        return letters_of(self.kafka, self.dead)

    async def come_back(self, count: int, within: float = 30.0) -> list[Any]:
        """Wait for so many letters; a moment later there are no more."""
        await asyncio.to_thread(
            eventually, lambda: len(self.letters()) >= count, within=within, what=f"{count} letters", every=0.3
        )
        await asyncio.sleep(3)
        letters = self.letters()
        assert len(letters) == count
        return letters

    async def in_the_dataset(self, *identifiers: str) -> None:
        """Wait until AEP has ingested them."""

        def there() -> bool:
            store = self.emulator.ingestion.find(self.emulator.dataset_id)
            return store is not None and all(one in store.ingested for one in identifiers)

        await asyncio.to_thread(eventually, there, within=30, what=f"{identifiers} in the dataset", every=0.2)


@pytest.fixture
async def scene(kafka, topic, tmp_path):
    """An emulated AEP with a schema of its own, and nothing running yet."""
    limits = Limits(batch_seconds=0.5)
    async with Emulator(schema=strict_schema(), limits=limits) as emulator:
        made = Scene(kafka, topic, tmp_path, emulator)
        yield made
        for one in made.workers:
            await asyncio.to_thread(one.stop, 0)
            print(f"---- {one.name}\n{one.tail(30)}")  # noqa: T201 - pytest shows it with a failure


def uuids(letters: list[Any]) -> list[str]:
    """Their events, in order."""
    return sorted(letter.event_uuid for letter in letters)


async def test_they_come_back_once_each_whoever_leads(scene):
    """Two workers, one of them killed, both restarted: every event is in the dataset or in exactly one dead letter."""
    first, second = await scene.worker("first"), await scene.worker("second")
    scene.put(*range(10))
    scene.put_late(*range(100, 105))
    letters = await scene.come_back(5)
    assert uuids(letters) == [uuid_of(number) for number in range(100, 105)]
    for letter in letters:
        headers = letter.headers
        assert (headers["bridge.stage"], headers["bridge.code"], headers["bridge.form"]) == ("ingest", CODE, "event")
        assert FIELD.replace(".", "/") in headers["bridge.reason"]
        assert headers["bridge.topic"] == scene.events
    await scene.in_the_dataset(*map(uuid_of, range(10)))

    for killed in (first, second):
        killed.kill9()
        scene.put_late(*range(105, 108) if killed is first else range(108, 111))
        scene.workers.remove(killed)
        if killed is second:
            await scene.worker("third")
        await scene.come_back(8 if killed is first else 11, within=60)
    assert uuids(scene.letters()) == [uuid_of(number) for number in range(100, 111)]


async def test_platform_away_and_without_rights_leave_delivery_and_readiness_alone(scene):
    """403 and then an outage of the platform APIs: told once with what to do, ready all the while, and made up for afterwards."""
    scene.emulator.control(platform={"permissions": []})
    worker = await scene.worker("worker")
    scene.put_late(200)
    scene.put(20)
    await scene.in_the_dataset(uuid_of(20))
    await asyncio.to_thread(eventually, lambda: _failures(worker), within=20, what="the failure is told")
    await asyncio.sleep(3)
    (line,) = _failures(worker)
    assert "403" in line["why"]
    assert "BRIDGE_AEP__FAILED_BATCHES_SECONDS=0" in line["hint"]
    assert get(f"{worker.url}/health/ready")[0] == 200
    assert not scene.letters()
    scene.emulator.control(platform={"permissions": None})
    assert uuids(await scene.come_back(1, within=60)) == [uuid_of(200)]


async def test_xdm_that_came_back_is_replayed_unmapped(scene):
    """An event that is no longer in Kafka: its XDM is the letter; after the fix a replay sends it to the dataset as it is."""
    worker = await scene.worker("worker")
    scene.put(30)
    await scene.in_the_dataset(uuid_of(30))
    emulator = scene.emulator
    envelope = xdm_envelope(
        schema_id=emulator.schema_id,
        org_id=emulator.org_id,
        dataset_id=emulator.dataset_id,
        flow_id=emulator.flow_id,
        source_name="test",
        max_request_bytes=1_000_000,
    )
    gone = {
        "_id": "an-event-of-long-ago",
        "timestamp": "2026-01-01T00:00:00Z",
        "identityMap": {"lumaCrmId": [{"id": "7", "primary": True}]},
        "_yourorgname": {"campaignName": LATER, "campaignId": "kept"},
    }
    async with httpx.AsyncClient() as http:
        form = {
            "grant_type": "client_credentials",
            "client_id": emulator.client_id,
            "client_secret": emulator.client_secret,
            "scope": "openid",
        }
        token = (await http.post(emulator.token_url, data=form)).json()["access_token"]
        answer = await http.post(
            emulator.collection_url.replace("/collection/", "/collection/batch/"),
            content=envelope.batch([envelope.encode(gone)]),
            headers={
                "Content-Type": "application/json",
                "Authorization": f"Bearer {token}",
                "x-gw-ims-org-id": emulator.org_id,
                "x-sandbox-name": "prod",
            },
        )
    assert answer.status_code == 207
    (letter,) = await scene.come_back(1)
    assert (letter.headers["bridge.form"], letter.event_uuid) == ("xdm", "an-event-of-long-ago")
    assert json.loads(letter.value) == gone

    # Replayed before the fix it is refused later once more: a letter of the same form, one round further.
    await replay(scene)
    letters = await scene.come_back(2)
    assert sorted(one.headers.get("bridge.replays", "0") for one in letters) == ["0", "1"]
    assert {one.headers["bridge.form"] for one in letters} == {"xdm"}

    # The fix: AEP's schema takes it from now on.
    emulator.ingestion._preset = None
    await replay(scene)
    await scene.in_the_dataset("an-event-of-long-ago")
    assert get(f"{worker.url}/health/ready")[0] == 200
    assert len(scene.letters()) == 2


def _failures(worker: BridgeProcess) -> list[dict[str, Any]]:
    return [line for line in worker.log_lines() if line.get("event") == "leader_task_failed"]


async def replay(scene: Scene) -> None:
    """``deadletters replay`` as a process."""
    command = BridgeProcess(["deadletters", "replay"], scene.settings, directory=scene.folder, name="replay")
    code = await asyncio.to_thread(lambda: command.start().wait(60))
    assert code == 0, command.tail()
