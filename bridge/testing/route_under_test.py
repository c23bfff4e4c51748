"""One route as a test sees it: its topics, its emulator, what was posted and promised, and what came of it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Literal

import httpx
import orjson
from confluent_kafka import KafkaException, Producer

from bridge.testing.account import account_of, letters_of
from bridge.testing.kafka.offsets import lag_of
from bridge.testing.numbered_events import batch, by_id, event
from bridge.testing.processes import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bridge.testing.account import DeadLetterRecord, PromiseAccount
    from bridge.testing.emulator_process import EmulatorProcess

_DEAD_PARTITIONS = 2


class RouteUnderTest:
    """A topic pair on a real broker and an emulator. ``topic`` makes topics: ``topic("events", partitions=6)`` gives a name.

    ``streams``: where its workspace posts; ``label``: what its topics' names begin with; ``more``: settings of the route, as names of variables, that win; ``extra`` holds them, to be changed before a process starts.
    """

    def __init__(
        self,
        bootstrap: str,
        topic: Callable[..., str],
        emulator: EmulatorProcess,
        *,
        streams: str,
        credentials: tuple[str, str] = ("moengage", "a-password"),
        partitions: int = 6,
        label: str = "",
        more: dict[str, str] | None = None,
    ) -> None:
        self.bootstrap = bootstrap
        self.topic = topic(f"{label}events", partitions=partitions)
        self.dead_topic = topic(f"{label}dead", partitions=_DEAD_PARTITIONS)
        self.group = f"{self.topic}.group"
        self.partitions = partitions
        self.emulator = emulator
        self.sent: dict[str, dict[str, Any]] = {}
        self.promised: set[str] = set()
        self.streams = streams
        self.credentials = credentials
        self.extra = dict(more or {})

    @property
    def own_settings(self) -> dict[str, str]:
        """What is the route's own, as variables of a deployment that has no other."""
        return {
            "BRIDGE_KAFKA__TOPIC": self.topic,
            "BRIDGE_KAFKA__DEAD_LETTER_TOPIC": self.dead_topic,
            "BRIDGE_KAFKA__GROUP": self.group,
            "BRIDGE_RECEIVER__USERNAME": self.credentials[0],
            "BRIDGE_RECEIVER__PASSWORD": self.credentials[1],
            **self.emulator.settings(),
            **self.extra,
        }

    # Events.

    def post(self, document: Any, *, credentials: tuple[str, str] | Literal["own"] | None = "own") -> httpx.Response:
        """Post a body as MoEngage does; what is answered 200 is promised."""
        events = {} if isinstance(document, bytes) else by_id(document)
        self.sent |= events
        answer = httpx.post(
            self.streams,
            content=document if isinstance(document, bytes) else orjson.dumps(document),
            headers={"Content-Type": "application/json"},
            auth=self.credentials if credentials == "own" else credentials,
            timeout=30,
            trust_env=False,
            verify=False,  # noqa: S501 - plain HTTP on loopback; certificates of authorities take 16 ms to read
        )
        if answer.status_code == 200:
            self.promised |= set(events)
        return answer

    def post_numbers(self, numbers: Iterable[int], size: int = 100) -> None:
        """Post numbered events in batches, each answered 200."""
        numbers = list(numbers)
        for start in range(0, len(numbers), size):
            answer = self.post(batch(event(number) for number in numbers[start : start + size]))
            assert answer.status_code == 200, answer.text

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
        return sum(lag_of(self.bootstrap, self.topic, self.group).values())

    def wait_drained(self, within: float = 60.0) -> None:
        """Wait until everything in the topic is committed."""
        last: list[int] = []

        def drained() -> bool:
            # A young broker may not have made the topic of offsets yet.
            with contextlib.suppress(KafkaException):
                last[:] = [self.lag()]
            return last == [0]

        try:
            eventually(drained, within=within, what="lag is zero")
        except AssertionError:
            raise AssertionError(f"not within {within:g} s: lag is zero (last {last})") from None

    def letters(self) -> list[DeadLetterRecord]:
        """Everything in the dead-letter topic."""
        return letters_of(self.bootstrap, self.dead_topic)

    def distinct_letters(self) -> list[DeadLetterRecord]:
        """The dead letters, each once: storing is at least once, as an offset is committed only after its letter is confirmed."""
        return list({letter.said: letter for letter in self.letters()}.values())

    def account(self) -> PromiseAccount:
        """Compare what was promised with what arrived at AEP; fails when an event is lost, invented or changed."""
        return account_of(
            self.sent,
            self.promised,
            self.emulator.accepted(),
            self.letters(),
            conflicts=self.emulator.received()["conflicts"],
            settings=self.own_settings,
        )
