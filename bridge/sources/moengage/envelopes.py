"""MoEngage's three envelopes become one canonical event (public documents: Streams, S3 exports, Adobe partner page).

====================  ==============================================================  =========================
envelope              shape                                                           told apart by
====================  ==============================================================  =========================
single event          ``{"event_code": …, "identities": {…}, …}``                     a name of its own
batch                 ``{"app_name": …, "events": [{…}, …]}``                         ``events`` is a list; an ``event``
                                                                                      beside it is one more
line of a file export ``{"app_name": …, "export_day": …, "event": {…}}``              ``event`` is an object
several of these      ``[{…}, {…}]``                                                  an array at the top
====================  ==============================================================  =========================

An event has a name of its own when ``event_code``, ``event_name`` or ``event_uuid`` is there and not null. That is asked
first, so that an event which happens to carry a key ``events`` stays one event however often it is read; only where no
``event_code`` stands beside events, or one that says nothing, it is the batch that has a name or an id.
What is made of each event: :mod:`bridge.sources.moengage.canonical`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeGuard

from bridge.model.event import ANY, MOST, Bound, Event, Refusal
from bridge.sources.http.json_exact import Unwritable
from bridge.sources.http.json_reading import encode, unwritable
from bridge.sources.moengage.canonical import BLANK, NO_FIELDS, canonical, is_complete

if TYPE_CHECKING:
    from collections.abc import Sequence


_NAMES = ("event_code", "event_uuid", "event_name")
_NOT_AN_OBJECT = Refusal("not_an_object", "the body is JSON but not an object")
_NOT_AN_EVENT = Refusal(
    "not_an_event", "neither an event (event_code, event_name or event_uuid) nor an envelope (events or event)"
)
_ITEM_NOT_AN_OBJECT = Refusal("not_an_object", "an element of events is not an object")
_ITEM_NOT_AN_EVENT = Refusal("not_an_event", "an event without event_code, event_name and event_uuid")
_TOO_MANY = Refusal(
    "too_many_events", "the events, each with the fields of its envelope, are more than one record may hold"
)


def events_of(document: Any, bound: Bound = MOST) -> Sequence[Event | Refusal]:
    """Every event of ``document`` in canonical form, in order; a :class:`Refusal` where something is no event.

    The input is never changed. A canonical event comes back as itself, and parts may be shared with the input. What would
    become more than ``bound`` is one refusal, and nothing is made of it.
    """
    if not isinstance(document, dict):
        return (_NOT_AN_OBJECT,) if (several := _documents(document)) is None else _several(several, bound)
    if is_complete(document):
        return (document,)
    if _is_event(document):
        return (canonical(document, NO_FIELDS),)
    events = document.get("events")
    if isinstance(events, list):
        if not _fits(document, bound):
            return (_TOO_MANY,)
        fields = _fields(document, "events")
        if _is_event(beside := document.get("event")):
            events = [*events, beside]
            del fields["event"]
        return [
            canonical(event, fields)
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
        return (canonical(event, _fields(document, "event")),)
    for marker in (events, event):
        if isinstance(marker, Unwritable):
            return (unwritable(marker),)
    return (_NOT_AN_EVENT,)


def weigh(document: Any) -> Bound:
    """How many events ``document`` becomes, refused ones too, and how many bytes of envelope fields are copied for them."""
    events = copied = 0
    several = _documents(document)
    for element in (document,) if several is None else several:
        inner = _batch(element)
        if inner is None:
            events += 1
        else:
            events += len(inner)
            fields = encode(_fields(element, "events")) if len(inner) > 1 else b""
            copied += 0 if isinstance(fields, Refusal) else len(fields) * len(inner)
    return Bound(events, copied)


def isolate(document: Any, index: int) -> Any:
    """``document`` with only its ``index``-th event, in its envelope: what a dead letter of that event holds."""
    if (several := _documents(document)) is not None:
        for element in several:
            inner = _batch(element)
            count = 1 if inner is None else len(inner)
            if index < count:
                return isolate(element, index) if isinstance(element, dict) else [element]
            index -= count
    inner = _batch(document)
    if inner is None:
        return document
    alone = {**document, "events": [inner[index]]}
    if _is_event(document.get("event")):
        del alone["event"]
    if _is_event(alone):
        # Beside this one alone what names the batch would be an event's.
        for name in _NAMES:
            alone.pop(name, None)
    return alone


def _documents(value: Any) -> list[Any] | None:
    """The documents of an array at the top; None where ``value`` is one document, or an array of something else."""
    if isinstance(value, list) and (not value or any(isinstance(element, dict) for element in value)):
        return value
    return None


def _several(documents: list[Any], bound: Bound) -> Sequence[Event | Refusal]:
    if not _fits(documents, bound):
        return (_TOO_MANY,)
    found: list[Event | Refusal] = []
    for document in documents:
        found.extend(events_of(document, ANY) if isinstance(document, dict) else (_NOT_AN_OBJECT,))
    return found


def _fits(document: Any, bound: Bound) -> bool:
    if bound is ANY:
        return True
    weight = weigh(document)
    return weight.events <= bound.events and weight.bytes <= bound.bytes


def _batch(document: Any) -> list[Any] | None:
    """The events of a batch, one that stands beside them as ``event`` the last; None for anything else."""
    if isinstance(document, dict) and not _is_event(document):
        events = document.get("events")
        if isinstance(events, list):
            return [*events, beside] if _is_event(beside := document.get("event")) else events
    return None


def _is_event(value: Any) -> TypeGuard[Event]:
    if not isinstance(value, dict):
        return False
    code = value.get("event_code")
    if code.__class__ is str and code and not code.isspace():
        return True
    if code is not None and code.__class__ is not str and code not in BLANK:
        return True
    return _is_named(value) and not _names_its_batch(value)


def _names_its_batch(value: Event) -> bool:
    """Whether what names an event stands beside named events, and so is the envelope's."""
    events = value.get("events")
    return _is_named(value.get("event")) or (isinstance(events, list) and any(map(_is_named, events)))


def _is_named(value: Any) -> bool:
    return isinstance(value, dict) and any(value.get(name) is not None for name in _NAMES)


def _fields(envelope: Event, events: str) -> Event:
    # An id of the envelope is nobody's event id: inherited, it would make one event of a whole batch. Nor is its name.
    return {name: value for name, value in envelope.items() if name not in (events, "id", *_NAMES)}
