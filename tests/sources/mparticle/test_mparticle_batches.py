"""mParticle's batches in their documented spellings become canonical events, exactly and in order."""

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.model.event import ANY, Bound, LeftOut, Refusal
from bridge.settings import MParticleSettings
from bridge.sources.mparticle.decoder import MParticleDecoder

DECODER = MParticleDecoder(MParticleSettings())
WEBHOOK = {
    "batch_id": -8123456789012345677,
    "message_id": "0c6e2a1f-0000-4000-8000-000000000001",
    "environment": "production",
    "mpid": -1234567890123456789,
    "source_info": {"channel": "server_to_server", "partner": None},
    "user_identities": [
        {"identity_type": "customer_id", "identity": "C-100", "timestamp_unixtime_ms": 1793590000000},
        {"identity_type": "email", "identity": "zoe@example.com", "timestamp_unixtime_ms": 1793590000000},
    ],
    "user_attributes": {"$firstname": "Zoë", "$City": "Köln", "tier": "gold", "sizes": ["M", "L"], "note": None},
    "deleted_user_attributes": ["old_tier"],
    "consent_state": {
        "gdpr": {"marketing": {"document": None, "consented": True, "timestamp_unixtime_ms": 1793000000000}},
        "ccpa": {"data_sale_opt_out": {"consented": False, "timestamp_unixtime_ms": 1793000000000}},
    },
    "events": [
        {
            "event_type": "user_attribute_change",
            "data": {
                "event_id": -7611111111111111111,
                "timestamp_unixtime_ms": 1793599995000,
                "user_attribute_name": "tier",
                "new": "gold",
                "old": None,
                "deleted": False,
            },
        },
        {
            "event_type": "custom_event",
            "data": {
                "event_id": 7,
                "timestamp_unixtime_ms": "1793599996000",
                "event_name": "Video Watched",
                "custom_attributes": {"length": "12"},
            },
        },
    ],
}


def events(document, decoder=DECODER):
    """What the document becomes."""
    return list(decoder.events_of(document, ANY))


def test_a_webhook_batch_becomes_a_user_and_its_events_in_order():
    """Attributes with consent and deletions first, then the attribute's change, then the custom event."""
    user, change, event = events(WEBHOOK)
    assert user["kind"] == change["kind"] == "user"
    assert user["attributes"] == {
        "old_tier": "",
        "tier": "gold",
        "sizes": ["M", "L"],
        "gdpr_marketing": True,
        "ccpa_data_sale_opt_out": False,
    }
    assert user["reserved"] == {"firstname": "Zoë", "city": "Köln"}
    assert change["attributes"] == {"tier": "gold"}
    assert event["event_name"] == "Video Watched"
    assert event["time"] == 1793599996000
    assert {each["customer_id"] for each in (user, change, event)} == {"C-100"}


def test_ids_keep_every_digit():
    """Signed 64-bit integers, as numbers or as text, are their digits."""
    for given_id, expected in (
        (-8123456789012345677, "-8123456789012345677"),
        ("-1586912177303106600", "-1586912177303106600"),
    ):
        batch = {**WEBHOOK, "batch_id": given_id, "mpid": given_id}
        for event in events(orjson.loads(orjson.dumps(batch))):
            assert event["batch_id"] == event["mpid"] == expected


@pytest.mark.parametrize("name", ["customer_id", "customerid", "customer", "CustomerId"])
def test_identities_as_an_object_are_the_same(name):
    """The Events API sends an object, and the customer's id in several spellings."""
    batch = {**WEBHOOK, "user_identities": {name: "C-100", "email": "zoe@example.com"}}
    assert events(batch) == events(WEBHOOK)


def test_the_first_value_of_an_identity_holds():
    """Several values of one type: the first that is one."""
    given_twice = [{"identity_type": "customer_id", "identity": value} for value in (None, " ", "A", "B")]
    assert events({**WEBHOOK, "user_identities": given_twice})[0]["customer_id"] == "A"


