"""A profile of Adobe's, in whichever of its three shapes, becomes one canonical profile. Pure.

==================  ==============================================================================================================
HTTP API, Kinesis,  the XDM profile itself: mapped attributes at their XDM paths, beside ``identityMap`` and ``segmentMembership``
Event Hubs
our template        ``{"profile": {"attributes": {"x": {"value": …}}, "identityMap": …, "segmentMembership": …}, "encoded_names": …}``,
                    and ``names`` where they are not encoded for URLs
Adobe's samples     ``{"identities": [{"type", "id"}], "attributes": {…}, "AdobeExperiencePlatformSegments": {"add", "remove"}}``,
                    ``{"external_id": …, "AEPSegments": {"add", "remove"}, "firstName": …}``
==================  ==============================================================================================================

A canonical profile has ``kind`` (profile), ``customer_id``, ``identities``, ``audiences`` (:mod:`bridge.sources.adobe.audiences`),
its attributes at their XDM paths, and below ``attributes`` those that have a name and no such path.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from bridge.model.event import LeftOut
from bridge.sources.adobe.audiences import LISTS, audiences_of, plain_names
from bridge.sources.adobe.identities import as_id, customer_ids, identities_of
from bridge.sources.adobe.refusing import ATTRIBUTES_FORM, Unreadable, unambiguous

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bridge.model.event import Event
    from bridge.sources.adobe.audiences import Audience
    from bridge.sources.adobe.identities import Identities
    from bridge.sources.adobe.reading import ProfileReading

OWN: Final = frozenset(
    {"kind", "customer_id", "received_at", "identities", "audiences", "audienceNames", "attributes", "event"}
)
"""Members of a canonical profile that are none of XDM's."""
_READ: Final = frozenset({"identityMap", "segmentMembership", "identities", "attributes", *LISTS})
_FLAT_ID: Final = "external_id"
XDM_PATHS: Final = {
    "firstname": ("person", "name", "firstName"),
    "lastname": ("person", "name", "lastName"),
    "birthdate": ("person", "birthDate"),
    "birthday": ("person", "birthDate"),
    "gender": ("person", "gender"),
    "email": ("personalEmail", "address"),
    "emailaddress": ("personalEmail", "address"),
    "mobile": ("mobilePhone", "number"),
    "mobilenumber": ("mobilePhone", "number"),
    "mobilephone": ("mobilePhone", "number"),
}
"""By a target attribute's name in lower case and without ``_``: the attribute of XDM that everybody means by it."""
_TEST_AUDIENCE: Final = re.compile(r"segmentid[0-9]+")
_TEST_ID: Final = re.compile(r"-[A-Za-z0-9]{5}")
_BLANK: Final[tuple[Any, ...]] = ([], "")
"""What some templates print where there is nothing."""
VERIFY_ID: Final = "aep-bridge-verify"
"""Id of the person that ``aep-bridge setup verify`` has Adobe post: in any namespace, as the connection maps it to another name."""
TEST_PROFILE: Final = "test_profile"
"""Rule of profiles that Adobe's test calls make up."""
NO_AUDIENCE: Final = "audience"
"""Rule of profiles that say nothing but audiences that the settings do not let through."""


def profiles_of(unit: Mapping[str, Any], reading: ProfileReading, *, flat: bool) -> Sequence[Event]:
    """The canonical profile of a message: one, or one for each customer id where the settings say so.

    ``flat``: attributes, identities and lists of audiences stand side by side. Raises :class:`~bridge.sources.adobe.refusing.Unreadable` with a ``Refusal``, or with ``LeftOut`` for what rules keep back.
    """
    inner = unambiguous(unit.get("profile"))
    names = plain_names(unit.get("names"), unit.get("encoded_names"))
    profile = inner if inner.__class__ is dict else unit
    flat = flat or (any(member in profile for member in LISTS) and "segmentMembership" not in profile)
    namespace = reading.namespace
    identities = _identities(profile, namespace, flat=flat)
    if _is_made_up(profile, identities):
        raise Unreadable(LeftOut(TEST_PROFILE))
    audiences, others = audiences_of(profile, names, reading.chosen)
    attributes = _attributes(profile, namespace, flat=flat)
    if others and not audiences and not attributes:
        raise Unreadable(LeftOut(NO_AUDIENCE))
    ids = customer_ids(identities, reading)
    return [_canonical(one, identities, attributes, audiences) for one in ids]


