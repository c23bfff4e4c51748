"""The words of AEP's asynchronous validation, as real failed batches show them (BatchBlaster), and the seed's schema."""

import json
from pathlib import Path

import pytest

from bridge.routes.mapping_opening import open_experience_events
from bridge.settings import MappingSettings
from bridge.xdm.experience_event import ExperienceEvents
from bridge.xdm.schema.compiled_schema import compile_schema, load_schema

ROOT = Path(__file__).parents[2]
COMMERCE = {
    "properties": {
        "commerce": {
            "properties": {
                "order": {
                    "properties": {
                        "currencyCode": {"type": "string", "pattern": "^[A-Z]{3}$"},
                        "priceTotal": {"type": "number"},
                        "units": {"type": "integer"},
                        "payments": {"type": "array", "items": {"properties": {"id": {"type": "string"}}}},
                    }
                }
            }
        },
        "productListItems": {
            "type": "array",
            "items": {"properties": {"SKU": {"type": "string"}, "name": {"type": "string"}}, "required": ["SKU"]},
        },
    }
}


@pytest.mark.parametrize(
    ("order", "code", "reason"),
    [
        ({"currencyCode": "R$"}, "DCVS-1103", "string does not match pattern ^[A-Z]{3}$"),
        ({"priceTotal": "12,50"}, "DCVS-1104", "expected type: Number, found: String"),
        ({"units": 1.5}, "DCVS-1104", "expected type: Integer, found: Double"),
        ({"payments": "cash"}, "DCVS-1104", "expected type: JSONArray, found: String"),
    ],
)
def test_documented_messages(order, code, reason):
    """What AEP would write into a failed batch is refused here first, same words, same path, without the value."""
    _, _, violations = compile_schema(COMMERCE).check({"commerce": {"order": order}})
    (name,) = order
    assert [tuple(violation) for violation in violations] == [(f"#/commerce/order/{name}", code, reason)]


def test_documented_message_for_a_missing_key():
    """A missing key is told as: required key [SKU] not found."""
    _, _, violations = compile_schema(COMMERCE).check({"productListItems": [{"SKU": "1"}, {"name": "x"}]})
    assert [tuple(violation) for violation in violations] == [
        ("#/productListItems/1", "DCVS-1106", "required key [SKU] not found")
    ]


def test_documented_null_and_whole_double_are_mended_before_they_leave():
    """Nulls and whole doubles, two known causes of failed batches, never reach AEP."""
    sent, _, violations = compile_schema(COMMERCE).check(
        {"commerce": {"order": {"priceTotal": None, "units": 3.0, "currencyCode": "EUR"}}}
    )
    assert (sent, violations) == ({"commerce": {"order": {"units": 3, "currencyCode": "EUR"}}}, [])
    assert type(sent["commerce"]["order"]["units"]) is int


class Given:
    """A mapping whose outcome is given."""

    sha256 = "0" * 64

    def __init__(self, xdm):
        self.xdm = xdm

    def apply(self, _event):
        """The given XDM, fresh each time."""
        return json.loads(json.dumps(self.xdm)), ()


def build(changes):
    """The seed's expected event with changes to the tenant's fields, built with the shipped schema."""
    xdm = json.loads((ROOT / "tests" / "data" / "samples" / "seed-event.expected.json").read_text(encoding="utf-8"))
    tenant = xdm.pop("_yourorgname")
    xdm["_acme"] = {**tenant, **changes}
    schema = compile_schema(load_schema(ROOT / "mappings" / "moengage_events.schema.json"), tenant="_acme")
    return xdm, ExperienceEvents(Given(xdm), MappingSettings(tenant="_acme"), schema).build({})


def test_seed_fits_its_schema():
    """The seed's expected event passes the shipped schema unchanged."""
    xdm, built = build({})
    assert json.dumps(built.xdm) == json.dumps(xdm)
    assert (built.rejection, list(built.findings)) == (None, [])


def test_numbers_of_moengage_become_the_schemas_text():
    """An id that arrives as a float and numeric attributes fit the schema's text."""
    _, built = build(
        {"campaignId": 4000052183.0, "eventAttributesJson": {"error_code": 7, "amount": 1.5, "gone": None}}
    )
    assert built.rejection is None
    assert built.xdm["_acme"]["campaignId"] == "4000052183"
    assert built.xdm["_acme"]["eventAttributesJson"] == {"error_code": "7", "amount": "1.5"}


def test_type_error_rejects_with_code_and_path():
    """A value that cannot be coerced makes a dead letter with AEP's code and the path."""
    _, built = build({"campaignName": {"nested": "x"}})
    assert (built.rejection.stage, built.rejection.code) == ("check", "DCVS-1104")
    assert built.rejection.reason == "#/_acme/campaignName: expected type: String, found: JSONObject"
    assert built.xdm["_acme"]["campaignName"] == {"nested": "x"}


def test_schema_turns_a_timestamp_into_a_date_time():
    """Text in one of Data Prep's formats is a date-time once the schema has been seen."""
    schema = compile_schema(load_schema(ROOT / "mappings" / "moengage_events.schema.json"))
    xdm = {"_id": 7, "timestamp": "2024-11-12 14:20:00.000+0000", "identityMap": {"Email": [{"id": "a@b.c"}]}}
    built = ExperienceEvents(Given(xdm), MappingSettings(), schema).build({})
    assert (built.rejection, built.xdm["_id"], built.xdm["timestamp"]) == (None, "7", "2024-11-12T14:20:00Z")


def test_missing_required_field_keeps_its_own_code():
    """A missing _id is told as the bridge tells it, not as a schema error; other violations come after."""
    schema = compile_schema(load_schema(ROOT / "mappings" / "moengage_events.schema.json"))
    xdm = {"timestamp": "2024-11-12T14:20:00Z", "eventType": []}
    built = ExperienceEvents(Given(xdm), MappingSettings(), schema).build({})
    assert built.rejection.code == "required_missing"


def test_seed_event_through_shipped_mapping_and_schema():
    """From the event of MoEngage's Adobe page to the expected ExperienceEvent, with what ships and nothing else."""
    event = json.loads((ROOT / "tests" / "data" / "samples" / "seed-event.json").read_text(encoding="utf-8"))
    expected = json.loads(
        (ROOT / "tests" / "data" / "samples" / "seed-event.expected.json").read_text(encoding="utf-8")
    )
    for schema in (None, Path("mappings/moengage_events.schema.json")):
        built = open_experience_events(MappingSettings(schema=schema)).build(event)
        assert built.xdm == expected
        assert (built.rejection, list(built.warnings), list(built.findings)) == (None, [], [])


def test_shipped_mapping_writes_only_fields_of_the_shipped_schema():
    """Mapping set and schema belong together: every destination is a field."""
    events = open_experience_events(MappingSettings(tenant="_acme", schema="mappings/moengage_events.schema.json"))
    fields = {info.path for info in events.schema.fields()}
    built = events.build(
        json.loads((ROOT / "tests" / "data" / "samples" / "seed-event.json").read_text(encoding="utf-8"))
    )
    assert set(built.xdm) <= fields
    assert {f"_acme.{name}" for name in built.xdm["_acme"]} == {
        path for path in fields if path.startswith("_acme.") and path[-1] != "*"
    }
