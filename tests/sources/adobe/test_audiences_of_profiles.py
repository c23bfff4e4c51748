"""Which audiences does a profile have, by which name, in which status and since when?"""

from urllib.parse import quote_plus

import pytest
from adobe_messages import CART, CRM, OLD, OURS, RAW, decoder, events

from bridge.model.event import LeftOut


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
