"""Profiles in every shape that Adobe documents become one canonical profile, exactly."""

import time
from urllib.parse import quote_plus

import orjson
import pytest

from bridge.model.event import ANY, Bound, LeftOut, Refusal
from bridge.settings import AdobeSettings
from bridge.sources.adobe.decoder import AdobeDecoder

NOW = 1_793_607_331_000_000
CART = "11111111-aaaa-4bbb-8ccc-000000000001"
OLD = "11111111-aaaa-4bbb-8ccc-000000000002"
UPLOADED = "22222222-aaaa-4bbb-8ccc-000000000003"
RAW = {
    "person": {"name": {"firstName": "Zoë", "lastName": 'O\'Neil "Z"'}},
    "personalEmail": {"address": "zoe@example.com"},
    "_acme": {"loyalty": {"points": 120, "tier": None}},
    "segmentMembership": {
        "ups": {
            CART: {
                "lastQualificationTime": "2026-11-02T08:15:30Z",
                "status": "realized",
                "name": "Cart <abandoners> & co",
                "createdAt": 1790000000000,
                "mappingUpdatedAt": 1790100000000,
            },
            OLD: {"lastQualificationTime": "2026-11-02T08:15:30.123456Z", "status": "exited"},
        },
        "CustomerAudienceUpload": {
            UPLOADED: {"lastQualificationTime": "2026-11-01T00:00:00.000+0000", "status": "realized", "name": "VIP"}
        },
    },
    "identityMap": {
        "ecid": [{"id": "10000000000000000000000000000000000042"}],
        "email_lc_sha256": [{"id": "0f1e2d3c"}],
        "crmId": [{"id": "C-100"}],
    },
}
OURS = {
    "profile": {
        "attributes": {"firstName": {"value": "Zoë"}, "email": {"value": "zoe@example.com"}, "tier": {}},
        "identityMap": {"user_id": [{"id": "C-100"}], "email": [{"id": "zoe@example.com"}, {"id": "z@example.org"}]},
        "segmentMembership": {
            "ups": {
                CART: {"lastQualificationTime": "2026-11-02T08:15:30Z", "status": "realized"},
                OLD: {"lastQualificationTime": "2026-11-02T08:15:30Z", "status": "exited"},
            }
        },
    },
    "names": {"ups": {CART: "Cart &lt;abandoners&gt;", OLD: "VIP"}},
}


def decoder(**settings):
    """A decoder at a fixed time."""
    return AdobeDecoder(AdobeSettings(**settings), now=lambda: NOW * 1000)


CRM = decoder(customer_id_namespace="crmId")
PLAIN = decoder()


def events(document, by=PLAIN):
    """What the document becomes."""
    return list(by.events_of(document, ANY))


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


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("2026-11-02T08:15:30Z", 1793607330000000),
        ("2026-11-02T08:15:30+0000", 1793607330000000),
        ("2026-11-02T08:15:30.000+0000", 1793607330000000),
        ("2026-11-02T08:15:30.123456Z", 1793607330123456),
        ("2026-11-02T10:15:30.5+02:00", 1793607330500000),
        ("2026-11-02T08:15:30", 1793607330000000),
        (1793607330000, 1793607330000000),
        ("1793607330000", 1793607330000000),
        (1793607330000.0, 1793607330000000),
        (1793607330, 1793607330000000),
        (1793607330123456, 1793607330123456),
        (10**19, None),
        (-1, None),
        ("yesterday", None),
        (None, None),
        (True, None),
        ("9" * 5000, None),
    ],
)
def test_times_in_every_form(time, expected):
    """Microseconds since 1970, whichever way Adobe writes the instant; what is no time is none."""
    member = {"status": "realized", "name": "A", "lastQualificationTime": time}
    document = {"identityMap": {"user_id": [{"id": "C"}]}, "segmentMembership": {"ups": {"a": member}}}
    assert events(document)[0]["audiences"][0]["at"] == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [("realized", "member"), ("existing", "member"), ("Realized", "member"), ("exited", "exited")],
)
def test_statuses(status, expected):
    """Existing is deprecated, still sent, and a member."""
    document = {
        "identityMap": {"user_id": "C"},
        "segmentMembership": {"ups": {"a": {"status": status, "name": "A"}}},
    }
    assert events(document)[0]["audiences"][0]["status"] == expected


