"""Profiles in every shape that Adobe documents become one canonical profile, exactly."""

import orjson
import pytest
from adobe_messages import CART, CRM, NOW, OLD, OURS, PLAIN, RAW, UPLOADED, decoder, events


def test_a_raw_profile_of_the_http_api_destination():
    """Attributes at their XDM paths, identities by namespace in lower case, audiences that have a name with status and time."""
    (profile,) = events(RAW, CRM)
    assert profile == {
        "kind": "profile",
        "customer_id": "C-100",
        "received_at": NOW,
        "identities": {
            "ecid": ["10000000000000000000000000000000000042"],
            "email_lc_sha256": ["0f1e2d3c"],
            "crmid": ["C-100"],
        },
        "person": RAW["person"],
        "personalEmail": RAW["personalEmail"],
        "_acme": RAW["_acme"],
        "audiences": [
            {
                "namespace": "ups",
                "id": CART,
                "name": "Cart <abandoners> & co",
                "status": "member",
                "at": 1793607330000000,
            },
            {
                "namespace": "CustomerAudienceUpload",
                "id": UPLOADED,
                "name": "VIP",
                "status": "member",
                "at": 1793491200000000,
            },
        ],
    }


def test_a_profile_of_our_template():
    """Wrapped values, names beside the profile and escaped for HTML, an attribute that the profile does not have."""
    (profile,) = events({"v": 1, "profiles": [OURS]})
    assert profile["customer_id"] == "C-100"
    assert profile["person"] == {"name": {"firstName": "Zoë"}}
    assert profile["personalEmail"] == {"address": "zoe@example.com"}
    assert "attributes" not in profile
    assert [(one["name"], one["status"]) for one in profile["audiences"]] == [
        ("Cart <abandoners>", "member"),
        ("VIP", "exited"),
    ]


def test_the_lists_of_adobes_samples():
    """Names are added and removed without ids and times; identities are a list, or a member of the profile."""
    lists = {"add": ["Cart &amp; co"], "remove": ["VIP"]}
    tutorial = {
        "profiles": [
            {
                "identities": [{"type": "User_ID", "id": "C-100"}, {"type": "ecid", "id": "42"}],
                "attributes": {"firstName": "Ana", "birthDate": None, "tier": "gold"},
                "AdobeExperiencePlatformSegments": lists,
            }
        ]
    }
    flat = {"attributes": [{"user_id": "C-100", "AEPSegments": lists, "firstName": "Ana", "tier": "gold"}]}
    for document in (tutorial, flat):
        (profile,) = events(document)
        assert profile["customer_id"] == "C-100"
        assert profile["person"] == {"name": {"firstName": "Ana"}}
        assert profile["attributes"] == {"tier": "gold"}
        assert profile["audiences"] == [
            {"namespace": "", "id": "VIP", "name": "VIP", "status": "exited", "at": None},
            {"namespace": "", "id": "Cart & co", "name": "Cart & co", "status": "member", "at": None},
        ]
    (profile,) = events(
        {"attributes": [{"external_id": "123", "firstName": "Ana"}]}, decoder(customer_id_namespace="external_id")
    )
    assert (profile["customer_id"], profile["person"]) == ("123", {"name": {"firstName": "Ana"}})


@pytest.mark.parametrize(
    "document",
    [
        OURS,
        [OURS],
        {"profiles": [OURS]},
        [{"profiles": [OURS]}],
        {"profiles": [{**OURS["profile"], "names": None}]},
    ],
)
def test_envelopes_are_the_same(document):
    """One object, an array, profiles in an envelope: the same customer and attributes."""
    (profile,) = events(document, decoder(audiences=(CART, OLD)))
    assert profile["customer_id"] == "C-100"
    assert [one["id"] for one in profile["audiences"]] == [CART, OLD]


def test_what_stands_among_profiles_is_one():
    """A profile with an attribute called as an event's name is no event there, and an event among events no profile."""
    bare = {"identityMap": {"user_id": "C-1"}, "name": "Zoë", "attributes": {"a": 1}}
    assert events({"profiles": [bare]})[0]["kind"] == "profile"
    assert events({"events": [bare]})[0]["kind"] == "event"
    assert events({"events": [{"customer": "C-1"}]})[0].code == "event_without_name"


@pytest.mark.parametrize("document", [[], {}, [{}], {"profiles": []}, {"attributes": []}, {"v": 1, "profiles": [{}]}])
def test_nothing_is_nothing(document):
    """An empty batch becomes no event and no dead letter."""
    assert events(document) == []


def test_attributes_with_dotted_names_go_to_their_paths():
    """Two never share a place, and what a message says of one object stays whole."""
    given = {"person.name.firstName": "A", "first_name": "B", "_acme.points": "7", "customer_id": "X", "person": "p"}
    (profile,) = events({"profile": {**OURS["profile"], "attributes": given}})
    assert profile["person"] == {"name": {"firstName": "A"}}
    assert profile["_acme"] == {"points": "7"}
    assert profile["attributes"] == {"first_name": "B", "customer_id": "X", "person": "p"}
    assert profile["customer_id"] == "C-100"


def test_a_canonical_profile_gives_itself():
    """What the receiver wrote to Kafka is read as it is; of a message that Adobe wrote there Kafka knows when it came."""
    for document, by in ((RAW, CRM), (OURS, PLAIN)):
        (event,) = events(document, by)
        assert list(by.decode(orjson.dumps(event))) == [event]
        (direct,) = by.decode(orjson.dumps(document))
        assert {**direct, "received_at": NOW} == event
        assert by.record_key(event) == b"C-100"


def test_a_dead_letter_holds_the_profile_alone():
    """The part of a body that gave a result gives it again, and nothing else."""
    flat = {"attributes": [{"user_id": "A", "x": 1}, {"user_id": "B", "AEPSegments": []}]}
    document = [OURS, flat, {**OURS, "names": {}}, RAW]
    for index, event in enumerate(events(document)):
        assert events(PLAIN.isolate(document, index)) == [event]
