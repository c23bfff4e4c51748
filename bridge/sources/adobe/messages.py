"""What Adobe posts, in whatever envelope, becomes canonical profiles and events, in order. Pure.

Envelopes: one object, an array of them, ``{"profiles": […]}`` (our template, and samples of Adobe's), ``{"attributes": […]}``
(the sample of the Destination SDK), ``{"events": […]}``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from bridge.sources.adobe.audiences import INSTANTS_BELOW, LISTS
from bridge.sources.adobe.happenings import events_of, is_happening
from bridge.sources.adobe.profiles import profiles_of
from bridge.sources.adobe.refusing import NO_OBJECT, NO_PROFILE, Unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bridge.model.event import Event, LeftOut, Refusal
    from bridge.sources.adobe.reading import ProfileReading

Envelope = Literal["profiles", "attributes", "events"]
"""The member that holds several messages. Those of ``attributes`` have attributes, identities and lists of audiences side by side."""
_ENVELOPES: Final[tuple[Envelope, ...]] = ("profiles", "attributes", "events")
_MARKS: Final = ("identityMap", "identities", "segmentMembership", "profile", *LISTS)
_KINDS: Final = ("profile", "event")
_STATES: Final = ("member", "exited")
_DEPTH: Final = 3


def is_canonical(document: Any) -> bool:
    """Whether the document is what a receiver has made of a message: every member that others rely on has its form."""
    if (
        document.__class__ is not dict
        or document.get("kind") not in _KINDS
        or not _is_instant(document.get("received_at"))
        or document.get("identities").__class__ is not dict
        or document.get("customer_id", "").__class__ is not str
    ):
        return False
    if document["kind"] == "event":
        return document.get("event").__class__ is dict
    audiences = document.get("audiences")
    return audiences is None or (audiences.__class__ is list and all(map(_is_audience, audiences)))


def _is_audience(one: Any) -> bool:
    return (
        one.__class__ is dict
        and one.get("namespace").__class__ is str
        and one.get("id").__class__ is str
        and one.get("name").__class__ is str
        and one.get("status") in _STATES
        and (one.get("at") is None or _is_instant(one["at"]))
    )


def _is_instant(value: Any) -> bool:
    return value.__class__ is int and abs(value) < INSTANTS_BELOW


def units_of(
    document: Any, envelope: Envelope | None = None, depth: int = _DEPTH
) -> Iterator[tuple[Any, Envelope | None]]:
    """The single messages of a document, and the envelope in which each stands."""
    if document.__class__ is list and depth:
        for one in document:
            yield from units_of(one, envelope, depth - 1)
        return
    if document.__class__ is dict and depth and not any(mark in document for mark in _MARKS):
        for name in _ENVELOPES:
            if document.get(name).__class__ is list:
                yield from units_of(document[name], name, depth - 1)
                return
    yield document, envelope


def read_unit(unit: Any, envelope: Envelope | None, reading: ProfileReading) -> Sequence[Event | Refusal | LeftOut]:
    """The canonical events of one message; what is canonical gives itself, and an empty object nothing."""
    if unit.__class__ is not dict:
        return (NO_OBJECT,)
    if not unit:
        return ()
    if is_canonical(unit):
        return (unit,)
    try:
        if envelope == "events" or (envelope is None and is_happening(unit)):
            return events_of(unit, reading)
        if envelope != "attributes" and not any(mark in unit for mark in _MARKS):
            return (NO_PROFILE,)
        return profiles_of(unit, reading, flat=envelope == "attributes")
    except Unreadable as found:
        return (found.instead,)


def most_events(unit: Any, reading: ProfileReading) -> tuple[int, int]:
    """How many events a message becomes at most, and about how many bytes are copied to each of several."""
    if unit.__class__ is not dict:
        return 1, 0
    actions = unit.get("actions")
    several = max(1, len(actions)) if actions.__class__ is list else 1
    if reading.several == "each":
        several *= _most_ids(unit)
    return several, (size_of(unit) if several > 1 else 0)


def _most_ids(unit: Mapping[str, Any]) -> int:
    profile = unit.get("profile")
    profile = profile if profile.__class__ is dict else unit
    event = unit.get("event")
    given = [
        one.get(name)
        for one in (profile, event if event.__class__ is dict else {})
        for name in ("identityMap", "identities", "customer", "customer_id", "customerId", "user_id", "userId", "uid")
    ]
    count = 2
    for one in given:
        if one.__class__ is dict:
            count += sum(len(ids) if ids.__class__ is list else 1 for ids in one.values())
        elif one.__class__ is list:
            count += sum(_ids_of_entry(entry) for entry in one)
    return count


def _ids_of_entry(entry: Any) -> int:
    lists = [value for value in entry.values() if value.__class__ is list] if entry.__class__ is dict else []
    return max(1, *map(len, lists)) if lists else 1


def size_of(value: Any) -> int:
    """Bytes of a value as JSON, near enough for a bound."""
    stack, size = [value], 0
    while stack:
        one = stack.pop()
        if one.__class__ is dict:
            size += 4 * len(one) + sum(map(len, one))
            stack += one.values()
        elif one.__class__ is list:
            size += len(one)
            stack += one
        else:
            size += len(one) if one.__class__ is str else 8
    return size


def key_of(event: Mapping[str, Any]) -> bytes | None:
    """The Kafka key: the customer, else an anonymous id; all events of one customer stay in order."""
    key = event.get("customer_id")
    if key is None:
        known = sorted((namespace, ids[0]) for namespace, ids in event["identities"].items() if ids)
        if not known:
            return None
        key = ":".join(known[0])
    return key.encode("utf-8", errors="replace")
