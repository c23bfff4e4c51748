"""Counts what was promised against what arrived: the oracle of tests that break things.

What lies in the dead letters is read with librdkafka, not with the code under test.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from confluent_kafka import Consumer, TopicPartition

from bridge.emulators.adobe import fingerprint
from bridge.routes.event_builder import load_builder
from bridge.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet


@dataclass(frozen=True, slots=True)
class DeadLetterRecord:
    """A record of the dead-letter topic."""

    key: bytes | None
    value: bytes
    headers: dict[str, str]

    @property
    def event_uuid(self) -> str | None:
        """What the header says."""
        return self.headers.get("bridge.event_uuid")


@dataclass(frozen=True, slots=True)
class PromiseAccount:
    """What became of the events that were promised, by ``_id``.

    ``accepted`` gives how often and with which payload AEP took it; ``dead`` are those with a dead letter; ``conflicts`` counts
    ids that came with two different payloads.
    """

    accepted: dict[str, tuple[int, str]]
    letters: list[DeadLetterRecord]
    dead: set[str]
    conflicts: int

    @property
    def duplicates(self) -> int:
        """How many times an event was accepted beyond its first."""
        return sum(times - 1 for times, _ in self.accepted.values())


def account_of(
    sent: Mapping[str, dict[str, Any]],
    promised: AbstractSet[str],
    accepted: dict[str, tuple[int, str]],
    letters: list[DeadLetterRecord],
    *,
    conflicts: int,
    settings: Mapping[str, str],
) -> PromiseAccount:
    """Compare what was promised with what arrived; fails when an event is lost, invented or changed.

    ``sent`` has every event by ``_id``, ``promised`` the ids of those that were answered 200; ``settings`` are the worker's, as
    environment variables. Duplicates are counted, not judged: how many are allowed is the test's business.
    """
    uuids = {letter.event_uuid for letter in letters}
    dead = {identifier for identifier, found in sent.items() if found["event_uuid"] in uuids}
    lost = promised - set(accepted) - dead
    assert not lost, f"{len(lost)} of {len(promised)} events are lost, for example {sorted(lost)[:3]}"
    invented = set(accepted) - set(sent)
    assert not invented, f"AEP has events that nobody sent: {sorted(invented)[:3]}"
    builder, _ = load_builder(Settings(**_sections(settings)))
    assert builder is not None, "what is sent unmapped cannot be compared with what arrived"
    for identifier, (_, digest) in accepted.items():
        assert digest == fingerprint(builder.build(sent[identifier]).xdm), f"{identifier} has changed"
    return PromiseAccount(accepted, letters, dead, conflicts)


def letters_of(bootstrap: str, topic: str, partitions: int) -> list[DeadLetterRecord]:
    """Everything in a dead-letter topic."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "oracle", "enable.partition.eof": False})
    found: list[DeadLetterRecord] = []
    try:
        ends = {
            number: consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=10)
            for number in range(partitions)
        }
        wanted = sum(high - low for low, high in ends.values())
        consumer.assign([TopicPartition(topic, number, low) for number, (low, _) in ends.items()])
        deadline = time.monotonic() + 20
        while len(found) < wanted and time.monotonic() < deadline:
            for record in consumer.consume(wanted - len(found), timeout=1):
                assert record.error() is None
                headers = {name: text.decode() for name, text in record.headers() or []}
                found.append(DeadLetterRecord(record.key(), record.value(), headers))
    finally:
        consumer.close()
    assert len(found) == wanted
    return found


def _sections(environment: Mapping[str, str]) -> dict[str, Any]:
    sections: dict[str, Any] = {}
    for name, value in environment.items():
        section, key = name.removeprefix("BRIDGE_").lower().split("__", 1)
        sections.setdefault(section, {})[key] = value
    return sections
