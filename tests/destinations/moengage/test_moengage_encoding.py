"""Elements as bytes and requests made of them."""

from __future__ import annotations

import orjson

from bridge.destinations.moengage.elements import Element
from bridge.destinations.moengage.encoding import (
    FRAME_BYTES,
    SEPARATOR,
    bulk,
    devices,
    encode,
    events,
    path_of,
    users,
)
from bridge.model.verdicts import Rejected

USER = {"customer_id": "C-1", "type": "customer", "attributes": {"a": {"action": 1}}}
EVENT = {
    "customer_id": "C-1",
    "type": "event",
    "actions": [{"platform": "web", "action": "a"}, {"action": "b", "attributes": {"type": "customer"}}],
}
DEVICE = {"type": "device", "customer_id": "C-1", "device_id": "d", "attributes": {"platform": "web"}}


def _item(value):
    return encode(Element(value["type"], value, f"#/{value['type']}"), 95_000)


def test_what_an_element_counts_for() -> None:
    """Users, events and devices are read off the bytes; an event counts by its actions."""
    counts = {
        kind["type"]: [count(_item(kind)) for count in (users, events, devices)] for kind in (USER, EVENT, DEVICE)
    }
    assert counts == {"customer": [1, 0, 0], "event": [0, 2, 0], "device": [0, 0, 1]}
    assert [path_of(_item(kind)) for kind in (USER, EVENT, DEVICE)] == ["customer", "event", "device"]


def test_a_request_holds_its_elements_as_they_are() -> None:
    """Frame and separators are what the arithmetic of batches takes them for."""
    items = [_item(kind) for kind in (USER, EVENT, DEVICE)]
    body = bulk(items)
    assert orjson.loads(body) == {"type": "transition", "elements": [USER, EVENT, DEVICE]}
    assert len(body) == FRAME_BYTES + sum(map(len, items)) + len(SEPARATOR) * 2


def test_what_no_request_can_hold() -> None:
    """An element that alone exceeds a request, or is no JSON, is refused before it is tried."""
    large = encode(Element("customer", {**USER, "attributes": {"a": "x" * 300}}, "#/customer"), 300)
    assert isinstance(large, Rejected)
    assert large.code == "too_large"
    odd = encode(Element("customer", {**USER, "attributes": {"a": "\ud800"}}, "#/customer"), 300)
    assert isinstance(odd, Rejected)
    assert odd.code == "not_json"
