"""Mapping set, schema and settings that contradict each other are refused before an event is lost for it."""

import json
from pathlib import Path

import pytest

from bridge.mapping.lint.rules import lint
from bridge.mapping.sets.table import load_mapping_set
from bridge.model.errors import BridgeError
from bridge.routes.agreement import is_verified
from bridge.routes.event_builder import open_agreeing
from bridge.routes.mapping_opening import schema_of
from bridge.settings import AepSettings, MappingSettings
from bridge.xdm.rules import RULES
from bridge.xdm.schema.compiled_schema import compile_schema, load_schema

ROWS = """source_type,source,destination
ATTRIBUTE,id,_id
EXPRESSION,"dformat(time * 1000, ""yyyy-MM-dd'T'HH:mm:ssX"")",timestamp
ATTRIBUTE,identities.externalId,identityMap.AcmeLoyalty[0].id
STATIC,true,identityMap.AcmeLoyalty[0].primary
ATTRIBUTE,identities.email,identityMap.Email[0].id
STATIC,false,identityMap.Email[0].primary
ATTRIBUTE,event_name,{tenant}.eventName
ATTRIBUTE,event_name,{tenant}.other
"""
TEXT = {"type": "string"}
SCHEMA = {
    "$id": "https://ns.adobe.com/acmeair/schemas/0123",
    "properties": {
        "_id": TEXT,
        "timestamp": {**TEXT, "format": "date-time"},
        "_acmeair": {"properties": {"eventName": TEXT, "other": TEXT}},
        "_experience": {"properties": {"x": TEXT}},
        "commerce": {"properties": {"x": TEXT}},
    },
}


@pytest.fixture
def told(tmp_path):
    """Settings of an own mapping set and schema, some of them otherwise; ``rows`` are added to the set."""

    def settings(rows="", **changed):
        mapping, schema = tmp_path / "own.csv", tmp_path / "own.schema.json"
        mapping.write_text(ROWS + rows, encoding="utf-8")
        schema.write_text(json.dumps(SCHEMA), encoding="utf-8")
        named = {"path": mapping, "schema": schema, "tenant": "_acmeair", "primary_identity": ("AcmeLoyalty", "Email")}
        return MappingSettings(**{**named, **changed})

    return settings


def refusal(settings, **aep):
    """The words with which the set is refused; empty when it is taken."""
    try:
        open_agreeing(settings, AepSettings(**aep))
    except BridgeError as error:
        return str(error)
    return ""


def test_what_agrees_is_taken(told):
    """Tenant, fields, namespaces and the schema's $id as they should be."""
    assert refusal(told(), schema_id=SCHEMA["$id"]) == ""
    assert refusal(told(schema="none")) == ""


def test_a_tenant_that_the_schema_lacks(told):
    """One finding, at the first row, that names the schema's own."""
    said = refusal(told(tenant="_acmear"))
    assert "row 8, destination: the schema has no tenant _acmear; its tenant is _acmeair [tenant_unknown]" in said
    assert said.count("tenant_unknown") == 1


def test_a_top_level_field_that_the_schema_lacks(told):
    """With the nearest one; what every event has is no business of the schema's."""
    said = refusal(told("ATTRIBUTE,event_name,comerce.x\n"))
    assert "the schema has no field comerce [destination_unknown] (fix: commerce)" in said
    assert "identityMap" not in said


@pytest.mark.parametrize("listed", ["acmeLoyaltyId", "acmeloyalty"])
def test_a_primary_that_the_list_does_not_name(told, listed):
    """The row says primary, the setting another namespace: who would be primary instead is told."""
    said = refusal(told(primary_identity=(listed, "Email")))
    assert "the row marks identityMap.AcmeLoyalty primary" in said
    assert f"does not name AcmeLoyalty: Email would be primary [primary_not_listed] (fix: {listed})" in said


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ({"meta:class": "https://ns.adobe.com/xdm/context/profile"}, "its class is XDM Individual Profile"),
        ({"meta:extends": ["https://ns.adobe.com/xdm/context/profile"]}, "its class is XDM Individual Profile"),
        ({"meta:class": "https://ns.adobe.com/xdm/context/experienceevent"}, ""),
        ({"meta:class": "https://ns.adobe.com/acmeair/classes/0a", "meta:extends": ["https://ns.adobe.com/xdm/data/time-series"]}, ""),
        ({}, ""),
    ],
)  # fmt: skip
def test_a_schema_of_another_class_than_events(told, tmp_path, stated, said):
    """A schema that says it describes profiles takes no events, though its fields may be the same."""
    schema = tmp_path / "classed.json"
    schema.write_text(json.dumps({**SCHEMA, **stated}), encoding="utf-8")
    found = refusal(told(schema=schema))
    assert (said in found, "schema_class" in found) == (True, bool(said))
    names = {"tenant": "_acmeair", "primary_identity": "AcmeLoyalty"}
    linted = lint(load_mapping_set(told().path), schema=compile_schema(load_schema(schema)), rules=RULES, **names)
    assert [one.severity for one in linted if one.code == "schema_class"] == ["error"] * bool(said)


def test_no_namespace_of_the_list_is_written(told):
    """Every event would be refused."""
    assert "no event would have a primary identity [namespace_unknown]" in refusal(told(primary_identity=("ECID",)))


def test_another_schema_than_events_are_declared_for(told):
    """The file's $id against BRIDGE_AEP__SCHEMA_ID."""
    assert "[schema_id_differs]" in refusal(told(), schema_id="https://ns.adobe.com/acmeair/schemas/9")


def test_the_example_s_tenant_towards_adobe():
    """Adobe's own host refuses nothing at once; other hosts are emulators."""
    shipped = MappingSettings()
    inlet = "/collection/0123456789abcdef"
    assert "[tenant_example]" in refusal(shipped, endpoint=f"https://dcs.adobedc.net{inlet}")
    assert refusal(shipped, endpoint=f"http://127.0.0.1:8080{inlet}") == ""
    assert refusal(MappingSettings(tenant="_acme"), endpoint=f"https://dcs.adobedc.net{inlet}") == ""


def test_only_a_schema_from_aep_vouches_for_the_tenant(told):
    """The shipped one takes any tenant's name."""
    shipped = MappingSettings(tenant="_acme")
    assert not is_verified(schema_of(shipped), "_acme")
    assert is_verified(schema_of(told()), "_acmeair")


def test_the_shipped_set_has_its_schema(tmp_path, monkeypatch):
    """Unset it is the schema that ships, none turns it off, and a set of one's own has none."""
    root = Path(__file__).parents[2]
    schema = root / "mappings" / "moengage_events.schema.json"
    assert MappingSettings().schema_path.resolve() == schema
    assert MappingSettings(path=root / "mappings" / "moengage_events.csv").schema_path.resolve() == schema
    assert MappingSettings(schema="none").schema_path is None
    assert MappingSettings.model_validate(MappingSettings(schema="none").model_dump(by_alias=True)).schema_path is None
    own = tmp_path / "own.csv"
    own.write_text(ROWS)
    assert MappingSettings(path=own).schema_path is None
    monkeypatch.chdir(tmp_path)
    assert MappingSettings().schema_path.resolve() == schema