def test_only_the_chosen_audiences_go_on():
    """By id (in any case) or name; one that is chosen and has no name goes by its id."""
    for chosen, expected in (
        ((), ["Cart <abandoners> & co", "VIP"]),
        (("VIP",), ["VIP"]),
        ((CART.upper(),), ["Cart <abandoners> & co"]),
        ((OLD,), [OLD]),
    ):
        (profile,) = events(RAW, decoder(customer_id_namespace="CRMID", audiences=chosen))
        assert [one["name"] for one in profile["audiences"]] == expected


def test_a_message_of_unmapped_audiences_alone_is_left_out():
    """It says nothing that the operator asked for; with an attribute beside them it goes on."""
    unmapped = {"identityMap": {"crmId": [{"id": "C-1"}]}, "segmentMembership": {"ups": {OLD: {"status": "exited"}}}}
    assert events(unmapped, CRM) == [LeftOut("audience")]
    (profile,) = events({**unmapped, "_acme": {"tier": "gold"}}, CRM)
    assert "audiences" not in profile


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


@pytest.mark.parametrize(
    "body",
    [
        b'{"identityMap":{"user_id":[{"id":"A","id":"B"}]}}',
        b'{"identityMap":{"user_id":[{"id":"A"}]},"segmentMembership":{"ups":{"a":{"name":"x","status":"realized","status":"exited"}}}}',
        b'{"identityMap":{"user_id":[{"id":"A"}]},"segmentMembership":{"ups":{"a":{"name":"x","name":"y","status":"realized"}}}}',
        b'{"identityMap":{"user_id":[{"id":"A"}]},"segmentMembership":{"ups":{"a":{"name":"x","status":"exited","lastQualificationTime":1,"lastQualificationTime":2}}}}',
        b'{"identities":[{"type":"user_id","type":"ecid","id":"A"}]}',
    ],
)
def test_what_is_said_twice_and_differently_is_refused(body):
    """No half of it is picked: one dead letter, which says so."""
    (refusal,) = events(PLAIN.parse_body(body))
    assert refusal.code == "duplicate_keys"


@pytest.mark.parametrize(
    "made_up",
    [
        {"identityMap": {"user_id": [{"id": "user_id-h29Fq"}], "gaid": [{"id": "gaid-adKYs"}]}},
        {
            "identityMap": {"user_id": [{"id": "C-1"}]},
            "segmentMembership": {"ups": {"segmentid1": {"status": "realized", "name": "x"}}},
        },
    ],
)
def test_profiles_of_adobes_test_calls_are_left_out(made_up):
    """Generated ids and audiences never reach MoEngage; the answer stays 200, so that the test call succeeds."""
    document = {**made_up, "attributes": {"firstName": {"value": "string"}}}
    assert events({"profiles": [{"profile": document, "names": {}}]}) == [LeftOut("test_profile")]


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ("text", "not_an_object"),
        (7, "not_an_object"),
        ({"hello": 1}, "not_a_profile"),
        ({"identityMap": {"user_id": "C"}, "segmentMembership": []}, "audiences_form"),
        ({"identityMap": {"user_id": "C"}, "segmentMembership": {"ups": ["a"]}}, "audiences_form"),
        ({"identityMap": {"user_id": "C"}, "AEPSegments": ["a"]}, "audiences_form"),
        (
            {"identityMap": {"user_id": "C"}, "segmentMembership": {"ups": {"a": {"name": "A", "status": "queued"}}}},
            "audience_status",
        ),
    ],
)
def test_what_is_no_profile_is_refused_with_a_code(document, code):
    """Each is one dead letter; its neighbours in the body go on."""
    found = events([document, OURS])
    assert [each.code for each in found if isinstance(each, Refusal)] == [code]
    assert len(found) == 2


