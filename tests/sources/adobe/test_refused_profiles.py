"""Which messages of Adobe's are refused, and which are left out because they are a test?"""

import pytest
from adobe_messages import OURS, PLAIN, events

from bridge.model.event import LeftOut, Refusal


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


@pytest.mark.parametrize("odd", ["x", ["x"], 5, [{"name": "a", "value": 1}]])
def test_attributes_of_another_form_are_a_dead_letter(odd):
    """They would be gone without a word; what some templates print for none at all is none."""
    person = {"identityMap": {"user_id": [{"id": "A"}]}}
    (refusal,) = events({**person, "attributes": odd}, PLAIN)
    assert refusal.code == "attributes_form"
    for blank in ([], "", None, {}):
        (profile,) = events({**person, "attributes": blank}, PLAIN)
        assert "attributes" not in profile


@pytest.mark.parametrize("number", ["1e400", "-1E999"])
def test_a_number_that_no_double_holds_is_refused(number):
    """In an id as anywhere else: nothing is put in its place."""
    (refusal,) = events(PLAIN.parse_body(b'{"identityMap":{"user_id":[{"id":' + number.encode() + b"}]}}"))
    assert refusal.code == "not_json"


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


@pytest.mark.parametrize("namespace", ["user_id", "email", "other"])
def test_the_person_of_a_verification_is_left_out(namespace):
    """Whatever namespace the connection maps the id to, beside other ids too."""
    identities = {"user_id": [{"id": "C-100"}], namespace: [{"id": "aep-bridge-verify"}]}
    assert events({"profile": {**OURS["profile"], "identityMap": identities}, "names": {}}) == [LeftOut("test_profile")]
