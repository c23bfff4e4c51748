"""What lint says of values that could never stand where a row puts them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bridge.mapping.lint.rules import lint
from bridge.mapping.sets.table import read_mapping_set
from bridge.mapping.workshop.samples import Samples
from bridge.xdm.rules import RULES
from bridge.xdm.schema.compiled_schema import compile_schema

TEXT = {"type": "string"}
SCHEMA = compile_schema(
    {
        "type": "object",
        "required": ["@id", "channel"],
        "properties": {
            "_id": TEXT,
            "timestamp": TEXT,
            "channel": TEXT,
            "_t": {
                "type": "object",
                "properties": {
                    "state": {"type": "string", "enum": ["on", "off"]},
                    "flag": {"type": "boolean"},
                    "tags": {"type": "array", "items": TEXT},
                    "lines": {
                        "type": "array",
                        "items": {"type": "object", "required": ["sku"], "properties": {"sku": TEXT, "count": TEXT}},
                    },
                },
            },
        },
    }
)
EVENT = {"event_name": "n", "items": [{"sku": "a"}], "identities": {"email": "a@example.com"}}


def _found(*rows: str, **options: Any) -> list[tuple[str, str | None]]:
    """Code and fix of each finding in rows ``source,destination``, beside those of a set that lacks everything else."""
    beside = {"required_missing", "primary_missing", "destination_unknown"} - set(options.pop("keep", ()))
    mappings = [dict(zip(("source", "destination"), row.rsplit(",", 1), strict=True)) for row in rows]
    found = lint(
        read_mapping_set(json.dumps(mappings).encode()), tenant="_t", primary_identity="crm", rules=RULES, **options
    )
    return [(one.code, one.fix) for one in found if one.code not in beside]


@pytest.mark.parametrize(
    ("row", "fix"),
    [
        ("identities.email,identityMap.Email.id", "identityMap.Email[0].id"),
        ("identities.email,identityMap.Email[0].value", "identityMap.Email[0].id"),
        ("lower(identities.email),identityMap.Email", "identityMap.Email[0].id"),
        ("lower(identities.email),identityMap.Email[0]", "identityMap.Email[0].id"),
        ("list[*].mail,identityMap.Email[*].id", None),
    ],
)
def test_identities_of_a_wrong_shape(row: str, fix: str | None) -> None:
    """Rows whose identity every event would lose in silence are errors, with the place that was meant."""
    assert _found(row) == [("identity_shape", fix)]


def test_identities_of_a_right_shape() -> None:
    """Items field by field, and whole maps, lists and items from the event, are fine."""
    for row in ("e,identityMap.Email[0].id", "e,identityMap", "e,identityMap.Email", "e,identityMap.Email[0]"):
        assert _found(row) == []


def test_samples_tell_that_an_identity_is_plain_text() -> None:
    """A path that holds text in every sample event is no list of items."""
    samples = Samples([EVENT])
    assert _found("identities.email,identityMap.Email", samples=samples) == [
        ("identity_shape", "identityMap.Email[0].id")
    ]


def test_samples_tell_that_children_stand_below_plain_text() -> None:
    """A row that copies text and a row that writes below it cannot both hold."""
    rows = ("event_name,_t.name", "items,_t.name.items")
    assert _found(*rows) == []
    assert _found(*rows, samples=Samples([EVENT])) == [("destination_overlap", None)]


@pytest.mark.parametrize(
    "row",
    [
        '"broken",_t.state',
        "size_of(items),_t.flag",
        "items[*].sku,_t.lines[*].sku",
        "items[*].sku,_t.tags[*]",
    ],
)
def test_values_that_never_fit_the_schema(row: str) -> None:
    """A constant outside the enum, a number for a boolean, a value that [*] wraps again."""
    rows = (row, '"x",_t.lines[0].sku') if "lines" not in row else (row,)
    assert "type_mismatch" in [code for code, _ in _found(*rows, schema=SCHEMA)]


def test_samples_tell_of_text_that_is_no_number() -> None:
    """Text that a sample shows can become no boolean is a warning: other events may hold another."""
    assert _found("identities.email,_t.flag", schema=SCHEMA) == []
    assert _found("identities.email,_t.flag", schema=SCHEMA, samples=Samples([EVENT])) == [("type_mismatch", None)]
    assert _found("event_name,_t.flag", schema=SCHEMA, samples=Samples([{"event_name": "yes"}])) == []


def test_constants_of_the_enum_fit() -> None:
    """What the enum names is no finding."""
    assert _found('"on",_t.state', "items[*].sku,_t.tags", schema=SCHEMA) == []


def test_fields_that_the_schema_requires() -> None:
    """Required fields at the root, and in objects built field by field; an object copied whole brings its own."""
    keep = ("required_missing",)
    every = ("id,_id", "time,timestamp", "c,channel", "i,identityMap")
    assert _found(*every, keep=keep, schema=SCHEMA) == []
    assert _found(*every[:2], every[3], keep=keep, schema=SCHEMA) == [("required_missing", None)]
    assert _found(*every, "n,_t.lines[0].count", keep=keep, schema=SCHEMA) == [("required_missing", None)]
    assert _found(*every, "items,_t.lines", keep=keep, schema=SCHEMA) == []
