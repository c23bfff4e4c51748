"""Counts what was promised against what arrived: the oracle of tests that break things.

Every event has a number and an ``event_uuid`` made of it. ``Rig`` holds one topic pair, an emulator of AEP and the bridge's own
processes; its ``account`` compares what was promised with what the emulator accepted and what lies in the dead letters, read with
librdkafka and plain HTTP, not with the code under test.
"""

from __future__ import annotations

import json
import threading
import time
import urllib.request
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import httpx
import orjson
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Producer, TopicPartition
from kafka_topics import admin_client
from processes import BridgeProcess, eventually, free_port, get

from bridge.aep.emulator import fingerprint
from bridge.moengage.envelopes import events_of
from bridge.pipeline.assembly import load_builder
from bridge.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

DATA = Path(__file__).resolve().parent / "data" / "samples"
_DIGITS = frozenset("0123456789abcdef")
INLET = "0123456789abcdef" * 4
_STEM = "6f1d0f6e-2a55-5f0a-9a9b-"


def uuid_of(number: int) -> str:
    """The ``event_uuid`` of event ``number``, which becomes the ``_id``; :func:`number_of` reads the number back."""
    return f"{_STEM}{number:012x}"


def number_of(identifier: str) -> int | None:
    """The number that :func:`uuid_of` made this of; None when it was made elsewhere."""
    number = identifier[len(_STEM) :]
    if not identifier.startswith(_STEM) or len(number) != 12 or not set(number) <= _DIGITS:
        return None
    return int(number, 16)


def event(number: int, **changes: Any) -> dict[str, Any]:
    """Event ``number`` as it stands in MoEngage's batch envelope, some 1 KB."""
    return {
        "event_name": "Email Sent",
        "event_code": "MOE_EMAIL_SENT",
        "event_uuid": uuid_of(number),
        "event_time": 1_763_000_000 + number % 86_400,
        "event_type": "CAMPAIGN_EVENT",
        "event_source": "MOENGAGE",
        "uid": f"crm-{number % 997}",
        "email_id": f"user{number % 997}@example.com",
        "event_attributes": {
            "campaign_id": f"c-{number % 7}",
            "campaign_name": "Ünïcode ✓ numbers",
            "campaign_type": "General",
            "campaign_channel": "Email",
            "number": str(number),
        },
        "user_attributes": {"moengage_user_id": f"moe-{number % 997}", "note": "x" * 300},
        "device_attributes": {"moengage_device_id": f"d-{number % 31}"},
        **changes,
    }