def _canonical(
    customer_id: str | None, identities: Identities, attributes: Mapping[str, Any], audiences: Sequence[Audience]
) -> Event:
    event: Event = {"kind": "profile"}
    if customer_id is not None:
        event["customer_id"] = customer_id
    event["identities"] = identities
    event.update(attributes)
    if audiences:
        event["audiences"] = audiences
    return event


def _identities(profile: Mapping[str, Any], namespace: str, *, flat: bool) -> Identities:
    found = identities_of(profile.get("identityMap"), profile.get("identities"))
    for name, value in profile.items() if flat else ():
        lower = name.lower()
        if lower in (_FLAT_ID, namespace) and (one := as_id(value)) is not None:
            known = found.setdefault(lower, [])
            if one not in known:
                known.append(one)
    return found


def _attributes(profile: Mapping[str, Any], namespace: str, *, flat: bool) -> dict[str, Any]:
    """Attributes at their XDM paths; below ``attributes`` those that have none. Nulls without a path say nothing."""
    found: dict[str, Any] = {}
    named: dict[str, Any] = {}
    for name, value in profile.items():
        if name in _READ:
            continue
        if flat:
            if name.lower() not in (_FLAT_ID, namespace):
                named[name] = value
        elif name in OWN:
            named[name] = value
        else:
            found[name] = value
    given = unambiguous(profile.get("attributes"))
    if given.__class__ is dict:
        named |= given
    elif given is not None and given not in _BLANK:
        raise Unreadable(ATTRIBUTES_FORM)
    own: dict[str, Any] = {}
    for name, wrapped in named.items():
        value = _value(wrapped)
        if value is None:
            continue
        path = XDM_PATHS.get(name.replace("_", "").lower()) or tuple(name.split("."))
        if len(path) == 1 or path[0] in OWN or not _put(found, path, value):
            own[name] = value
    if own:
        found["attributes"] = own
    return found


def _value(wrapped: Any) -> Any:
    """``{"value": x}`` as templates print an attribute, ``{}`` for one that the profile does not have; else the value itself."""
    if wrapped.__class__ is not dict:
        return wrapped
    return wrapped.get("value") if not wrapped or "value" in wrapped else wrapped


def _put(found: dict[str, Any], path: Sequence[str], value: Any) -> bool:
    """Whether the value could be put at its path, where nothing else stands; nothing of a message is changed for it."""
    if not all(path):
        return False
    at: Any = found
    for step in path[:-1]:
        inner = at.get(step)
        if inner is not None and inner.__class__ is not dict:
            return False
        inner = dict(inner or {})
        at[step] = inner
        at = inner
    if at.get(path[-1]) is not None:
        return False
    at[path[-1]] = value
    return True


def _is_made_up(profile: Mapping[str, Any], identities: Identities) -> bool:
    """Whether it was made for a test call: Adobe's ids as ``user_id-h29Fq``, audiences as ``segmentid1``, or our own id."""
    memberships = profile.get("segmentMembership")
    if memberships.__class__ is dict and any(_TEST_AUDIENCE.fullmatch(one) for one in _members(memberships)):
        return True
    if any(VERIFY_ID in ids for ids in identities.values()):
        return True
    return bool(identities) and all(
        one.lower().startswith(namespace) and _TEST_ID.fullmatch(one[len(namespace) :]) is not None
        for namespace, ids in identities.items()
        for one in ids
    )


def _members(memberships: Mapping[str, Any]) -> Iterator[str]:
    for members in memberships.values():
        if members.__class__ is dict:
            yield from members