def test_another_identity_never_stands_in():
    """Without the identity that the settings name the customer's id is null, and the mapping refuses the event."""
    batch = {**WEBHOOK, "user_identities": {"email": "zoe@example.com"}}
    assert {event["customer_id"] for event in events(batch)} == {None}
    by_mpid = MParticleDecoder(MParticleSettings(identity="mpid"))
    assert {event["customer_id"] for event in events(batch, by_mpid)} == {"-1234567890123456789"}
    by_email = MParticleDecoder(MParticleSettings(identity="email"))
    assert {event["customer_id"] for event in events(batch, by_email)} == {"zoe@example.com"}


def test_a_batch_without_events_is_its_user():
    """Batches without events are on by default in the webhook: attributes alone arrive."""
    batch = {key: value for key, value in WEBHOOK.items() if key != "events"}
    assert [event["kind"] for event in events(batch)] == ["user"]
    assert [event["kind"] for event in events({**batch, "events": None})] == ["user"]


@pytest.mark.parametrize("document", [{}, [], [{}], {"mpid": 1, "user_identities": {"customer_id": "C"}}])
def test_nothing_to_say_is_nothing(document):
    """An empty batch, and one that only says who the user is, become no event and no dead letter."""
    assert events(document) == []


@pytest.mark.parametrize("how", ["clear", "unset", "keep"])
def test_deletions_as_the_settings_say(how):
    """Deleted attributes become empty texts, entries of unset_attributes, or nothing; so does user_attribute_change."""
    decoder = MParticleDecoder(MParticleSettings(deletions=how))
    change = {
        "event_type": "user_attribute_change",
        "data": {"user_attribute_name": "old", "new": None, "deleted": True},
    }
    batch = {"user_identities": {"customer_id": "C"}, "deleted_user_attributes": ["old", "$Age"], "events": [change]}
    found = events(batch, decoder)
    if how == "keep":
        assert found == [LeftOut("deletion")]
        return
    unset = [{"type": "equals", "attr": "old", "case_sensitive": True}]
    for event in found:
        assert event.get("attributes") == ({"old": ""} if how == "clear" else None)
        assert event.get("unset_attributes") == (unset if how == "unset" else None)


def test_a_null_deletes_nothing():
    """Explicit nulls are "not known": no attribute, and a change to null goes nowhere."""
    change = {
        "event_type": "user_attribute_change",
        "data": {"user_attribute_name": "a", "new": None, "deleted": False},
    }
    batch = {"user_identities": {"customer_id": "C"}, "user_attributes": {"a": None}, "events": [change]}
    assert events(batch) == [LeftOut("null_attribute")]


def test_other_event_types_are_left_out_and_counted():
    """The filter is the operator's: an empty one lets everything go on."""
    batch = {"mpid": 1, "events": [{"event_type": "session_start", "data": {}}]}
    assert events(batch) == [LeftOut("event_type")]
    everything = MParticleDecoder(MParticleSettings(event_types=()))
    assert [event["event_type"] for event in events(batch, everything)] == ["session_start"]


