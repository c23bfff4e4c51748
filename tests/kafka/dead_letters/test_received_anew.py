"""What a replay sends of letters that the receiver refused: keyed as the receiver writes, so that a customer's events stay together."""

import orjson

from bridge.kafka.dead_letters.received_anew import records_of_letter
from bridge.model.dead_letter import DeadLetter
from bridge.model.verdicts import Stage
from bridge.settings import AdobeSettings
from bridge.sources.adobe.decoder import AdobeDecoder
from bridge.sources.moengage.decoder import DECODER

HEADERS = [("bridge.replays", b"1")]
NOW = 1_793_607_331_000_000
ADOBE = AdobeDecoder(AdobeSettings(customer_id_namespace="crmId"), now=lambda: NOW * 1000)


def letter(document, key=None):
    """A letter of the receiver's."""
    value = document if isinstance(document, bytes) else orjson.dumps(document)
    return DeadLetter(key=key, value=value, stage=Stage.RECEIVE, code="no_customer_id", reason="")


def profile(customer):
    """A raw profile."""
    return {"person": {"gender": "female"}, "identityMap": {"crmId": [{"id": customer}]}}


def test_one_event_keeps_its_bytes_and_gets_a_key():
    """What was refused because of a setting is the customer's once that is mended."""
    one = letter(profile("C-1"))
    assert records_of_letter(one, HEADERS, ADOBE) == [(b"C-1", one.value, HEADERS)]
    event = letter({"event_name": "A", "event_uuid": "u", "uid": "C-2"})
    assert records_of_letter(event, HEADERS, DECODER) == [(b"C-2", event.value, HEADERS)]


def test_a_body_of_many_customers_is_one_record_for_each():
    """Each with its key, in the form that the receiver writes; what is no event now either goes along, and comes back as a letter."""
    anonymous = {"person": {}, "identityMap": {"ECID": [{"id": "1"}]}}
    body = letter({"profiles": [profile("C-1"), anonymous, profile("C-2")]})
    first, none, second = records_of_letter(body, HEADERS, ADOBE)
    assert (first[0], none[0], second[0]) == (b"C-1", None, b"C-2")
    assert [event["received_at"] for event in ADOBE.decode(first[1])] == [NOW]
    assert orjson.loads(none[1]) == {"profiles": [anonymous]}


def test_what_cannot_be_read_or_has_a_key_goes_back_as_it_is():
    """Bytes that are no JSON, what is refused still, and what was consumed from the topic."""
    for one in (letter(b"{"), letter({"hello": 1}), letter([]), letter([profile("A"), profile("B")], key=b"k")):
        assert records_of_letter(one, HEADERS, ADOBE) == [(one.key, one.value, HEADERS)]
    assert records_of_letter(letter(profile("A")), HEADERS, None)[0][0] is None
