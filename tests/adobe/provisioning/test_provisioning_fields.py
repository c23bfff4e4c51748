"""XDM fields: taken out of a file, sent, compared."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.adobe.provisioning.fields import (
    Clash,
    Missing,
    compare,
    fields_of,
    grown,
    joined,
    kind_of,
    sent,
    standard_groups,
    tenant_in,
)

SHIPPED = json.loads(
    (Path(__file__).resolve().parents[3] / "mappings/moengage_events.schema.json").read_text(encoding="utf-8")
)

_LEAVES = st.sampled_from(
    [
        {"type": "string"},
        {"type": "string", "format": "date-time"},
        {"type": "string", "format": "date"},
        {"type": "integer"},
        {"type": "number"},
        {"type": "boolean"},
        {"type": "object", "meta:xdmType": "map", "additionalProperties": {"type": "string"}},
    ]
)
_NAMES = st.sampled_from(["a", "b", "c", "d"])
_FIELD = st.recursive(
    _LEAVES,
    lambda below: st.one_of(
        st.builds(lambda one: {"type": "array", "items": one}, below),
        st.builds(
            lambda some: {"type": "object", "properties": some}, st.dictionaries(_NAMES, below, min_size=1, max_size=3)
        ),
    ),
    max_leaves=6,
)
_FIELDS = st.dictionaries(_NAMES, _FIELD, max_size=4)


def _as_the_server(field):
    """What AEP makes of a field: types of its own beside ours, titles, and nothing left out."""
    made = {"title": "Its own", "meta:xdmType": kind_of(field), **copy.deepcopy(field)}
    if made["type"] == "integer":
        made["meta:xdmType"] = "int"
    for key in ("items", "additionalProperties"):
        if isinstance(made.get(key), dict):
            made[key] = _as_the_server(made[key])
    if "properties" in made:
        made["properties"] = {name: _as_the_server(one) for name, one in made["properties"].items()}
    return made


def test_the_shipped_fields_are_those_of_the_guide():
    """Eleven fields below the tenant, strings and maps, without what a server adds."""
    assert tenant_in(SHIPPED, "_acme", "_yourorgname") == "_yourorgname"
    fields = fields_of(SHIPPED, "_yourorgname")
    assert {name: kind_of(one) for name, one in fields.items()} == {
        "source": "string", "eventName": "string", "eventCode": "string", "appName": "string", "campaignId": "string",
        "campaignName": "string", "campaignType": "string", "campaignChannel": "string", "eventAttributesJson": "map",
        "userAttributesJson": "map", "deviceAttributesJson": "map",
    }  # fmt: skip
    told = json.dumps(fields)
    assert told.count("meta:xdmType") == 3
    assert fields["eventAttributesJson"]["additionalProperties"]["type"] == "string"


@given(_FIELDS)
def test_what_was_sent_is_found_again(fields):
    """However the server rewrites a field, nothing of it is missing and nothing clashes; and sending it again sends the same."""
    theirs = {name: _as_the_server(one) for name, one in fields.items()}
    assert [*compare(fields, theirs)] == []
    assert {name: sent(one, {}) for name, one in theirs.items()}.keys() == fields.keys()
    assert [*compare({name: sent(one, {}) for name, one in theirs.items()}, theirs)] == []


@given(_FIELDS, _FIELDS)
def test_what_is_missing_can_be_added(ours, theirs):
    """Added at its path, nothing is missing any more; what clashes stays a clash, and nothing of theirs is lost."""
    tree = {"type": "object", "properties": copy.deepcopy(theirs)}
    for one in compare(ours, theirs):
        if isinstance(one, Missing):
            tree = joined(tree, grown(one.path, one.schema))
    left = [*compare(ours, tree["properties"])]
    assert all(isinstance(one, Clash) for one in left)
    assert left == [one for one in compare(ours, theirs) if isinstance(one, Clash)]
    assert [*compare(theirs, tree["properties"])] == []


def test_names_differ_in_more_than_case():
    """AEP keeps names of one level apart without regard to case, so such a field cannot be added."""
    assert [*compare({"campaignID": {"type": "string"}}, {"campaignId": {"type": "string"}})] == [
        Clash(("campaignID",), "campaignID", "campaignId")
    ]


def test_a_changed_kind_is_a_clash():
    """Deep inside, too: in an array of objects and in the values of a map."""
    ours = {"list": {"type": "array", "items": {"type": "object", "properties": {"x": {"type": "integer"}}}}}
    theirs = {"list": {"type": "array", "items": {"type": "object", "properties": {"x": {"type": "string"}}}}}
    assert [*compare(ours, theirs)] == [Clash(("list", "[*]", "x"), "integer", "string")]
    ours = {"map": {"type": "object", "meta:xdmType": "map", "additionalProperties": {"type": "integer"}}}
    theirs = {"map": {"type": "object", "meta:xdmType": "map", "additionalProperties": {"type": "string"}}}
    assert [*compare(ours, theirs)] == [Clash(("map", "*"), "integer", "string")]


@pytest.mark.parametrize(
    ("reference", "taken"),
    [
        ("https://ns.adobe.com/xdm/context/experienceevent-directmarketing", True),
        ("https://ns.adobe.com/experience/customerJourneyManagement/messageexecution", True),
        ("https://ns.adobe.com/xdm/mixins/current-campaign", True),
        ("https://ns.adobe.com/xdm/context/experienceevent", False),
        ("https://ns.adobe.com/xdm/data/time-series", False),
        ("https://ns.adobe.com/xdm/context/identitymap", False),
        ("https://ns.adobe.com/acme/mixins/0123", False),
        ("#/definitions/own", False),
    ],
)
def test_adobes_own_field_groups_are_told_from_the_class(reference, taken):
    """What the class brings and what the tenant made is not added once more."""
    assert standard_groups({"allOf": [{"$ref": reference}]}) == ((reference,) if taken else ())
    assert standard_groups({"meta:extends": [reference]}) == ((reference,) if taken else ())


def test_local_references_are_resolved():
    """A field that refers to a definition is sent whole, once however deep it refers to itself."""
    document = {
        "definitions": {"amount": {"type": "object", "properties": {"value": {"type": "number"}}}},
        "properties": {"_acme": {"properties": {"total": {"$ref": "#/definitions/amount", "title": "Total"}}}},
    }
    assert fields_of(document, "_acme") == {
        "total": {"title": "Total", "type": "object", "properties": {"value": {"type": "number"}}}
    }
    document["definitions"]["amount"]["properties"]["again"] = {"$ref": "#/definitions/amount"}
    assert "total" in fields_of(document, "_acme")
