"""What a route remembers by key of what its destination has accepted: the port that a kind of source implements.

The worker stores a :class:`Change` once every element of its event is accepted, never before, and commits the event's offset only when
that is stored. What a crash repeats is prepared again from what was stored, and must come to the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.model.event import Event, LeftOut
    from bridge.model.verdicts import Rejected

Recall = Callable[[bytes], bytes | None]
"""The state of a key, what is under way included, in the form that is kept in memory; None where nothing is known."""


@dataclass(frozen=True, slots=True)
class Change:
    """``value`` is to be stored by ``key``; None: the key is to be forgotten. Keys are some 1,000 bytes at most."""

    key: bytes
    value: bytes | None


class Consumed(Protocol):
    """What may be read of the Kafka record of an event."""

    @property
    def key(self) -> bytes | None:
        """As it was sent."""

    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]:
        """As they were sent."""

    @property
    def timestamp(self) -> int:
        """When it was sent, or stored: milliseconds since 1970."""


class Memory(Protocol):
    """State by key of a route.

    ``joins``: events are prepared from the state of their key, which is read to its end before anything of a partition is mapped;
    no value of it is ever None then. Else it is only written, for others to read, and ``recall`` always gives None.
    """

    joins: bool

    def prepare(self, event: Event, record: Consumed, recall: Recall) -> tuple[Event, Change | None]:
        """The event as it is to be mapped, and what is to be stored once it is accepted. Pure; ``event`` is not changed."""
        ...

    def refused(self, change: Change, rejected: Rejected) -> Change | None:
        """What is stored where an element of the event became a dead letter; None for nothing."""
        ...

    def without_event(self, record: Consumed, outcome: Rejected | LeftOut) -> Change | None:
        """What is stored where decoding gave no event, but a refusal or something that a rule leaves out; None for nothing."""
        ...

    def to_stored(self, value: bytes) -> bytes:
        """From the form that is kept in memory to the one in the topic."""
        ...

    def from_stored(self, stored: bytes) -> bytes:
        """And back. ``ValueError`` for what this version cannot read."""
        ...

    def tally(self) -> None:
        """Add to metrics what was noted since the last call."""
        ...

    def forget(self) -> None:
        """Drop what was noted since the last call, after a rehearsal."""
        ...
