"""The canonical event: what of an event of MoEngage's arrives at the mapping, and the key of its record.

It is the single event: envelope fields (but ``id`` and ``event_name``) beside the event's own (the
event's win), and

* ``identities.externalId``, ``email``, ``phone``, ``moengageUserId`` from ``uid``, ``email_id``, ``mobile_number`` and
  ``user_attributes.moengage_user_id``; ``time`` from ``event_time``; ``id`` from ``event_uuid``,
* only where the event does not say it already; nothing is renamed or removed, so every original stays by its own name.
  But ``[]`` and ``""`` where an object belongs, which is how some emitters write an empty object, count as absent, and
  other ``identities`` that are no object, or that hold blanks, objects and lists where a text belongs, make room for those
  that are found, and stay as ``identities_as_sent``.

Ids that arrive as numbers become text (``99182`` and ``99182.0`` are ``"99182"``). A fraction, a float beyond 2^53, where
it no longer tells neighbours apart, and a boolean name nobody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bridge.model.event import Event

_EXACT = 2**53
NO_FIELDS: Event = {}
"""Of an event without an envelope."""
BLANK: tuple[Any, ...] = ([], "")
"""What some emitters write where there is nothing."""
_OBJECTS = ("event_attributes", "user_attributes", "device_attributes")


def is_complete(event: Event) -> bool:
    """Whether this is plainly an event to which :func:`canonical` would add nothing, as nearly all that the receiver wrote."""
    get = event.get
    if not get("event_code") or get("id") is None or get("time") is None:
        return False
    identities = get("identities")
    if identities.__class__ is not dict:
        return False
    has = identities.get
    # Text that is not blank is seen without a call of ours, and needs no look at the original: this is asked once an event.
    if (
        (
            not ((value := has("externalId")).__class__ is str and value and not value.isspace())
            and get("uid") is not None
            and _lacks(value)
        )
        or (
            not ((value := has("email")).__class__ is str and value and not value.isspace())
            and get("email_id") is not None
            and _lacks(value)
        )
        or (
            not ((value := has("phone")).__class__ is str and value and not value.isspace())
            and get("mobile_number") is not None
            and _lacks(value)
        )
    ):
        return False
    attributes = get("user_attributes")
    if attributes.__class__ is dict:
        return (
            ((value := has("moengageUserId")).__class__ is str and value and not value.isspace())
            or attributes.get("moengage_user_id") is None
            or not _lacks(value)
        )
    return attributes is None or attributes not in BLANK


def canonical(event: Event, fields: Event) -> Event:
    """The event in canonical form, with the fields of its envelope. It is not changed; without ``fields`` it may come back as itself."""
    if fields:
        event = {**fields, **event}
    get = event.get
    derived: Event = {}
    if get("id") is None and (uuid := get("event_uuid")) is not None:
        derived["id"] = uuid
    if get("time") is None and (time := get("event_time")) is not None:
        derived["time"] = time
    if (
        get("event_attributes").__class__ is not dict
        or get("user_attributes").__class__ is not dict
        or get("device_attributes").__class__ is not dict
    ):
        event = _without_blanks(event)
        get = event.get
    identities = get("identities")
    known = identities if isinstance(identities, dict) else NO_FIELDS
    if more := _identities(event, known):
        derived["identities"] = {**known, **more}
        if identities is not None and identities not in BLANK and (known is not identities or _replaces(known, more)):
            derived["identities_as_sent"] = identities
    if not derived:
        return event
    if not fields:
        return {**event, **derived}
    event.update(derived)
    return event


def record_key(event: Event) -> bytes | None:
    """The Kafka key of a canonical event: the first of externalId, moengageUserId and event_uuid, as UTF-8."""
    identities = event.get("identities")
    if isinstance(identities, dict):
        for name in ("externalId", "moengageUserId"):
            if (text := _text(identities.get(name))) is not None:
                return text.encode()
    text = _text(event.get("event_uuid"))
    return None if text is None else text.encode()


def _without_blanks(event: Event) -> Event:
    blank = [name for name in _OBJECTS if event.get(name) in BLANK]
    return {name: value for name, value in event.items() if name not in blank} if blank else event


def _identities(event: Event, known: Event) -> Event | None:
    """What the event says of identities that ``known`` lacks (:func:`_lacks`); None is nothing. Once an event: no loops."""
    get, has = event.get, known.get
    found: Event | None = None
    if (value := get("uid")) is not None and _lacks(has("externalId")) and (text := _text(value)) is not None:
        found = {"externalId": text}
    if (value := get("email_id")) is not None and _lacks(has("email")) and (text := _text(value)) is not None:
        found = {**(found or NO_FIELDS), "email": text}
    if (value := get("mobile_number")) is not None and _lacks(has("phone")) and (text := _text(value)) is not None:
        found = {**(found or NO_FIELDS), "phone": text}
    attributes = get("user_attributes")
    if (
        isinstance(attributes, dict)
        and (value := attributes.get("moengage_user_id")) is not None
        and _lacks(has("moengageUserId"))
        and (text := _text(value)) is not None
    ):
        found = {**(found or NO_FIELDS), "moengageUserId": text}
    return found


def _replaces(known: Event, more: Event) -> bool:
    return any(isinstance(value := known.get(name), dict | list | bool) and value not in BLANK for name in more)


def _lacks(value: Any) -> bool:
    """Whether an identity's value names nobody, whoever else it may belong to: nothing, blanks, or no text and no number."""
    if isinstance(value, str):
        return not value or value.isspace()
    return value is None or isinstance(value, dict | list | bool)


def _text(value: Any) -> str | None:
    """An identifier as text, or None where it names nobody."""
    if isinstance(value, str):
        return value if value and not value.isspace() else None
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) <= _EXACT else None
    return str(value) if isinstance(value, int) else None
