"""Coercion and refusal of single values and of what holds them."""

import copy
from datetime import UTC, datetime, timedelta, timezone

import pytest

from bridge.xdm.problems import FINDING_CODES, REJECTION_CODES, rejection_of
from bridge.xdm.schema.compiled_schema import compile_schema

NAN, INF = float("nan"), float("inf")


def check(raw, value):
    """What becomes of the property f: the value sent (a word when it is absent), and the violations' codes."""
    sent, findings, violations = compile_schema({"properties": {"f": raw, "other": {"type": "string"}}}).check(
        {"f": value, "other": "x"}
    )
    assert {found.code for found in findings} <= set(FINDING_CODES)
    assert {violation.code for violation in violations} <= set(REJECTION_CODES)
    return sent.get("f", "absent"), [violation.code for violation in violations]


TEXT, INTEGER, NUMBER, BOOLEAN = ({"type": kind} for kind in ("string", "integer", "number", "boolean"))
MOMENT = {"type": "string", "format": "date-time"}
DAY = {"type": "string", "format": "date"}


@pytest.mark.parametrize(
    ("raw", "value", "sent"),
    [
        (TEXT, "x", "x"),
        (TEXT, "", ""),
        (TEXT, 1234, "1234"),
        (TEXT, 12.5, "12.5"),
        (TEXT, 4000052183.0, "4000052183"),
        (TEXT, True, "true"),
        (TEXT, False, "false"),
        (TEXT, datetime(2024, 11, 12, 14, 20, tzinfo=UTC), "2024-11-12T14:20:00Z"),
        (INTEGER, 5, 5),
        (INTEGER, 5.0, 5),
        (INTEGER, "5", 5),
        (INTEGER, "5.0", 5),
        (INTEGER, " -7 ", -7),
        (NUMBER, 5, 5),
        (NUMBER, 5.25, 5.25),
        (NUMBER, "5.25", 5.25),
        (NUMBER, "1e3", 1000.0),
        (BOOLEAN, True, True),
        (BOOLEAN, "yes", True),
        (BOOLEAN, "OFF", False),
        (MOMENT, "2024-11-12T14:20:00Z", "2024-11-12T14:20:00Z"),
        (MOMENT, "2024-11-12T14:20:00.123456789+05:30", "2024-11-12T14:20:00.123456789+05:30"),
        (MOMENT, "2024-11-12", "2024-11-12T00:00:00Z"),
        (MOMENT, "2024-11-12 14:20:00.005-0800", "2024-11-12T14:20:00.005-08:00"),
        (MOMENT, datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=1))), "2024-01-01T00:00:00+01:00"),
        (DAY, "2024-11-12", "2024-11-12"),
        (DAY, "12-31-2024", "2024-12-31"),
        ({"meta:xdmType": "date-time"}, "20241112", "2024-11-12T00:00:00Z"),
        ({}, {"a": [None]}, {"a": [None]}),
    ],
)
def test_values_become_the_schemas_type(raw, value, sent):
    """Coercion is Data Prep's; types agree exactly, not only by Python's equality."""
    became, violations = check(raw, value)
    assert (became, type(became), violations) == (sent, type(sent), [])


@pytest.mark.parametrize(
    ("raw", "value", "code"),
    [
        (TEXT, {"a": 1}, "DCVS-1104"),
        (TEXT, ["a"], "DCVS-1104"),
        (TEXT, NAN, "DCVS-1104"),
        (INTEGER, 5.5, "DCVS-1104"),
        (INTEGER, "five", "DCVS-1104"),
        (INTEGER, "5.5", "DCVS-1104"),
        (INTEGER, True, "DCVS-1104"),
        (INTEGER, INF, "DCVS-1104"),
        (NUMBER, "", "DCVS-1104"),
        (NUMBER, NAN, "DCVS-1104"),
        (NUMBER, {}, "DCVS-1104"),
        (BOOLEAN, "True", "DCVS-1104"),
        (BOOLEAN, 1, "DCVS-1104"),
        (MOMENT, 1731421200, "DCVS-1104"),
        (MOMENT, "yesterday", "xdm_format"),
        (MOMENT, "2024-02-30T00:00:00Z", "xdm_format"),
        (DAY, "2024-02-30", "xdm_format"),
        ({"type": "string", "format": "uri-reference"}, "a b", "xdm_format"),
        ({"type": "string", "format": "uri"}, "a/b", "xdm_format"),
        ({"type": "string", "format": "email"}, "nobody", "xdm_format"),
        ({"type": "string", "pattern": "^[A-Z]{3}$"}, "R$", "DCVS-1103"),
        ({"type": "string", "enum": ["a", "b"]}, "c", "xdm_enum"),
        ({"type": "integer", "enum": [1, 2]}, "3", "xdm_enum"),
        ({"type": "string", "minLength": 2}, "x", "xdm_length"),
        ({"type": "string", "maxLength": 2}, "xxx", "xdm_length"),
        ({"type": "integer", "minimum": 0}, -1, "xdm_range"),
        ({"type": "integer", "maximum": 2147483647}, "2147483648", "xdm_range"),
        ({"type": "number", "exclusiveMinimum": 0}, 0, "xdm_range"),
        ({"type": "number", "exclusiveMaximum": 1}, 1.0, "xdm_range"),
        ({"type": "array", "items": TEXT}, "x", "DCVS-1104"),
        ({"type": "array", "items": TEXT, "minItems": 1}, [None], "xdm_length"),
        ({"type": "array", "items": TEXT, "maxItems": 1}, ["a", "b"], "xdm_length"),
        ({"type": "array", "items": INTEGER}, ["x"], "DCVS-1104"),
        ({"properties": {"a": TEXT}}, "x", "DCVS-1104"),
        ({"properties": {"a": TEXT}}, ["x"], "DCVS-1104"),
        ({"properties": {"a": TEXT}, "required": ["a"]}, {"b": 1}, "DCVS-1106"),
        ({"properties": {"a": TEXT}, "additionalProperties": False}, {"b": 1}, "xdm_unknown_property"),
        ({"type": "object", "additionalProperties": INTEGER}, {"b": "x"}, "DCVS-1104"),
        ({"type": "object", "additionalProperties": INTEGER}, "x", "DCVS-1104"),
        ({"properties": {"a": TEXT}, "additionalProperties": INTEGER}, {"b": "x"}, "DCVS-1104"),
    ],
)
def test_values_that_aep_would_refuse(raw, value, code):
    """Each kind of fault has its code."""
    _, violations = check(raw, value)
    assert violations == [code]


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ({"type": "string", "pattern": "[0-9]"}, "a1b"),
        ({"type": "string", "meta:enum": {"a": "A"}}, "c"),
        ({"type": "string", "format": "ipv4"}, "anything"),
        ({"type": "integer", "minimum": 0, "maximum": 3}, 3),
        ({"type": "string", "minLength": 1, "maxLength": 1}, "é"),
        ({"properties": {"a": TEXT}}, {"unknown": {"b": 1}}),
        ({"type": "object"}, {"any": [1, "x", None]}),
    ],
)
def test_what_the_schema_allows(raw, value):
    """Patterns search, suggestions do not bind, unknown properties pass unless they are forbidden."""
    assert check(raw, value) == (value, [])