@pytest.mark.parametrize(
    ("settings", "consent", "rule"),
    [
        ({"consent_purposes": ("marketing",)}, {"gdpr": {"Marketing": {"consented": True}}}, None),
        ({"consent_purposes": ("marketing",)}, {"gdpr": {"marketing": {"consented": False}}}, "consent_gdpr"),
        ({"consent_purposes": ("marketing",)}, {"gdpr": {"other": {"consented": True}}}, "consent_gdpr"),
        ({"consent_purposes": ("marketing",)}, None, "consent_gdpr"),
        ({"respect_ccpa": True}, {"ccpa": {"data_sale_opt_out": {"consented": True}}}, "consent_ccpa"),
        ({"respect_ccpa": True}, {"ccpa": {"data_sale_opt_out": {"consented": False}}}, None),
        ({"respect_ccpa": True}, None, None),
        ({}, {"gdpr": {"marketing": {"consented": False}}}, None),
    ],
)
def test_the_consent_gate(settings, consent, rule):
    """Without the consent that is asked for nothing of a batch goes on; who says nothing has not consented."""
    decoder = MParticleDecoder(MParticleSettings(**settings))
    found = events({**WEBHOOK, "consent_state": consent}, decoder)
    assert len(found) == 3
    assert (
        all(each == LeftOut(rule) for each in found) if rule else not any(isinstance(each, LeftOut) for each in found)
    )


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ("text", "not_an_object"),
        ({"hello": 1}, "not_a_batch"),
        ({"events": {"a": 1}, "mpid": 1}, "not_a_batch"),
        ({"mpid": 1, "events": ["no object"]}, "event_without_type"),
        ({"mpid": 1, "events": [{"data": {}}]}, "event_without_type"),
        ({"mpid": 1, "events": [{"event_type": "user_attribute_change", "data": {}}]}, "attribute_without_name"),
    ],
)
def test_what_is_no_batch_is_refused_with_a_code(document, code):
    """Each is one dead letter; its neighbours in the body go on."""
    found = events([document, WEBHOOK])
    assert [each.code for each in found if isinstance(each, Refusal)] == [code]
    assert len(found) == 4


@pytest.mark.parametrize(
    ("member", "odd", "whole"),
    [
        ("user_attributes", ["x"], False),
        ("user_attributes", '{"a": 1}', False),
        ("deleted_user_attributes", {"a": 1}, False),
        ("deleted_user_attributes", "a", False),
        ("deleted_user_attributes", ["a", 1], False),
        ("consent_state", "yes", False),
        ("user_identities", "C-100", True),
        ("user_identities", 5, True),
    ],
)
def test_what_would_be_passed_over_is_a_dead_letter(member, odd, whole):
    """A member of another form than any that is read: the user's part is refused, or all where nobody could be told."""
    found = events({**WEBHOOK, member: odd})
    assert [each.code for each in found if isinstance(each, Refusal)] == ["member_form"]
    assert len(found) == (1 if whole else 3)
    alone = {"mpid": 1, member: odd}
    (refusal,) = events(alone)
    assert isinstance(refusal, Refusal)
    for blank in ([], "", None):
        assert events({"mpid": 1, member: blank}) == []


@pytest.mark.parametrize(("odd", "code"), [("x", "member_form"), ([1], "member_form"), (5, "member_form")])
def test_data_of_an_event_of_another_form_is_a_dead_letter(odd, code):
    """What it holds would be gone; its neighbour goes on."""
    good = {"event_type": "custom_event", "data": {}}
    found = events({"mpid": 1, "events": [{"event_type": "custom_event", "data": odd}, good]})
    assert [getattr(each, "code", None) for each in found[:1]] == [code]
    assert found[1]["event_type"] == "custom_event"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"mpid":"1","mpid":"2","user_attributes":{"a":1}}', "duplicate_keys"),
        (b'{"mpid":1e400,"user_attributes":{"a":1}}', "not_json"),
        (b'{"user_identities":{"customer_id":"a","customer_id":"b"},"user_attributes":{"a":1}}', "duplicate_keys"),
        (b'{"mpid":1,"consent_state":{"gdpr":{"m":{"consented":true,"consented":false}}}}', "duplicate_keys"),
        (b'{"mpid":1,"user_attributes":{"a":1},"user_attributes":5}', "duplicate_keys"),
    ],
)
def test_nobody_is_taken_for_another_where_a_batch_says_two_things(body, code):
    """Of an id with several values none is chosen, and none is left out in silence."""
    (refusal,) = events(DECODER.parse_body(body))
    assert refusal.code == code


