"""identityMap over any JSON."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bridge.xdm.identity.identity_map import (
    MAX_CHARACTERS,
    MAX_IDENTITIES,
    REASONS,
    REFUSED_WORDS,
    IdentityRules,
    is_ecid,
)

PRIORITY = ("lumaCrmId", "Email", "Phone", "ECID")

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(["null", " Anonymous", "", "  ", "a@B.c", "1" * 38, "9" * 38, "x" * 1025]),
)
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
)
items = st.fixed_dictionaries(
    {}, optional={"id": scalars, "authenticatedState": scalars | st.just("loggedOut"), "primary": json_values}
)
namespaces = st.sampled_from([*PRIORITY, "email", "custom", ""]) | st.text(max_size=6)
maps = st.dictionaries(namespaces, st.lists(items | json_values, max_size=12) | json_values, max_size=8)
apply = IdentityRules(PRIORITY).apply


def primaries(found: dict[str, list[dict[str, Any]]]) -> list[str]:
    """The namespaces of all primary identities."""
    return [namespace for namespace, held in found.items() for item in held if item["primary"]]


@given(maps | json_values)
def test_exactly_one_primary_or_a_rejection(raw):
    """Whatever the mapping made: one primary from the best namespace there is, or a rejection; nothing is raised."""
    found, dropped, rejection = apply(raw)
    if rejection is None:
        assert primaries(found) == [next(namespace for namespace in PRIORITY if namespace in found)]
    else:
        assert primaries(found) == []
        assert rejection.code == ("identity_no_primary" if found else "identity_none_valid")
    assert all(item.reason in REASONS for item in dropped)


@given(maps)
def test_everything_that_stays_is_valid(raw):
    """No value that AEP refuses comes through."""
    found, _, _ = apply(raw)
    everything = [(namespace, item) for namespace, held in found.items() for item in held]
    assert len(everything) <= MAX_IDENTITIES
    assert len({(namespace, item["id"]) for namespace, item in everything}) == len(everything)
    for namespace, item in everything:
        assert type(item["id"]) is str
        assert 0 < len(item["id"]) <= MAX_CHARACTERS
        assert item["id"].strip().lower() not in REFUSED_WORDS | {""}
        assert namespace != "ECID" or is_ecid(item["id"])
        assert set(item) <= {"id", "authenticatedState", "primary"}


@given(maps)
def test_applying_twice_changes_nothing(raw):
    """A finished identityMap passes as it is, and nothing more is dropped."""
    found, _, rejection = apply(raw)
    again, dropped, rejected_again = apply(found)
    assert again == found
    assert list(again) == list(found)
    assert list(dropped) == []
    assert (rejected_again is None) == (rejection is None)


@given(maps)
def test_raw_map_is_left_alone(raw):
    """The input is read only."""
    before = json.dumps(raw)
    apply(raw)
    assert json.dumps(raw) == before
