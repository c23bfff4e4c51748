"""Elements as bytes, and requests made of them: the bulk call's body, and the address of each single call. Pure.

Shapes: MoEngage's Data OpenAPI description (bulk import, Track User, Track Event, Track Device). An element's JSON begins with its
type and, for an event, each action with its name, so that what an element counts for is read off its bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from bridge.destinations.moengage.remarks import Remark, rejection_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bridge.destinations.moengage.elements import Element
    from bridge.model.verdicts import Rejected

HEAD: Final = b'{"type":"transition","elements":['
TAIL: Final = b"]}"
FRAME_BYTES: Final = len(HEAD) + len(TAIL)
SEPARATOR: Final = b","
_USER: Final = b'{"type":"customer"'
_EVENT: Final = b'{"type":"event"'
_DEVICE: Final = b'{"type":"device"'
_ACTION: Final = b'{"action":'


def encode(element: Element, most_bytes: int) -> bytes | Rejected:
    """The element as it stands in a request; ``Rejected`` when it is no JSON or alone exceeds ``most_bytes`` of a request."""
    try:
        item = orjson.dumps(in_order(element.kind, element.value))
    except TypeError as error:  # integers beyond 64 bits, lone surrogates, nesting beyond 254
        return rejection_of([Remark(element.path, "not_json", str(error), element.kind)])
    if len(item) + FRAME_BYTES > most_bytes:
        reason = f"it makes a request of {len(item) + FRAME_BYTES} bytes, {most_bytes} are allowed"
        return rejection_of([Remark(element.path, "too_large", reason, element.kind)])
    return item


def in_order(kind: str, value: Mapping[str, Any]) -> Mapping[str, Any]:
    """The element with its type first, and each action's name first: as :func:`users` and :func:`events` look for them.

    Who is identified by attributes has no customer id.
    """
    value = {"type": value["type"], **value}
    if value.get("customer_id", "") is None:
        del value["customer_id"]
    actions = value.get("actions")
    if kind == "event" and actions:
        value["actions"] = [{"action": action["action"], **action} for action in actions]
    return value


def users(item: bytes) -> int:
    """What an element counts for against the budget of users."""
    return 1 if item.startswith(_USER) else 0


def events(item: bytes) -> int:
    """What an element counts for against the budget of events: its actions, never fewer than there are."""
    return item.count(_ACTION) if item.startswith(_EVENT) else 0


def devices(item: bytes) -> int:
    """What an element counts for against the budget of devices."""
    return 1 if item.startswith(_DEVICE) else 0


def bulk(items: Sequence[bytes]) -> bytes:
    """The body of a bulk request of one or more elements."""
    return HEAD + SEPARATOR.join(items) + TAIL


def path_of(item: bytes) -> str:
    """The single call that takes an element: ``customer``, ``event`` or ``device``."""
    return "customer" if item.startswith(_USER) else "event" if item.startswith(_EVENT) else "device"
