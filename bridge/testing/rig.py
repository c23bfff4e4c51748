"""One topic pair, an emulator of AEP and the bridge's own processes, with what was sent and promised written down for the account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import httpx
import orjson
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Producer, TopicPartition

from bridge.testing.account import DeadLetterRecord, PromiseAccount, account_of, letters_of
from bridge.testing.emulator_process import EmulatorProcess
from bridge.testing.kafka.admin import admin_client
from bridge.testing.numbered_events import batch, by_id, event
from bridge.testing.processes import BridgeProcess, eventually, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

_DEAD_PARTITIONS = 2


class Rig:
    """One topic pair on a real broker, an emulator, and the processes that a test starts; ended with the test."""

    def __init__(
        self, bootstrap: str, topic: Callable[..., str], directory: Path, *, partitions: int = 6, **settings: str
    ) -> None:
        self.bootstrap = bootstrap
        self.directory = directory
        self.topic = topic("events", partitions=partitions)
        self.dead_topic = topic("dead", partitions=_DEAD_PARTITIONS)
        self.group = f"{self.topic}.group"
        self.partitions = partitions
        self.emulator = EmulatorProcess(directory)
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
        events = {} if isinstance(document, bytes) else by_id(document)
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
            found = by_id(document)
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

    def letters(self) -> list[DeadLetterRecord]:
        """Everything in the dead-letter topic."""
        return letters_of(self.bootstrap, self.dead_topic, _DEAD_PARTITIONS)

    def account(self) -> PromiseAccount:
        """Compare what was promised with what arrived; fails when an event is lost, invented or changed."""
        accepted, letters = self.emulator.accepted(), self.letters()
        conflicts = self.emulator.summary()["conflicts"]
        return account_of(self.sent, self.promised, accepted, letters, conflicts=conflicts, settings=self.settings)