def test_nulls_are_pruned_and_empty_objects_with_them():
    """A null never leaves, in objects, maps and arrays; an object of which nothing is left goes too."""
    schema = compile_schema(
        {
            "properties": {
                "a": {"properties": {"b": {"properties": {"c": INTEGER}, "required": ["c"]}}},
                "list": {"type": "array", "items": {"properties": {"x": TEXT}}},
                "map": {"type": "object", "additionalProperties": TEXT},
                "keep": TEXT,
            }
        }
    )
    xdm = {"a": {"b": {"c": None}}, "list": [None, {"x": None}, {"x": "1"}], "map": {"k": None}, "keep": "x", "z": None}
    assert schema.check(xdm) == ({"list": [{"x": "1"}], "keep": "x"}, [], [])
    assert schema.check({"keep": None}) == ({}, [], [])


def test_map_of_text_takes_objects_as_json_text():
    """Keys of an open map cannot be mapped one by one: what is nested there becomes JSON text, and is told."""
    schema = compile_schema({"properties": {"map": {"type": "object", "additionalProperties": TEXT}}})
    sent, findings, violations = schema.check({"map": {"tags": ["a", {"b": None}], "n": 1, "t": "x"}})
    assert sent == {"map": {"tags": '["a",{"b":null}]', "n": "1", "t": "x"}}
    assert [(found.path, found.code) for found in findings] == [("#/map/tags", "map_value_as_json")]
    assert violations == []


def test_what_json_cannot_hold_is_refused_in_a_map():
    """A value that cannot be encoded is a type error, not a crash."""
    schema = compile_schema({"properties": {"map": {"type": "object", "additionalProperties": TEXT}}})
    assert [violation.code for violation in schema.check({"map": {"a": ["\ud800"]}})[2]] == ["DCVS-1104"]


def test_input_is_shared_but_never_changed():
    """The mapping may hand over the event's own objects: a change is made on a copy, the rest is the same object."""
    schema = compile_schema({"properties": {"a": {"properties": {"n": INTEGER}}, "b": {"properties": {"n": INTEGER}}}})
    xdm = {"a": {"n": "1"}, "b": {"n": 2}}
    before = copy.deepcopy(xdm)
    sent, _, _ = schema.check(xdm)
    assert xdm == before
    assert sent == {"a": {"n": 1}, "b": {"n": 2}}
    assert sent["b"] is xdm["b"]
    assert schema.check(sent)[0] is sent


def test_paths_are_pointers_and_values_stay_out():
    """A reason names the place through objects, arrays and maps, with slashes escaped and long keys cut, no value."""
    schema = compile_schema(
        {
            "properties": {
                "a": {"properties": {"list": {"type": "array", "items": {"properties": {"n": INTEGER}}}}},
                "m": {"type": "object", "additionalProperties": INTEGER},
            }
        }
    )
    _, _, violations = schema.check({"a": {"list": [{}, {"n": "secret"}]}, "m": {"k/~": "secret", "k" * 500: "secret"}})
    paths = [violation.path for violation in violations]
    assert paths == ["#/a/list/1/n", "#/m/k~1~0", "#/m/" + "k" * 64 + "…"]
    rejection = rejection_of(violations)
    assert rejection.code == "DCVS-1104"
    assert rejection.reason.startswith("#/a/list/1/n: expected type: Integer, found: String; #/m/k~1~0: ")
    assert "secret" not in rejection.reason


def test_five_errors_are_enough():
    """Like AEP's validation, a message's errors stop at five."""
    schema = compile_schema({"properties": {"m": {"type": "array", "items": INTEGER}}})
    assert len(schema.check({"m": ["x"] * 1000})[2]) == 5


def test_identity_map_is_left_to_its_own_rules():
    """The schema check does not look at identityMap, which the identity rules have made."""
    schema = compile_schema({"properties": {"identityMap": TEXT, "a": {"properties": {"identityMap": INTEGER}}}})
    assert schema.check({"identityMap": {"x": None}}) == ({"identityMap": {"x": None}}, [], [])
    assert len(schema.check({"a": {"identityMap": "x"}})[2]) == 1