def test_an_entity_is_undone_once_and_only_where_it_is_one():
    """Names that look like entities of HTML stay as they are."""
    for printed, name in (
        ("a &amp;amp; b", "a &amp; b"),
        ("R&copy", "R&copy"),
        ("O&#39;N", "O'N"),
        ("&nope;", "&nope;"),
    ):
        (profile,) = events({**OURS, "names": {"ups": {CART: printed}}})
        assert profile["audiences"][0]["name"] == name


def test_the_template_escapes_namespaces_too():
    """Names are found under namespaces and ids that were printed as entities."""
    member = {"status": "realized", "lastQualificationTime": "2026-11-02T08:15:30Z"}
    profile = {"identityMap": {"user_id": "C"}, "segmentMembership": {"Web & App": {'a"1': member}}}
    (event,) = events({"profile": profile, "names": {"Web &amp; App": {"a&quot;1": "VIP"}}})
    (audience,) = event["audiences"]
    assert (audience["namespace"], audience["id"], audience["name"]) == ("Web & App", 'a"1', "VIP")


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


def test_a_huge_profile_takes_time_in_proportion():
    """Many ids of a namespace, many audiences, many names with entities: none of it makes the event loop wait for minutes."""
    many = range(20_000)
    ids = {"user_id": [{"id": f"C-{number}"} for number in many]}
    members = {f"a&{number}": {"status": "realized"} for number in many}
    profile = {"identityMap": ids, "segmentMembership": {"ups": members}}
    printed = {f"a&amp;{number}": f"A {number}" for number in many}
    began = time.process_time()
    (event,) = events({"profile": profile, "names": {"ups": printed}}, decoder(several_ids="first"))
    assert time.process_time() - began < 2
    assert len(event["audiences"]) == len(event["identities"]["user_id"]) == 20_000
    assert event["audiences"][-1]["name"] == "A 19999"


def test_a_record_that_would_become_too_much_is_one_refusal():
    """The bound is counted before anything is made."""
    each = decoder(several_ids="each")
    many = {"identityMap": {"user_id": [{"id": f"C-{number}"} for number in range(50)]}, "a": "x" * 1000}
    assert [found.code for found in each.events_of(many, Bound(events=20, bytes=10**6))] == ["too_many_events"]
    assert [found.code for found in each.events_of(many, Bound(events=100, bytes=10**4))] == ["too_many_events"]
    assert len(each.events_of(many, Bound(events=100, bytes=10**6))) == 50


@pytest.mark.parametrize(
    "name", ['Cart "abandoners"', "back\\slash", "two\nlines", "100 % + 1", "R&D <b>", "顧客", "a&amp;b"]
)
def test_names_that_are_encoded_arrive_as_they_are(name):
    """Namespaces, ids and names as URLs have them; entities in them are the name's own."""
    member = {"status": "realized", "lastQualificationTime": "2026-11-02T08:15:30Z"}
    profile = {**OURS["profile"], "segmentMembership": {"u p": {"a/b": member}}}
    (event,) = events({"profile": profile, "encoded_names": {"u+p": {"a%2Fb": quote_plus(name)}}})
    assert [one["name"] for one in event["audiences"]] == [name]


@pytest.mark.parametrize("broken", [None, [], {"ups": None}, {"ups": {CART: None}}, {"ups": {CART: "%ZZ%"}}])
def test_encoded_names_of_another_form_are_none(broken):
    """Nothing of a message is lost for it."""
    found = events({"profile": OURS["profile"], "encoded_names": broken})
    assert len(found) == 1
    assert found[0]["customer_id"] == "C-100"


@pytest.mark.parametrize("namespace", ["user_id", "email", "other"])
def test_the_person_of_a_verification_is_left_out(namespace):
    """Whatever namespace the connection maps the id to, beside other ids too."""
    identities = {"user_id": [{"id": "C-100"}], namespace: [{"id": "aep-bridge-verify"}]}
    assert events({"profile": {**OURS["profile"], "identityMap": identities}, "names": {}}) == [LeftOut("test_profile")]