def batch(events: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """MoEngage's batch envelope."""
    return {"app_name": "Northwind", "source": "MOENGAGE", "moe_request_id": str(uuid.uuid4()), "events": list(events)}


@dataclass(frozen=True, slots=True)
class Account:
    """What became of the events that were promised, by ``_id``.

    ``accepted`` gives how often and with which payload AEP took it; ``dead`` are those with a dead letter; ``conflicts`` counts
    ids that came with two different payloads.
    """

    accepted: dict[str, tuple[int, str]]
    letters: list[Letter]
    dead: set[str]
    conflicts: int

    @property
    def duplicates(self) -> int:
        """How many times an event was accepted beyond its first."""
        return sum(times - 1 for times, _ in self.accepted.values())


@dataclass(frozen=True, slots=True)
class Letter:
    """A record of the dead-letter topic."""

    key: bytes | None
    value: bytes
    headers: dict[str, str]

    @property
    def event_uuid(self) -> str | None:
        """What the header says."""
        return self.headers.get("bridge.event_uuid")


class Emulator(BridgeProcess):
    """``aep-bridge emulator`` as a process."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.port = free_port()
        super().__init__(
            ["emulator", "--port", str(self.port), "--payloads", "100000", *options], {}, directory=directory
        )

    def wait_up(self) -> Self:
        """Wait until it answers."""
        address = f"http://127.0.0.1:{self.port}/health"
        eventually(lambda: get(address)[0] == 200, within=30, what=f"the emulator answers\n{self.tail()}")
        return self

    def settings(self) -> dict[str, str]:
        """What a bridge needs to meet it."""
        url = f"http://127.0.0.1:{self.port}"
        return {
            "BRIDGE_AEP__ENDPOINT": f"{url}/collection/{INLET}",
            "BRIDGE_AEP__ORG_ID": "0123456789ABCDEF01234567@AdobeOrg",
            "BRIDGE_AEP__SCHEMA_ID": "https://ns.adobe.com/yourorgname/schemas/0123456789abcdef",
            "BRIDGE_AEP__DATASET_ID": "0123456789abcdef01234567",
            "BRIDGE_AEP__FLOW_ID": "01234567-89ab-cdef-0123-456789abcdef",
            "BRIDGE_OAUTH__TOKEN_URL": f"{url}/ims/token/v3",
            "BRIDGE_OAUTH__CLIENT_ID": "0123456789abcdef" * 2,
            "BRIDGE_OAUTH__CLIENT_SECRET": "emulated-secret",
        }

    def control(self, **message: Any) -> None:
        """Tell it to misbehave, or to stop doing so (``clear_faults=True``)."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/control", data=json.dumps(message).encode(), method="POST"
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            assert answer.status == 200

    def summary(self) -> dict[str, Any]:
        """Counts of what it has received."""
        return json.loads(get(f"http://127.0.0.1:{self.port}/received")[1])

    def accepted(self) -> dict[str, tuple[int, str]]:
        """_id -> (times, fingerprint of the payload)."""
        found: dict[str, tuple[int, str]] = {}
        offset: int | None = 0
        while offset is not None:
            page = json.loads(get(f"http://127.0.0.1:{self.port}/received?ids=1&offset={offset}&limit=10000")[1])
            found |= {identifier: (times, digest) for identifier, times, digest in page["ids"]}
            offset = page["next_offset"]
        return found

    def payload(self, identifier: str) -> dict[str, Any]:
        """The event it accepted."""
        status, body = get(f"http://127.0.0.1:{self.port}/received?payload={identifier}")
        assert status == 200, body
        return json.loads(body)


class Rig:
    """One topic pair on a real broker, an emulator, and the processes that a test starts; ended with the test."""

    def __init__(
        self, bootstrap: str, topic: Callable[..., str], directory: Path, *, partitions: int = 6, **settings: str
    ) -> None:
        self.bootstrap = bootstrap
        self.directory = directory
        self.topic = topic("events", partitions=partitions)
        self.dead_topic = topic("dead", partitions=2)
        self.group = f"{self.topic}.group"
        self.partitions = partitions
        self.emulator = Emulator(directory)
        self.extra = settings
        self.sent: dict[str, dict[str, Any]] = {}
        self.promised: set[str] = set()
        self._processes: list[BridgeProcess] = [self.emulator]
        self._receiver_port = free_port()

    @property
    def settings(self) -> dict[str, str]:
        """Settings of receiver and worker."""
        return {
            "BRIDGE_KAFKA__BOOTSTRAP_SERVERS": self.bootstrap,
            "BRIDGE_KAFKA__TOPIC": self.topic,
            "BRIDGE_KAFKA__DEAD_LETTER_TOPIC": self.dead_topic,
            "BRIDGE_KAFKA__GROUP": self.group,
            "BRIDGE_KAFKA__SESSION_TIMEOUT_SECONDS": "6",
            "BRIDGE_KAFKA__COMMIT_INTERVAL_SECONDS": "0.3",
            "BRIDGE_AEP__LINGER_SECONDS": "0.1",
            "BRIDGE_RECEIVER__HOST": "127.0.0.1",
            "BRIDGE_RECEIVER__PORT": str(self._receiver_port),
            "BRIDGE_RECEIVER__AUTH": "basic",
            "BRIDGE_RECEIVER__USERNAME": "moengage",
            "BRIDGE_RECEIVER__PASSWORD": "a-password",
            "BRIDGE_TELEMETRY__LOG_FORMAT": "json",
            **self.emulator.settings(),
            **self.extra,
        }

    def __enter__(self) -> Self:
        self.emulator.start()
        self.emulator.wait_up()
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._processes):
            process.stop(grace=0)
            print(f"---- {process.name}\n{process.tail(40)}")  # noqa: T201 - pytest shows it with a failure

    # Processes.

    def run(self, *arguments: str, name: str | None = None, **settings: str) -> BridgeProcess:
        """Start ``aep-bridge ARGUMENTS``."""
        made = BridgeProcess(arguments, self.settings | settings, directory=self.directory, name=name)
        self._processes.append(made)
        return made.start()

    def worker(self, name: str = "worker", **settings: str) -> BridgeProcess:
        """Start a worker and wait until it is in the group."""
        return self.run("worker", name=name, **settings).wait_ready()

    def receiver(self, **settings: str) -> BridgeProcess:
        """Start the receiver and wait until it is ready."""
        return self.run("receiver", **settings).wait_ready()

    # Events.

    def post(
        self, document: Any, *, credentials: tuple[str, str] | None = ("moengage", "a-password")
    ) -> httpx.Response:
        """Post a body as MoEngage does; what is answered 200 is promised."""
        events = {} if isinstance(document, bytes) else _events(document)
        self.sent |= events
        body = document if isinstance(document, bytes) else orjson.dumps(document)
        answer = httpx.post(
            f"http://127.0.0.1:{self._receiver_port}/moengage/streams",
            content=body,
            headers={"Content-Type": "application/json"},
            auth=credentials,
            timeout=30,
        )
        if answer.status_code == 200:
            self.promised |= set(events)
        return answer

    def post_numbers(self, numbers: Iterable[int], size: int = 100) -> None:
        """Post numbered events in batches, each answered 200."""
        numbers = list(numbers)
        for start in range(0, len(numbers), size):
            assert self.post(batch(event(number) for number in numbers[start : start + size])).status_code == 200

    def produce(self, numbers: Iterable[int]) -> None:
        """Write numbered events into the topic without the receiver."""
        producer = Producer({"bootstrap.servers": self.bootstrap, "linger.ms": 5, "acks": "all"})
        for number in numbers:
            document = event(number)
            producer.produce(self.topic, value=orjson.dumps(document), key=document["uid"])
            producer.poll(0)
            found = _events(document)
            self.sent |= found
            self.promised |= set(found)
        assert producer.flush(30) == 0

    def produce_raw(self, *values: bytes) -> None:
        """Write records into the topic as they are."""
        producer = Producer({"bootstrap.servers": self.bootstrap, "acks": "all"})
        for value in values:
            producer.produce(self.topic, value=value)
        assert producer.flush(30) == 0

    # What came of it.

    def lag(self) -> int:
        """End offsets less committed offsets of the group, asked of the broker."""
        admin = admin_client(self.bootstrap)
        asked = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(self.group)])[self.group].result(10)
        committed = {found.partition: found.offset for found in asked.topic_partitions if found.topic == self.topic}
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "oracle"})
        try:
            ends = [
                consumer.get_watermark_offsets(TopicPartition(self.topic, number), timeout=10)[1]
                for number in range(self.partitions)
            ]
        finally:
            consumer.close()
        return sum(end - max(committed.get(number, 0), 0) for number, end in enumerate(ends))

    def wait_drained(self, within: float = 60.0) -> None:
        """Wait until everything in the topic is committed."""
        eventually(lambda: self.lag() == 0, within=within, what=f"lag is zero (now {self.lag()})", every=0.3)

    def letters(self) -> list[Letter]:
        """Everything in the dead-letter topic."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "oracle", "enable.partition.eof": False})
        found: list[Letter] = []
        try:
            ends = {
                number: consumer.get_watermark_offsets(TopicPartition(self.dead_topic, number), timeout=10)
                for number in range(2)
            }
            wanted = sum(high - low for low, high in ends.values())
            consumer.assign([TopicPartition(self.dead_topic, number, low) for number, (low, _) in ends.items()])
            deadline = time.monotonic() + 20
            while len(found) < wanted and time.monotonic() < deadline:
                for record in consumer.consume(wanted - len(found), timeout=1):
                    assert record.error() is None
                    headers = {name: text.decode() for name, text in record.headers() or []}
                    found.append(Letter(record.key(), record.value(), headers))
        finally:
            consumer.close()
        assert len(found) == wanted
        return found

    def account(self) -> Account:
        """Compare what was promised with what arrived; fails when an event is lost, invented or changed.

        Duplicates are counted, not judged: how many are allowed is the test's business.
        """
        accepted, letters = self.emulator.accepted(), self.letters()
        uuids = {letter.event_uuid for letter in letters}
        dead = {identifier for identifier, found in self.sent.items() if found["event_uuid"] in uuids}
        lost = self.promised - set(accepted) - dead
        assert not lost, f"{len(lost)} of {len(self.promised)} events are lost, for example {sorted(lost)[:3]}"
        invented = set(accepted) - set(self.sent)
        assert not invented, f"AEP has events that nobody sent: {sorted(invented)[:3]}"
        builder, _ = load_builder(Settings(**_sections(self.settings)))
        for identifier, (_, digest) in accepted.items():
            assert digest == fingerprint(builder.build(self.sent[identifier]).xdm), f"{identifier} has changed"
        return Account(accepted, letters, dead, self.emulator.summary()["conflicts"])


def _events(document: Any) -> dict[str, dict[str, Any]]:
    return {found["id"]: found for found in events_of(document) if isinstance(found, dict)}


class Sender:
    """MoEngage: posts numbered events in batches of 100 from a thread; a batch that is not answered 200 is sent again.

    Unlike MoEngage it does not give up after three times, so that a test can go on until all is confirmed.
    """

    def __init__(self, rig: Rig, *, pause: float = 0.05) -> None:
        self._rig = rig
        self._pause = pause
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)
        self.confirmed = 0
        self.refused = 0

    def _send(self) -> None:
        while not self._stop.is_set():
            document = batch(event(number) for number in range(self.confirmed, self.confirmed + 100))
            while not self._confirmed(document):
                self.refused += 1
                time.sleep(0.2)
            self.confirmed += 100
            self._stop.wait(self._pause)

    def _confirmed(self, document: Any) -> bool:
        try:
            return self._rig.post(document).status_code == 200
        except httpx.TransportError:
            return False

    def wait_for(self, more: int, within: float = 60.0) -> None:
        """Wait until so many more events are confirmed."""
        goal = self.confirmed + more
        eventually(lambda: self.confirmed >= goal, within=within, what=f"{more} more events are confirmed")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)
        assert not self._thread.is_alive(), "the last batch was never confirmed"


def _sections(environment: Mapping[str, str]) -> dict[str, dict[str, str]]:
    sections: dict[str, dict[str, str]] = {}
    for name, value in environment.items():
        section, key = name.removeprefix("BRIDGE_").lower().split("__", 1)
        sections.setdefault(section, {})[key] = value
    return sections
