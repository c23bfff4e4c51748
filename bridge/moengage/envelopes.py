"""MoEngage's three envelopes become one canonical event (public documents: Streams, S3 exports, Adobe partner page).

====================  ==============================================================  =========================
envelope              shape                                                           told apart by
====================  ==============================================================  =========================
single event          ``{"event_code": …, "identities": {…}, …}``                     a name of its own
batch                 ``{"app_name": …, "events": [{…}, …]}``                         ``events`` is a list
line of a file export ``{"app_name": …, "export_day": …, "event": {…}}``              ``event`` is an object
====================  ==============================================================  =========================

An event has a name of its own when ``event_code``, ``event_name`` or ``event_uuid`` is there and not null. That is asked
first, so that an event which happens to carry a key ``events`` stays one event however often it is read.

The canonical event is the single event: envelope fields (but an ``id``) beside the event's own (the event's win), and

* ``identities.externalId``, ``email``, ``phone``, ``moengageUserId`` from ``uid``, ``email_id``, ``mobile_number`` and
  ``user_attributes.moengage_user_id``; ``time`` from ``event_time``; ``id`` from ``event_uuid``,
* only where the event does not say it already; nothing is renamed or removed, so every original stays by its own name.

Ids that arrive as numbers become text (``99182`` and ``99182.0`` are ``"99182"``). A fraction, a number beyond 2^53,
where a float no longer tells neighbours apart, and a boolean name nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

import orjson

from bridge.moengage.decoding import NotJson, parse_json

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["NotJson", "Refusal", "encode", "events_of", "isolate", "parse_json", "record_key"]

Event = dict[str, Any]

_EXACT = 2**53
_NO_FIELDS: Event = {}
_LACKING = (None, "")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something is no event: ``code`` fits a metric label, ``reason`` is a sentence and quotes no values."""

    code: str
    reason: str


_NOT_AN_OBJECT = Refusal("not_an_object", "the body is JSON but not an object")
_NOT_AN_EVENT = Refusal(
    "not_an_event", "neither an event (event_code, event_name or event_uuid) nor an envelope (events or event)"
)
_ITEM_NOT_AN_OBJECT = Refusal("not_an_object", "an element of events is not an object")
_ITEM_NOT_AN_EVENT = Refusal("not_an_event", "an event without event_code, event_name and event_uuid")
_TOO_DEEP = Refusal("too_deep", "the event is nested deeper than 254 levels, which JSON writers refuse")


def events_of(document: Any) -> Sequence[Event | Refusal]:
    """Every event of ``document`` in canonical form, in order; a :class:`Refusal` where something is no event.

    The input is never changed. A canonical event comes back as itself, and parts may be shared with the input.
    """
    if not isinstance(document, dict):
        return (_NOT_AN_OBJECT,)
    if _is_complete(document):
        return (document,)
    if _is_event(document):
        return (_canonical(document, _NO_FIELDS),)
    events = document.get("events")
    if isinstance(events, list):
        fields = _fields(document, "events")
        return [
            _canonical(event, fields)
            if _is_event(event)
            else _ITEM_NOT_AN_EVENT
            if isinstance(event, dict)
            else _ITEM_NOT_AN_OBJECT
            for event in events
        ]
    event = document.get("event")
    if isinstance(event, dict):
        if not _is_event(event):
            return (_ITEM_NOT_AN_EVENT,)
        return (_canonical(event, _fields(document, "event")),)
    return (_NOT_AN_EVENT,)


def isolate(document: Any, index: int) -> Any:
    """``document`` with only its ``index``-th event, in its envelope: what a dead letter of that event holds."""
    if isinstance(document, dict) and not _is_event(document):
        events = document.get("events")
        if isinstance(events, list):
            return {**document, "events": [events[index]]}
    return document


def record_key(event: Event) -> bytes | None:
    """The Kafka key of a canonical event: the first of externalId, moengageUserId and event_uuid, as UTF-8."""
    identities = event.get("identities")
    if isinstance(identities, dict):
        for name in ("externalId", "moengageUserId"):
            if (text := _text(identities.get(name))) is not None:
                return text.encode()
    text = _text(event.get("event_uuid"))
    return None if text is None else text.encode()


def encode(value: Any) -> bytes | Refusal:
    """``value`` as UTF-8 JSON; a :class:`Refusal` for what can be parsed but not written (nesting)."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return _TOO_DEEP


def _is_event(value: Any) -> TypeGuard[Event]:
    return isinstance(value, dict) and (
        value.get("event_code") is not None
        or value.get("event_uuid") is not None
        or value.get("event_name") is not None
    )


def _is_complete(event: Event) -> bool:
    """Whether this is plainly an event to which :func:`_canonical` would add nothing, as nearly all that the receiver wrote."""
    get = event.get
    if get("event_code") is None or get("id") is None or get("time") is None:
        return False
    identities = get("identities")
    if identities.__class__ is not dict:
        return False
    has = identities.get
    if (
        (not has("externalId") and get("uid") is not None)
        or (not has("email") and get("email_id") is not None)
        or (not has("phone") and get("mobile_number") is not None)
    ):
        return False
    if has("moengageUserId"):
        return True
    attributes = get("user_attributes")
    return attributes.__class__ is not dict or attributes.get("moengage_user_id") is None


def _fields(envelope: Event, events: str) -> Event:
    # An id of the envelope is nobody's event id: inherited, it would make one event of a whole batch.
    return {name: value for name, value in envelope.items() if name not in (events, "id")}


def _canonical(event: Event, fields: Event) -> Event:
    if fields:
        event = {**fields, **event}
    get = event.get
    derived: Event = {}
    if get("id") is None and (uuid := get("event_uuid")) is not None:
        derived["id"] = uuid
    if get("time") is None and (time := get("event_time")) is not None:
        derived["time"] = time
    identities = get("identities")
    # Anything but an object or null under this name is the event's own, whatever it means.
    if (identities is None or isinstance(identities, dict)) and (more := _identities(event, identities or _NO_FIELDS)):
        derived["identities"] = {**(identities or _NO_FIELDS), **more}
    if not derived:
        return event
    if not fields:
        return {**event, **derived}
    event.update(derived)
    return event


def _identities(event: Event, known: Event) -> Event | None:
    """What the event says of identities that ``known`` lacks (null and "" lack); None is nothing. Once an event: no loops."""
    get, has = event.get, known.get
    found: Event | None = None
    if (value := get("uid")) is not None and has("externalId") in _LACKING and (text := _text(value)) is not None:
        found = {"externalId": text}
    if (value := get("email_id")) is not None and has("email") in _LACKING and (text := _text(value)) is not None:
        found = {**(found or _NO_FIELDS), "email": text}
    if (value := get("mobile_number")) is not None and has("phone") in _LACKING and (text := _text(value)) is not None:
        found = {**(found or _NO_FIELDS), "phone": text}
    attributes = get("user_attributes")
    if (
        isinstance(attributes, dict)
        and (value := attributes.get("moengage_user_id")) is not None
        and has("moengageUserId") in _LACKING
        and (text := _text(value)) is not None
    ):
        found = {**(found or _NO_FIELDS), "moengageUserId": text}
    return found


def _text(value: Any) -> str | None:
    """An identifier as text, or None where it names nobody."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) <= _EXACT else None
    return str(value) if isinstance(value, int) else None
