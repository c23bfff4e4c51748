"""Events of Event Forwarding and of Journey Optimizer's custom action, in the bodies that people write."""

import orjson
import pytest

from bridge.model.event import ANY
from bridge.settings import AdobeSettings
from bridge.sources.adobe.decoder import AdobeDecoder

NOW = 1_793_607_331_000_000
DECODER = AdobeDecoder(AdobeSettings(), now=lambda: NOW * 1000)
ORDER = {
    "name": "Order placed",
    "customer": "C-100",
    "attributes": {"total": 20.5, "coupon": "SPRING"},
    "moe_project_name": "Shop EU",
    "time": "2026-11-02T08:15:30Z",
    "platform": "web",
}
CANONICAL = {
    "kind": "event",
    "customer_id": "C-100",
    "received_at": NOW,
    "identities": {},
    "event": {
        "name": "Order placed",
        "time": 1793607330000,
        "platform": "web",
        "attributes": {"total": 20.5, "coupon": "SPRING", "moe_project_name": "Shop EU"},
    },
}


def events(document, by=DECODER):
    """What the document becomes."""
    return list(by.events_of(document, ANY))


@pytest.mark.parametrize(
    "document",
    [
        ORDER,
        {
            **{key: value for key, value in ORDER.items() if key != "attributes"},
            **ORDER["attributes"],
            "coupon": "SPRING",
        },
        {"event": {**ORDER, "id": "e-1"}, "journeyVersion": 7},
        [ORDER],
        {"events": [ORDER]},
        {"event": ORDER},
        {"event": {key: value for key, value in ORDER.items() if key != "customer"}, "customer_id": "C-100"},
        {
            "eventName": "Order placed",
            "userId": "C-100",
            "properties": {**ORDER["attributes"], "moe_project_name": "Shop EU"},
            "timestamp": 1793607330000,
            "platform": "web",
        },
        {
            "type": "event",
            "customer_id": "C-100",
            "actions": [
                {
                    "action": "Order placed",
                    "attributes": {**ORDER["attributes"], "moe_project_name": "Shop EU"},
                    "user_time": "2026-11-02T08:15:30+00:00",
                    "platform": "web",
                }
            ],
        },
    ],
)
def test_one_event_in_many_spellings(document):
    """The expected body, envelopes, other names for the same, and MoEngage's own element are one canonical event."""
    assert events(document) == [CANONICAL]


def test_identities_in_place_of_a_customer():
    """An object by namespace, or an identityMap: the namespace of the settings names the customer."""
    for who in (
        {"customer": {"USER_ID": "C-100", "ecid": "1"}},
        {"identityMap": {"user_id": [{"id": "C-100"}], "ecid": "1"}},
    ):
        (event,) = events({"name": "Order placed", "attributes": {}, **who})
        assert event["customer_id"] == "C-100"
        assert event["identities"] == {"user_id": ["C-100"], "ecid": ["1"]}


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ({"name": "A b", "attributes": {}, "anonymousId": "x"}, "anonymous_only"),
        ({"name": "A b", "attributes": {}, "customer": {"ecid": "x"}}, "anonymous_only"),
        ({"name": "A b", "attributes": {}}, "no_customer_id"),
        ({"customer_id": "C", "actions": [{"attributes": {}}]}, "event_without_name"),
        ({"customer_id": "C", "actions": ["A b"]}, "event_without_name"),
        ({"event": {"customer": "C"}}, "event_without_name"),
        ({"customer": "C", "name": 7}, "not_a_profile"),
    ],
)
def test_what_is_no_event_of_a_customer_is_refused(document, code):
    """A dead letter with a code; anonymous users have no events in MoEngage."""
    assert [each.code for each in events(document)] == [code]


def test_several_actions_keep_their_order_and_stand_alone_as_dead_letters():
    """Each action is an event; what is set aside is one of them."""
    document = {"customer_id": "C-100", "actions": [{"action": "A b"}, {"action": "C d"}]}
    found = events(document)
    assert [each["event"]["name"] for each in found] == ["A b", "C d"]
    for index, event in enumerate(found):
        assert events(DECODER.isolate(document, index)) == [event]
        assert list(DECODER.decode(orjson.dumps(event))) == [event]


def test_what_is_no_object_of_attributes_is_an_attribute():
    """Nothing of an event is lost because of what its author calls it."""
    (event,) = events(
        {"name": "A b", "customer": "C-1", "data": "x", "properties": {"a": 1}, "cart": ["s"], "none": None}
    )
    assert event["event"]["attributes"] == {"cart": ["s"], "a": 1, "data": "x"}


def test_a_time_that_is_none_is_left_to_moengage():
    """Without a time MoEngage takes that of receipt; a wrong one is none."""
    (event,) = events({**ORDER, "time": "soon"})
    assert "time" not in event["event"]
