"""A canonical event, and what stands in its place where a source sent something that is no event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Event = dict[str, Any]
"""A JSON object in the canonical form of its source."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something is not an event: ``code`` fits a metric label, ``reason`` is a sentence and quotes no values."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An event that a rule of the operator's keeps from going on (consent, a filter): neither delivered nor a dead letter, but counted.

    ``rule`` fits a metric label.
    """

    rule: str


@dataclass(frozen=True, slots=True)
class Bound:
    """The most that one document may become: a number of ``events``, and ``bytes`` of envelope fields copied to them."""

    events: int
    bytes: int


MOST = Bound(events=10_000, bytes=64_000_000)
"""For one record of Kafka."""
ANY = Bound(events=1 << 62, bytes=1 << 62)
"""For bodies, whose records are counted as they are made."""
