"""The rules of identityMap, one by one."""

import pytest

from bridge.model.verdicts import Stage
from bridge.xdm.identity.identity_map import REASONS, Dropped, IdentityRules, is_ecid

PRIORITY = ("lumaCrmId", "Email", "Phone", "moengageUserId", "ECID")
ECID = "12345678901234567890123456789012345678"
apply = IdentityRules(PRIORITY).apply


def one(namespace, value):
    """The id that is kept for one value of one namespace, else the reason why not."""
    found, dropped, _ = IdentityRules((namespace,)).apply({namespace: [{"id": value}]})
    return found[namespace][0]["id"] if found else dropped[0].reason


def test_first_namespace_of_the_list_is_primary_whatever_the_source_order():
    """The priority list decides, not the order of the event; the order of the event stays."""
    found, dropped, rejection = apply({"ECID": [{"id": ECID}], "Email": [{"id": "a@b.c"}], "other": [{"id": "x"}]})
    assert list(found) == ["ECID", "Email", "other"]
    assert [item["primary"] for items in found.values() for item in items] == [False, True, False]
    assert (list(dropped), rejection) == ([], None)


def test_invalid_value_hands_primary_to_the_next_namespace():
    """A refused customer id makes the e-mail primary and is counted."""
    found, dropped, rejection = apply({"lumaCrmId": [{"id": "anonymous"}], "Email": [{"id": "a@b.c"}]})
    assert found == {"Email": [{"id": "a@b.c", "primary": True}]}
    assert list(dropped) == [Dropped("lumaCrmId", "refused_word")]
    assert rejection is None


def test_mapped_primary_is_ignored():
    """Two primaries from the mapping come out as the one of the priority list."""
    raw = {"Email": [{"id": "a@b.c", "primary": True}], "lumaCrmId": [{"id": "7", "primary": True}]}
    found, _, _ = apply(raw)
    assert found == {"Email": [{"id": "a@b.c", "primary": False}], "lumaCrmId": [{"id": "7", "primary": True}]}


def test_ecid_is_primary_only_where_configured_first():
    """An ECID gives way to a person id unless the list puts it first."""
    raw = {"ECID": [{"id": ECID}], "lumaCrmId": [{"id": "7"}]}
    assert apply(raw)[0]["ECID"][0]["primary"] is False
    assert IdentityRules(("ECID", "lumaCrmId")).apply(raw)[0]["ECID"][0]["primary"] is True


@pytest.mark.parametrize("word", ["null", "NULL", "Anonymous", "invalid", " null ", "\tINVALID\n"])
def test_refused_words_in_any_case(word):
    """The words that AEP refuses are refused as whole values, in any case."""
    assert one("lumaCrmId", word) == "refused_word"


@pytest.mark.parametrize("word", ["nullable", "anonymous1", "invalid-7", "none", "undefined", "0"])
def test_words_that_merely_look_refused_pass(word):
    """Only the whole value counts."""
    assert one("lumaCrmId", word) == word


@pytest.mark.parametrize("blank", ["", " ", "  ", "\t\n", "\u00a0"])
@pytest.mark.parametrize("namespace", PRIORITY)
def test_blanks_are_refused(namespace, blank):
    """Blanks are no identity in any namespace."""
    assert one(namespace, blank) == "blank"


@pytest.mark.parametrize(
    ("value", "text"),
    [(7, "7"), (0, "0"), (-3, "-3"), (4000052183.0, "4000052183"), (2**60, str(2**60)), (2.0**53, str(2**53))],
)
def test_numbers_become_text(value, text):
    """Whole numbers are ids, also those that arrive as floats."""
    assert one("lumaCrmId", value) == text


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (True, "not_text"),
        (False, "not_text"),
        (1.5, "not_text"),
        (float("nan"), "not_text"),
        (float("inf"), "not_text"),
        (1.2345678901234568e37, "imprecise_number"),
        (10**1024, "too_long"),
        pytest.param(10**5000, "too_long", id="beyond-what-python-prints"),
        ({"a": 1}, "not_text"),
        (["x"], "not_text"),
        ("x" * 1025, "too_long"),
        (" x" + " " * 1024, "too_long"),
    ],
)
def test_values_that_are_no_ids(value, reason):
    """Each kind of unusable value is dropped under its own reason."""
    assert one("lumaCrmId", value) == reason
    assert reason in REASONS


def test_longest_value_passes():
    """1024 characters are allowed."""
    assert one("lumaCrmId", "x" * 1024) == "x" * 1024
    assert one("lumaCrmId", 10**1023) == str(10**1023)


def test_email_is_lower_cased_and_phone_only_trimmed():
    """E-mail hygiene is applied; phones get no invented plus; other ids stay verbatim."""
    assert one("Email", " Asha.K@Example.COM ") == "asha.k@example.com"
    assert one("Phone", " 98765 43210 ") == "98765 43210"
    assert one("lumaCrmId", " AbC ") == " AbC "


