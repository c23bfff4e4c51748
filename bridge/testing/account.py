"""Counts what was promised against what arrived: the oracle of tests that break things.

What lies in the dead letters is read with librdkafka, not with the code under test.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bridge.emulators.adobe import fingerprint
from bridge.routes.event_builder import load_builder
from bridge.settings import Settings
from bridge.testing.kafka.stored_records import stored

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

_OF_ITS_STORING = {"bridge.attempts", "bridge.failed_at"}


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

    @property
    def said(self) -> tuple[bytes, frozenset[tuple[str, str]]]:
        """What it says, and of what: the same for letters of one refusal that are stored twice, as they may be."""
        return self.value, frozenset((name, text) for name, text in self.headers.items() if name not in _OF_ITS_STORING)


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
    for identifier, (_, digest) in accepted.items():
        event = sent[identifier]
        wanted = event if builder is None else builder.build(event).xdm
        assert digest == fingerprint(wanted), f"{identifier} has changed"
    return PromiseAccount(accepted, letters, dead, conflicts)


def letters_of(bootstrap: str, topic: str) -> list[DeadLetterRecord]:
    """Everything in a dead-letter topic."""
    return [
        DeadLetterRecord(record.key, record.value, {name: text.decode() for name, text in record.headers})
        for record in stored(bootstrap, topic)
    ]


def _sections(environment: Mapping[str, str]) -> dict[str, Any]:
    sections: dict[str, Any] = {}
    for name, value in environment.items():
        if not value:
            continue  # counts as unset
        section, key = name.removeprefix("BRIDGE_").lower().split("__", 1)
        sections.setdefault(section, {})[key] = value
    return sections
