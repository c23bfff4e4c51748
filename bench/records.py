"""The events of a run: MoEngage's documented kinds in turn, about 1.2 KB of JSON each, every one with an id of its own."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from bench import handwritten
from bridge.routes.mapping_opening import open_experience_events
from bridge.settings import MappingSettings
from bridge.sources.moengage.envelopes import events_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "tests" / "data"
SIZE = 1_200
KINDS = 34
USERS = 5_000
_ID = "b1a70000-0000-4000-8000-%012x"
_TIME = 4_102_444_799
"""Stands in a template where the time of the event goes, in seconds as MoEngage sends it."""
_BEGAN = 1_793_000_000
A_SECOND = 1_000
"""So many events in a row are of the same second: time goes on as in a stream."""


def sample_events() -> list[dict[str, Any]]:
    """Every event of the samples, canonical as the receiver writes it."""
    lines = (DATA / "samples" / "moengage-events.jsonl").read_text(encoding="utf-8").splitlines()
    documents = [*map(json.loads, lines), json.loads((DATA / "samples" / "seed-event.json").read_bytes())]
    return [event for document in documents for event in events_of(document) if isinstance(event, dict)]


def check_mapping(mapped: Callable[[list[dict[str, Any]]], list[dict[str, Any]]], *, ordered: bool = True) -> int:
    """Raise unless a peer's mapping and the shipped one give the same XDM for all samples; their number.

    ``ordered``: the members of the XDM in the same order too.
    """
    shipped = open_experience_events(MappingSettings(path=ROOT / "mappings" / "moengage_events.csv", schema="none"))
    events = sample_events() + [orjson.loads(value) for _, value in records(KINDS)]
    for event, theirs in zip(events, mapped(events), strict=True):
        ours = shipped.build(event)
        if ours.rejection is not None or ours.xdm != theirs or (ordered and list(ours.xdm) != list(theirs)):
            raise AssertionError(f"the two mappings differ for {event.get('event_code')}")
    return len(events)


def check_handwritten() -> int:
    """Raise unless the hand-written mapping and the shipped one give the same XDM for all samples; their number."""
    return check_mapping(lambda events: [handwritten.build(event) for event in events])


def event_id(number: int) -> str:
    """The id of the so-manyeth event."""
    return _ID % number


def records(count: int, *, size: int = SIZE, since: int = 0) -> Iterator[tuple[bytes, bytes]]:
    """Key and value of ``count`` records of about ``size`` bytes; the same for the same arguments."""
    templates = [_template(event, size) for event in sample_events()[:KINDS]]
    second, parts = -1, []
    for number in range(since, since + count):
        if number // A_SECOND != second:
            second = number // A_SECOND
            moment = b"%d" % (_BEGAN + second)
            parts = [template.replace(b"%d" % _TIME, moment).split(b"@@@ID@@@") for template in templates]
        yield b"%d" % (number % USERS), event_id(number).encode().join(parts[number % KINDS])


def stamped(count: int, since: int) -> Iterator[tuple[bytes, bytes]]:
    """As :func:`records`, without reading templates anew for each call of a paced producer."""
    yield from records(count, since=since)


def _template(event: dict[str, Any], size: int) -> bytes:
    event = {**event, "id": "@@@ID@@@", "event_uuid": "@@@ID@@@", "time": _TIME}
    user = dict(event.get("user_attributes") or {})
    event["user_attributes"] = user
    filler = {
        "city": "Bengaluru", "plan": "annual", "u_fn": "Asha", "u_ln": "Kumar", "locale": "en_IN", "ltv": 18250.5,
        "orders": 17, "is_member": True, "last_store": "NW-042", "signup_source": "app",
    }  # fmt: skip
    for name, value in filler.items():
        if len(orjson.dumps(event)) >= size - 20:
            break
        user.setdefault(name, value)
    lacking = size - len(orjson.dumps(event)) - len(',"note":""') + 2 * (len("@@@ID@@@") - 36)
    while lacking > 60:
        user[f"segment_{len(user)}"] = "s" * 40
        lacking = size - len(orjson.dumps(event)) + 2 * (len("@@@ID@@@") - 36)
    return orjson.dumps(event)


def now_ms() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000
