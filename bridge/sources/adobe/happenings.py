"""Events that Event Forwarding and Journey Optimizer's custom action post: bodies of their author's making. Pure.

What is expected::

    {"name": "Order placed", "customer": "C-100", "attributes": {"total": 20.5}, "moe_project_name": "Shop EU",
     "time": "2026-11-02T08:15:30Z", "platform": "web"}

``customer`` may be an object of identities by namespace, or ``identityMap`` stand in its place. The names that MoEngage, Segment and
others use for the same are taken too, members that are none of these are attributes, and MoEngage's own event element with its
``actions`` is read as such.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bridge.sources.adobe.audiences import LISTS, instant
from bridge.sources.adobe.identities import as_id, customer_ids, identities_of
from bridge.sources.adobe.refusing import NO_NAME, Unreadable, unambiguous

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bridge.model.event import Event
    from bridge.sources.adobe.identities import Identities
    from bridge.sources.adobe.reading import ProfileReading

_NAMES: Final = ("name", "event", "event_name", "eventName", "action", "eventType")
_CUSTOMERS: Final = ("customer", "customer_id", "customerId", "user_id", "userId", "uid")
_ATTRIBUTES: Final = ("attributes", "properties", "event_attributes", "eventAttributes", "data")
_TIMES: Final = ("time", "timestamp", "event_time", "eventTime", "user_time", "current_time")
_PROJECT: Final = "moe_project_name"
_BESIDE: Final = ("platform", "app_version", "user_timezone_offset")
_ANONYMOUS: Final = ("anonymous_id", "anonymousId")
_KNOWN: Final = frozenset(
    {
        *_NAMES,
        *_CUSTOMERS,
        *_ATTRIBUTES,
        *_TIMES,
        _PROJECT,
        *_BESIDE,
        *_ANONYMOUS,
        "identityMap",
        "identities",
        "actions",
    }
    | {"type", "id", "_id", "v"}
)
_ACTIONS: Final = "actions"
_PROFILE_MARKS: Final = ("segmentMembership", "profile", *LISTS)


def is_happening(unit: Mapping[str, Any]) -> bool:
    """Whether the object is an event, and no profile."""
    if any(mark in unit for mark in _PROFILE_MARKS):
        return False
    if unit.get(_ACTIONS).__class__ is list or unit.get("event").__class__ is dict:
        return True
    has_name = any(unit.get(name).__class__ is str for name in _NAMES)
    return has_name and ("identityMap" in unit or any(name in unit for name in (*_CUSTOMERS, *_ATTRIBUTES)))


def events_of(unit: Mapping[str, Any], reading: ProfileReading) -> Sequence[Event]:
    """The canonical events of a message: one, one for each of its ``actions``, or for each customer id where the settings say so.

    Raises :class:`~bridge.sources.adobe.refusing.Unreadable`.
    """
    own = unit
    if (inner := unit.get("event")).__class__ is dict:
        own = {**inner}
        unit = {**{name: value for name, value in unit.items() if name != "event"}, **own}
    identities, ids = _customers(unit, reading)
    actions = unit.get(_ACTIONS)
    if actions.__class__ is list and actions:
        told = [_told(one, unit, {}) for one in actions]
    else:
        told = [_told(unit, unit, {name: value for name, value in own.items() if name not in _KNOWN})]
    return [_canonical(one, identities, event) for one in ids for event in told]


def _canonical(customer_id: str | None, identities: Identities, told: Mapping[str, Any]) -> Event:
    event: Event = {"kind": "event"}
    if customer_id is not None:
        event["customer_id"] = customer_id
    return event | {"identities": identities, "event": told}


def _customers(unit: Mapping[str, Any], reading: ProfileReading) -> tuple[Identities, Sequence[str | None]]:
    given = next((value for name in _CUSTOMERS if (value := unambiguous(unit.get(name))) is not None), None)
    said = as_id(given)
    # An object holds identities by namespace, a list those of the Destination SDK's samples.
    maps = [unit.get("identityMap"), unit.get("identities"), None if said else given]
    maps += [{name: unit.get(name)} for name in _ANONYMOUS if unit.get(name) is not None]
    identities = identities_of(*maps)
    return identities, (said,) if said else customer_ids(identities, reading)


def _told(one: Any, unit: Mapping[str, Any], others: dict[str, Any]) -> dict[str, Any]:
    """Name, time, attributes and what else MoEngage takes of an event; ``unit`` is what it stands in, ``others`` are attributes too."""
    if one.__class__ is not dict:
        raise Unreadable(NO_NAME)
    name = next((text for key in _NAMES if (text := _name(one.get(key)))), "")
    if not name:
        raise Unreadable(NO_NAME)
    told: dict[str, Any] = {"name": name}
    time = next((value for key in _TIMES if (value := instant(one.get(key))) is not None), None)
    if time is not None:
        told["time"] = time // 1_000
    attributes = {name: value for name, value in others.items() if value is not None}
    for key in _ATTRIBUTES:
        given = unambiguous(one.get(key))
        if isinstance(given, dict):
            attributes |= given
        elif given is not None:  # not what the word promises, and nothing to lose either
            attributes[key] = given
    project = unambiguous(one.get(_PROJECT, unit.get(_PROJECT)))
    if project is not None:
        attributes.setdefault(_PROJECT, project)
    told |= {key: value for key in _BESIDE if (value := unambiguous(one.get(key))) is not None}
    if attributes:
        told["attributes"] = attributes
    return told


def _name(given: Any) -> str:
    return given.strip() if unambiguous(given).__class__ is str else ""
