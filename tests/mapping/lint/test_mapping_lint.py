"""Every code of lint, with its row, its column and its fix."""

import json
from pathlib import Path
from typing import Any

import pytest

from bridge.mapping.lint.codes import CODES
from bridge.mapping.lint.rules import lint, lint_file
from bridge.mapping.sets.table import read_mapping_set
from bridge.mapping.workshop.samples import Samples
from bridge.xdm.rules import RULES
from bridge.xdm.schema.compiled_schema import compile_schema, load_schema

ROOT = Path(__file__).resolve().parents[3]
WHOLE = ["id,_id", "time,timestamp", "uid,identityMap.crm[0].id", "STATIC:true,identityMap.crm[0].primary"]


def findings(*rows: str, whole: bool = True, **options: Any) -> list[Any]:
    """Rows are ``source,destination`` (``STATIC:`` before a static one); the required ones are added."""
    mappings = []
    for row in (*(WHOLE if whole else ()), *rows):
        source, destination = row.rsplit(",", 1)
        kind = {"sourceType": "STATIC"} if source.startswith("STATIC:") else {}
        mappings.append({"source": source.removeprefix("STATIC:"), "destination": destination, **kind})
    mapping_set = read_mapping_set(json.dumps(mappings).encode())
    return list(lint(mapping_set, tenant="_yourorgname", primary_identity="crm", rules=RULES, **options))


def codes(*rows: str, **options: Any) -> list[tuple[int, str, str]]:
    """Row, column and code of each finding."""
    return [(one.row, one.column, one.code) for one in findings(*rows, **options)]


def test_a_sound_mapping_has_no_findings():
    """Silence means fine."""
    assert findings("upper(event_name),{tenant}.eventName") == []


@pytest.mark.parametrize(
    ("row", "code", "severity", "fix"),
    [
        ("uper(a),x", "unknown_function", "error", "upper"),
        ("a.equal('x'),x", "unknown_method", "error", "equals"),
        ("substr(a),x", "arity", "error", "substr(INPUT, START_INDEX, LENGTH)"),
        ("fpid_to_ecid(a),x", "refused_function", "error", None),
        ("date('2020-01-01', 'qqqq jj'),x", "constant_invalid", "error", None),
        ("a &&,x", "syntax", "error", None),
        ("a = 1,x", "syntax", "error", "compare with =="),
        ("a,x.y[", "destination_syntax", "error", None),
        ("a,{tennant}.x", "placeholder_unknown", "error", "tenant"),
        ("upper(date),x", "reserved_word", "warning", "${date}"),
        ("concat(new.a, 'x'),x", "reserved_word", "error", "${new}"),
        ("size,x", "reserved_word", "warning", "${size}"),
        ("First Name,x", "identifier_unwrapped", "warning", "${First Name}"),
        ("filterArray(a, x -> x > 0),x", "availability", "warning", None),
        ("is_set('a'),x", "availability", "warning", "contains_key"),
        ("jmespath('a'),x", "availability", "warning", None),
        ("to_integer('x'),x", "constant_fails", "warning", None),
        ("a[*].b,x[*].y[*].z", "wildcards", "error", None),
        ("concat(" + ", ".join(["'0123456789'"] * 300) + "),x", "expression_too_long", "warning", None),
    ],
)
def test_each_slip_has_its_code_and_fix(row: str, code: str, severity: str, fix: str | None):
    """The row after the four required ones is at fault, and nothing else is."""
    found = [one for one in findings(row) if one.code == code]
    assert [(one.row, one.severity) for one in found] == [(5, severity)]
    assert found[0].fix == fix
    assert code in CODES


def test_names_that_only_look_reserved_are_left_alone():
    """Segments after a dot, wrapped words, and words that merely begin like one."""
    assert findings("user.size,x", "upper(user.date),y", "upper(${date}),z", "order,v", "format2,w") == []


def test_required_fields_are_missed():
    """_id, timestamp and identityMap must be written by some row."""
    assert codes("a,b", whole=False) == [(0, "destination", "required_missing")] * 3
    assert "is _Id meant" in str([one.fix for one in findings("a,_Id", "b,timestamp", "c,identityMap", whole=False)])


def test_exactly_one_primary():
    """None is a warning, two are an error, and a computed flag may be either."""
    identity = ["id,_id", "time,timestamp", "uid,identityMap.a[0].id", "x,identityMap.b[0].id"]
    assert codes(*identity, whole=False) == [(0, "destination", "primary_missing")]
    two = [*identity, "STATIC:true,identityMap.a[0].primary", "true,identityMap.b[0].primary"]
    assert codes(*two, whole=False) == [(6, "source", "primary_twice")]
    computed = [*identity, "iif(uid == null, false, true),identityMap.a[0].primary"]
    assert codes(*computed, whole=False) == []