@pytest.mark.parametrize(
    ("value", "good"),
    [
        (ECID, True),
        ("9223372036854775807" * 2, True),
        ("9223372036854775808" + "0" * 19, False),
        ("0" * 19 + "9223372036854775808", False),
        (ECID[:-1], False),
        (ECID + "0", False),
        ("x" + ECID[1:], False),
        ("٣" * 38, False),
        (" " + ECID[1:], False),
    ],
)
def test_ecid(value, good):
    """An ECID has exactly 38 ASCII digits whose halves fit into a signed 64-bit number."""
    assert is_ecid(value) is good
    assert one("ECID", value) == (value if good else "ecid_invalid")


def test_duplicates_within_a_namespace_are_removed_after_hygiene():
    """Two spellings of one address are one identity."""
    found, dropped, _ = apply({"Email": [{"id": "A@b.c"}, {"id": "a@b.c "}, {"id": "d@e.f"}]})
    assert [item["id"] for item in found["Email"]] == ["a@b.c", "d@e.f"]
    assert [item["primary"] for item in found["Email"]] == [True, False]
    assert list(dropped) == [Dropped("Email", "duplicate")]


def test_authenticated_state_stays_when_valid():
    """A valid state stands between id and primary; an unknown one is left out, the identity stays."""
    raw = {
        "Email": [{"authenticatedState": "authenticated", "id": "a@b.c"}, {"id": "x", "authenticatedState": "maybe"}]
    }
    found, dropped, _ = apply(raw)
    assert [list(item) for item in found["Email"]] == [["id", "authenticatedState", "primary"], ["id", "primary"]]
    assert list(dropped) == [Dropped("Email", "state_unknown")]


def test_absent_identities_are_not_counted_as_dropped():
    """A namespace the event has nothing for is silent, also when the mapping writes a constant state beside it."""
    raw = {
        "Email": [{"authenticatedState": "ambiguous"}],
        "Phone": None,
        "ECID": [None, {"id": None}],
        "lumaCrmId": [{"id": "7"}],
    }
    found, dropped, rejection = apply(raw)
    assert (list(found), list(dropped), rejection) == (["lumaCrmId"], [], None)


@pytest.mark.parametrize("items", ["a@b.c", {"id": "a@b.c"}, 7, True, ["a@b.c"], [["a@b.c"]], [7]])
def test_wrong_shapes_are_dropped(items):
    """What is not an array of objects with an id is dropped under a reason of its own."""
    found, dropped, _ = apply({"Email": items, "lumaCrmId": [{"id": "7"}]})
    assert list(found) == ["lumaCrmId"]
    assert list(dropped) == [Dropped("Email", "shape")]


def test_namespace_without_a_name():
    """A blank namespace cannot exist in Identity Service."""
    found, dropped, _ = apply({" ": [{"id": "1"}], "": [{"id": "1"}], "lumaCrmId": [{"id": "7"}]})
    assert list(found) == ["lumaCrmId"]
    assert [item.reason for item in dropped] == ["namespace_blank", "namespace_blank"]


def test_at_most_twenty_by_priority_then_source_order():
    """Of too many identities those of the priority list stay, then the first of the rest, in source order."""
    raw = {"zz": [{"id": str(n)} for n in range(30)], "Email": [{"id": "a@b.c"}], "yy": [{"id": "1"}]}
    found, dropped, rejection = apply(raw)
    assert list(found) == ["zz", "Email"]
    assert [item["id"] for item in found["zz"]] == [str(n) for n in range(19)]
    assert found["Email"] == [{"id": "a@b.c", "primary": True}]
    assert [item.reason for item in dropped] == ["over_limit"] * 12
    assert rejection is None


@pytest.mark.parametrize("raw", [None, {}, [], "x", 7, {"Email": []}, {"Email": [{}]}])
def test_nothing_mapped_is_rejected(raw):
    """Without any identity the event is rejected at the check."""
    found, dropped, rejection = apply(raw)
    assert (found, list(dropped)) == ({}, [])
    assert (rejection.stage, rejection.code) == (Stage.CHECK, "identity_none_valid")


def test_none_valid_names_namespaces_and_rules_but_no_values():
    """The reason helps without quoting personal data."""
    _, _, rejection = apply({"Email": [{"id": "anonymous"}], "ECID": [{"id": "secret-value"}]})
    assert rejection.code == "identity_none_valid"
    assert "Email: the value is null" in rejection.reason
    assert "ECID: an ECID is 38 digits" in rejection.reason
    assert "secret-value" not in rejection.reason


def test_valid_but_none_may_be_primary():
    """A valid identity outside the priority list cannot become primary, and the reason names the setting."""
    found, _, rejection = apply({"custom": [{"id": "1"}]})
    assert found == {"custom": [{"id": "1", "primary": False}]}
    assert rejection.code == "identity_no_primary"
    assert "BRIDGE_MAPPING__PRIMARY_IDENTITY" in rejection.reason


def test_reasons_stay_short():
    """Thousands of namespaces or long names do not make a long reason."""
    _, _, rejection = apply({f"{n}" * 300: [{"id": "null"}] for n in range(500)})
    assert len(rejection.reason) < 1000
    _, _, rejection = apply({f"{n}" * 300: [{"id": "x"}] for n in range(500)})
    assert len(rejection.reason) < 1000


def test_raw_map_is_not_changed():
    """The mapping's objects may be the event's own: they stay as they were."""
    raw = {"Email": [{"id": "A@b.c", "primary": True}]}
    apply(raw)
    assert raw == {"Email": [{"id": "A@b.c", "primary": True}]}
