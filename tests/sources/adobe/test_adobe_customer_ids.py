"""Whose profile is it? The customer's id, several of them, or none."""

import orjson
import pytest
from adobe_messages import CRM, NOW, PLAIN, RAW, decoder, events

from bridge.settings import AdobeSettings
from bridge.sources.adobe.decoder import AdobeDecoder


def test_several_customer_ids():
    """A dead letter, the first, or an event for each, as the settings say; the same id twice is one."""
    several = {**RAW, "identityMap": {"crmId": [{"id": "C-100"}, {"id": "C-101"}], "CRMID": [{"id": "C-100"}]}}
    (refusal,) = events(several, CRM)
    assert refusal.code == "several_ids"
    first = decoder(customer_id_namespace="crmid", several_ids="first")
    assert [event["customer_id"] for event in events(several, first)] == ["C-100"]
    each = decoder(customer_id_namespace="crmid", several_ids="each")
    found = events(several, each)
    assert [event["customer_id"] for event in found] == ["C-100", "C-101"]
    for index, event in enumerate(found):
        assert events(each.isolate(several, index), each) == [event]


@pytest.mark.parametrize(
    ("identities", "code"),
    [
        ({"ECID": [{"id": "1"}], "gaid": [{"id": "2"}]}, "anonymous_only"),
        ({"anonymous_id": [{"id": "1"}]}, "anonymous_only"),
        ({"ecid": [{"id": "1"}], "email": [{"id": "z@example.com"}]}, "no_customer_id"),
        ({"user_id": [{"id": " "}, {"id": None}, {"id": 1.5}, {"id": True}]}, "no_customer_id"),
        ({}, "no_customer_id"),
    ],
)
def test_another_id_never_stands_in(identities, code):
    """Without an id of the namespace that the settings name the profile is refused, anonymous ones with a code of their own."""
    (refusal,) = events({"person": {"gender": "female"}, "identityMap": identities})
    assert refusal.code == code


def test_identifiers_of_the_mapping_let_anonymous_profiles_on():
    """Where the route identifies by attributes a profile without a customer id goes on, and has none."""
    by = AdobeDecoder(AdobeSettings(), anonymous=True, now=lambda: NOW * 1000)
    (profile,) = events({"mobilePhone": {"number": "+49"}, "identityMap": {"ECID": [{"id": "1"}]}}, by)
    assert "customer_id" not in profile
    assert by.record_key(profile) == b"ecid:1"
    assert list(by.decode(orjson.dumps(profile))) == [profile]


def test_ids_keep_every_digit():
    """Numbers become their digits, also beyond 64 bits, and in texts nothing is changed."""
    for written, expected in (
        (b"9007199254740993", "9007199254740993"),
        (b"123456789012345678901", None),
        (b'"007"', "007"),
    ):
        body = b'{"identityMap":{"user_id":[{"id":' + written + b"}]}}"
        (profile,) = events(PLAIN.parse_body(body))
        assert profile["customer_id"] == (expected or written.decode())