@pytest.mark.parametrize("source", ["uuid()", "concat('a', guid())", "now()", "timestamp()"])
def test_a_random_id_is_refused(source: str):
    """An _id that changes at every run defeats de-duplication."""
    rows = [f"{source},_id", *WHOLE[1:]]
    assert (1, "source", "random_id") in codes(*rows, whole=False)


def test_destinations_that_cannot_stand_together():
    """Twice the same, and an object where another row wants an array."""
    assert (6, "destination", "destination_duplicate") in codes("a,x", "b,x")
    assert (5, "destination", "destination_overlap") in codes("a,x.y", "b,x[0]")
    assert (5, "destination", "destination_overlap") in codes("l[*].a,x[*].b", "b,x[0].c")
    assert codes("a,x", "b,x.y") == []


def test_a_source_type_that_contradicts_its_source():
    """An expression that would be read as a field's name, or sent as text; quotes that would be sent too."""
    for kind, source, code, severity in (
        ("ATTRIBUTE", "upper(a)", "attribute_is_expression", "error"),
        ("STATIC", "concat(a, 'b')", "static_is_expression", "warning"),
        ("STATIC", "'CUSTOMER'", "static_is_expression", "warning"),
    ):
        rows = [{"sourceType": kind, "source": source, "destination": "x"}]
        found = lint(read_mapping_set(json.dumps(rows).encode()), tenant="_t", primary_identity="crm")
        assert [(one.code, one.severity) for one in found if one.row == 1] == [(code, severity)]
    for kind, source in (("ATTRIBUTE", "Price (USD)"), ("STATIC", "a + b"), ("STATIC", "event_name")):
        rows = [{"sourceType": kind, "source": source, "destination": "x"}]
        found = lint(read_mapping_set(json.dumps(rows).encode()), tenant="_t", primary_identity="crm")
        assert not any(one.code.endswith("_is_expression") for one in found)


def test_a_single_value_with_rows_below_it():
    """Text where another row needs an object."""
    assert (5, "destination", "destination_overlap") in codes("STATIC:text,x", "a,x.y")
    assert (6, "destination", "destination_overlap") in codes("a,x.y", "upper(b),x")
    assert codes("to_object('k', a),x", "a,x.y") == []


def test_samples_and_schema_together_reveal_wrong_kinds():
    """A number where a date is wanted, an object where text is; kinds that vary are let pass."""
    schema = compile_schema(load_schema(ROOT / "mappings" / "moengage_events.schema.json"), tenant="_yourorgname")
    samples = Samples([{"id": "1", "time": 5, "uid": "u", "o": {"a": 1}, "v": 1}, {"v": {"a": 1}}])
    found = findings(
        "o,{tenant}.eventName", "o.a,{tenant}.eventCode", "v,{tenant}.source", schema=schema, samples=samples
    )
    assert [(one.row, one.code) for one in found] == [(2, "type_mismatch"), (5, "type_mismatch")]
    assert "dformat" in found[0].message


def test_sample_events_reveal_unknown_paths():
    """A path that no sample has is told with the nearest one that exists."""
    samples = Samples([{"id": 1, "time": 2, "uid": 3, "event_attributes": {"campaign_id": 1, "items": [{"sku": 1}]}}])
    found = findings("event_attributes.campain_id,x", "event_attributes.items[3].sku,y", samples=samples)
    assert [(one.row, one.code, one.fix) for one in found] == [(5, "unknown_source", "event_attributes.campaign_id")]
    assert findings("object_to_map(event_attributes.items, sku),x", samples=samples) == []


def test_a_schema_reveals_unknown_fields_and_wrong_types():
    """Destinations and kinds of values are held against the schema."""
    schema = compile_schema(load_schema(ROOT / "mappings" / "moengage_events.schema.json"), tenant="_yourorgname")
    rows = {
        "a,{tenant}.campainId": ("destination_unknown", "_yourorgname.campaignId"),
        "split(a, ','),{tenant}.campaignId": ("type_mismatch", None),
        "upper(a),{tenant}.eventAttributesJson": ("type_mismatch", None),
        "STATIC:x,{tenant}.userAttributesJson": ("type_mismatch", None),
        "a[*].b,{tenant}.campaignName": ("type_mismatch", None),
    }
    for row, (code, fix) in rows.items():
        (found,) = findings(row, schema=schema)
        assert (found.row, found.code, found.fix) == (5, code, fix)
    assert findings("7,{tenant}.campaignId", "object_to_map(a),{tenant}.eventAttributesJson", schema=schema) == []


def test_a_file_that_cannot_be_read_gives_findings_too():
    """lint_file turns a refused file into the same list."""
    (found, *_) = lint_file(lambda: read_mapping_set(b"nothing\n"), tenant="_t", primary_identity="crm")
    assert found.code == "header_missing"
    assert {"row", "column", "code", "message"} <= found.as_json().keys()
