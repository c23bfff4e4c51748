"""Reading users back: the only way to see that what MoEngage accepted was stored. Pure: requests, answers and comparison.

Get User gives up to 20 users a call by customer id, 1,000 a minute (MoEngage's Data OpenAPI description). Attributes are compared as
far as a call sets them; what the bridge knows to be cut, retyped or ignored is told by its findings and is not compared again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from bridge.destinations.moengage.limits import EDITS, NOT_UPDATED, VALUE_CHARACTERS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST_USERS: Final = 20
_NOT_COMPARED: Final = frozenset({*EDITS, "platforms", *NOT_UPDATED})


class Found(NamedTuple):
    """What Get User says: the attributes by customer id, and who is not there."""

    users: Mapping[str, Mapping[str, Any]]
    absent: frozenset[str]


def request_of(wanted: Mapping[str, Mapping[str, Any]]) -> bytes:
    """The body that asks for these customers' attributes: customer id -> attributes as they were sent. At most 20 customers."""
    names = sorted({name for attributes in wanted.values() for name in attributes})
    identifiers = [{"identifier_type": "customer_id", "identifier": customer} for customer in wanted]
    return orjson.dumps({"data": {"identifiers": identifiers, "user_fields_to_export": ["customer_id", *names]}})


def read_users(body: bytes) -> Found | None:
    """The answer of Get User; None where it is not in the documented form."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    data = document.get("data") if isinstance(document, dict) else None
    if not isinstance(data, dict):
        return None
    users: dict[str, Mapping[str, Any]] = {}
    for one in data.get("users") or ():
        attributes = one.get("user_attributes") if isinstance(one, dict) else None
        customer = attributes.get("customer_id") if isinstance(attributes, dict) else None
        if isinstance(customer, str) and isinstance(attributes, dict):
            users[customer] = attributes
    absent = {
        one["identifier"]
        for one in data.get("users_not_found") or ()
        if isinstance(one, dict) and isinstance(one.get("identifier"), str)
    }
    return Found(users, frozenset(absent))


def to_compare(element: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of a user's element that must be there afterwards as they were sent."""
    attributes = element.get("attributes")
    if element.get("type") != "customer" or not isinstance(attributes, dict):
        return {}
    return {
        name: value
        for name, value in attributes.items()
        if name not in _NOT_COMPARED
        and not isinstance(value, dict)
        and not (isinstance(value, str) and (not value or len(value) > VALUE_CHARACTERS))
        and not (isinstance(value, list) and any(isinstance(one, dict | list) or one is None for one in value))
    }


def differing(sent: Mapping[str, Any], stored: Mapping[str, Any]) -> Sequence[str]:
    """Names of attributes that are not as they were sent. MoEngage may give a number as text, and a date with its milliseconds."""
    return [name for name, value in sent.items() if not _same(value, stored.get(name))]


def _same(sent: Any, stored: Any) -> bool:
    if isinstance(sent, list):
        if not isinstance(stored, list):
            return False
        return sorted(map(_text, sent)) == sorted(map(_text, stored))
    return _text(sent) == _text(stored)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value).strip()
    if isinstance(value, str) and text.lower() in ("true", "false"):
        return text.lower()
    # The forms in which one instant comes back.
    for tail in (".000Z", "+00:00", "+0000"):
        if len(text) > len(tail) + 18 and text.endswith(tail):
            return text.removesuffix(tail).replace(" ", "T") + "Z"
    return text