def test_an_event_that_says_two_things_costs_itself():
    """Its neighbour goes on."""
    body = b'{"mpid":1,"events":[{"event_type":"custom_event","data":{"event_id":1,"event_id":2}},{"event_type":"custom_event"}]}'
    refusal, good = events(DECODER.parse_body(body))
    assert (refusal.code, good["kind"]) == ("duplicate_keys", "event")


def test_ids_that_arrive_as_floats_are_ids():
    """As some languages write every number; a fraction, and what a double does not hold, name nobody."""
    ids = {"mpid": 12345.0, "user_identities": {"customer_id": 99182.0, "email": 1.5, "other": 2.0**60}}
    (user,) = events({**ids, "user_attributes": {"a": 1}})
    assert (user["mpid"], user["identities"]) == ("12345", {"customer_id": "99182"})


@pytest.mark.parametrize("time", ["123456789012345678901234", 1e300, "1e300", "9" * 5000, "inf", "nan", "soon"])
def test_a_time_that_is_none_costs_no_event(time):
    """It stays as it was sent, and the event goes on without."""
    batch = {"mpid": 1, "events": [{"event_type": "custom_event", "data": {"timestamp_unixtime_ms": time}}]}
    (event,) = events(batch)
    assert "time" not in event
    assert event["timestamp_unixtime_ms"] == time
    assert isinstance(DECODER.encode(event), bytes)


def test_a_canonical_event_gives_itself():
    """What the receiver wrote to Kafka is read as it is, and a batch of mParticle's Kafka output beside it."""
    for event in events(WEBHOOK):
        assert DECODER.decode(orjson.dumps(event)) == (event,)
    assert list(DECODER.decode(json.dumps(WEBHOOK).encode())) == events(WEBHOOK)


def test_a_dead_letter_holds_the_event_alone():
    """The part of a batch that gave an event gives it again, and nothing else."""
    document = [WEBHOOK, {**WEBHOOK, "mpid": 5}]
    for index, event in enumerate(events(document)):
        assert events(DECODER.isolate(document, index)) == [event]


def test_all_events_of_a_user_have_one_key():
    """The customer's id, else mParticle's: their order is that of one partition."""
    assert {DECODER.record_key(event) for event in events(WEBHOOK)} == {b"C-100"}
    without = {**WEBHOOK, "user_identities": []}
    assert {DECODER.record_key(event) for event in events(without)} == {b"-1234567890123456789"}


def test_consent_times_and_event_times_by_magnitude():
    """Seconds and milliseconds, as numbers or text."""
    for time in (1793599996, "1793599996", 1793599996000, "1793599996000", 1793599996e3, "1793599996000.0"):
        batch = {"mpid": 1, "events": [{"event_type": "custom_event", "data": {"timestamp_unixtime_ms": time}}]}
        assert events(batch)[0]["time"] == 1793599996000


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=12,
)
_BATCH = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("events", "user_identities", "user_attributes", "mpid", "consent_state", "kind"), _JSON)
    | {"deleted_user_attributes": _JSON, "batch_id": _JSON, "device_info": _JSON},
)


@given(document=st.lists(_BATCH, max_size=3) | _BATCH | _JSON)
def test_any_json_is_events_refusals_or_left_out(document):
    """Nothing raises, the weight bounds the number, and every event can be written and read back as itself."""
    found = events(document)
    weight = DECODER.weigh(document)
    assert len(found) <= (weight.events if weight else 1)
    for index, each in enumerate(found):
        DECODER.isolate(document, index)
        if isinstance(each, dict):
            assert list(DECODER.decode(orjson.dumps(each))) == [each]


def test_a_record_that_would_become_too_much_is_one_refusal():
    """The bound is counted before anything is made."""
    found = DECODER.events_of(
        {"mpid": 1, "events": [{"event_type": "custom_event"}] * 50}, Bound(events=20, bytes=10**6)
    )
    assert [each.code for each in found] == ["too_many_events"]
