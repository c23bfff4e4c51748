"""What the demo sends: the shipped sample events, renumbered, in batches of 100 as MoEngage Streams posts them, and poison."""

from __future__ import annotations

import itertools
import uuid
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import orjson

from bridge.testing.later_refusals import LATER

if TYPE_CHECKING:
    from collections.abc import Iterator

BATCH_EVENTS = 100
"""MoEngage Streams posts 100 events a request by default (MoEngage docs: api/data/moengage-streams)."""
MOST_EVENTS = 8_000
"""More would not fit what the embedded broker keeps of its fullest partition."""
_NAMESPACE = uuid.UUID("8f1f2f6e-5f7b-4b62-9d0c-6c1f3f4d1a20")


@dataclass(frozen=True, slots=True)
class Poison:
    """A body that must end in the dead letters, and in ``why`` what is wrong with it."""

    body: bytes
    why: str


def sample_events() -> list[dict[str, Any]]:
    """The events of the shipped batches that can be delivered: each has an event_uuid, a time and an identity."""
    lines = files("bridge.demo").joinpath("events.jsonl").read_bytes().splitlines()
    batches = [document for document in map(orjson.loads, lines) if document.get("events")]
    return [
        event
        for batch in batches
        for event in batch["events"]
        if event.get("uid") and isinstance(event.get("event_time"), int)
    ]


def batches(count: int, *, start: int = 0) -> Iterator[bytes]:
    """Bodies that hold ``count`` events in all, each event with an ``event_uuid`` of its own; the same for every run."""
    events = itertools.islice(itertools.cycle(sample_events()), start, start + count)
    numbered = (
        {**event, "event_uuid": str(uuid.uuid5(_NAMESPACE, str(number)))} for number, event in enumerate(events, start)
    )
    for number in itertools.count():
        batch = list(itertools.islice(numbered, BATCH_EVENTS))
        if not batch:
            return
        yield orjson.dumps(
            {
                "app_name": "Northwind Retail",
                "source": "MOENGAGE",
                "moe_request_id": str(uuid.uuid5(_NAMESPACE, f"request {start} {number}")),
                "events": batch,
            }
        )


def poison() -> list[Poison]:
    """One body for each thing that goes wrong in practice."""
    event = sample_events()[0]
    nobody = {key: value for key, value in event.items() if key not in {"uid", "email_id", "mobile_number"}}
    nobody |= {"event_uuid": str(uuid.uuid5(_NAMESPACE, "nobody")), "user_attributes": {}}
    timeless = {key: value for key, value in event.items() if key != "event_time"}
    timeless["event_uuid"] = str(uuid.uuid5(_NAMESPACE, "timeless"))
    envelope = {"app_name": "Northwind Retail", "source": "MOENGAGE", "moe_request_id": "poison"}
    return [
        Poison(b'{"app_name": "Northwind Retail", "events": [{"event_name": "Email Se', "a body cut off on its way"),
        Poison(orjson.dumps(envelope | {"events": [nobody]}), "an event of nobody: no identity at all"),
        Poison(orjson.dumps(envelope | {"events": [timeless]}), "an event without a time"),
    ]


def refused_later() -> bytes:
    """An event that AEP's inlet takes, and its dataset does not: the schema there knows better."""
    event = sample_events()[0]
    event = event | {"event_uuid": str(uuid.uuid5(_NAMESPACE, "refused later"))}
    event["event_attributes"] = event.get("event_attributes", {}) | {"campaign_name": LATER}
    envelope = {"app_name": "Northwind Retail", "source": "MOENGAGE", "moe_request_id": "refused-later"}
    return orjson.dumps(envelope | {"events": [event]})
