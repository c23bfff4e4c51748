"""One request body becomes the records to write: an event each, and dead letters for what is no event.

Pure: bytes in, records out. A body that is not JSON, or no event, is a dead letter too, because a 4xx would make MoEngage
send the batch three times more and then drop it with its good neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bridge.dead_letter import DeadLetter, uuid_of
from bridge.letter_fit import fit
from bridge.moengage.envelopes import NotJson, Refusal, encode, events_of, isolate, parse_json, record_key
from bridge.records import record_bytes
from bridge.verdicts import Stage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from bridge.records import Record


@dataclass(frozen=True, slots=True)
class Limits:
    """The most bytes that one record may weigh, for each topic."""

    event: int
    dead_letter: int


@dataclass(frozen=True, slots=True)
class Intake:
    """What a request comes to."""

    events: Sequence[Record]
    dead_letters: Sequence[DeadLetter]


def take(body: bytes, limits: Limits, now: datetime) -> Intake:
    """Read a body of any envelope; ``now`` is the time of whatever is refused."""
    try:
        document = parse_json(body)
    except NotJson as error:
        return Intake((), (refused(body, Refusal("not_json", str(error)), limits, now),))

    def letter(index: int, why: Refusal) -> DeadLetter:
        alone = isolate(document, index)
        # A body of one event stays byte for byte; what cannot be written again (nesting) stays with its neighbours.
        value = body if alone is document else encode(alone)
        return refused(body if isinstance(value, Refusal) else value, why, limits, now, uuid=_uuid(alone))

    events: list[Record] = []
    dead_letters: list[DeadLetter] = []
    for index, event in enumerate(events_of(document)):
        if isinstance(event, Refusal):
            dead_letters.append(letter(index, event))
            continue
        value = encode(event)
        if isinstance(value, Refusal):
            dead_letters.append(letter(index, value))
            continue
        record = (record_key(event), value, ())
        if record_bytes(record) > limits.event:
            large = Refusal("too_large", f"the event is {len(value)} bytes; the topic takes {limits.event}")
            dead_letters.append(letter(index, large))
            continue
        events.append(record)
    return Intake(events, dead_letters)


def refused(body: bytes, why: Refusal, limits: Limits, now: datetime, *, uuid: str | None = None) -> DeadLetter:
    """The dead letter of ``body``; of one too large for the topic the beginning is kept, or its headers alone."""
    letter = DeadLetter(
        key=None,
        value=body,
        stage=Stage.RECEIVE,
        code=why.code,
        reason=why.reason,
        event_uuid=uuid,
        failed_at=now,
    )
    return fit(letter, limits.dead_letter)[0]


def _uuid(alone: Any) -> str | None:
    event = alone
    if isinstance(alone, dict):
        events = alone.get("events")
        event = events[0] if isinstance(events, list) and events else alone.get("event", alone)
    return uuid_of(event)
