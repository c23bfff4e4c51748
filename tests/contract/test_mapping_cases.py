"""Inputs that others' mapping sets, schemas and spreadsheets hold, each with the value that Adobe's pages or common sense give."""

import json
from datetime import datetime
from pathlib import Path

import pytest

from bridge.mapping.compiler.expressions.evaluation import compile_expression
from bridge.mapping.sets.table import read_mapping_set
from bridge.routes.mapping_opening import open_experience_events
from bridge.settings import MappingSettings
from bridge.sources.moengage.envelopes import events_of
from bridge.xdm.schema.compiled_schema import compile_schema

CASES = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "data" / "cases" / "mapping.jsonl").read_text("utf-8").splitlines()
]


def named(case):
    """The first words of what a case is about, and what is tried."""
    return f"{case['about'][:30]}-{case.get('expression', case['kind'])[:40]}"


def of(kind):
    """The cases of one kind."""
    return pytest.mark.parametrize("case", [case for case in CASES if case["kind"] == kind], ids=named)


@of("eval")
def test_expressions(case):
    """An expression over an event gives the documented value."""
    got = compile_expression(case["expression"]).evaluate(case["event"]).value
    if case.get("compare") == "instant":
        got, case["want"] = datetime.fromisoformat(got), datetime.fromisoformat(case["want"])
    assert got == case["want"]


@of("schema")
def test_schemas(case):
    """A value is refused where AEP would refuse it, and only there."""
    _, _, violations = compile_schema(case["schema"]).check(case["value"])
    assert [[each.path, each.code] for each in violations] == case["want"]["violations"]


@of("convert")
def test_files(case):
    """Mapping sets as Adobe's API gives them, older spellings too."""
    rows = read_mapping_set(json.dumps(case["document"]).encode()).rows
    assert [[row.source_type, row.source, row.destination] for row in rows] == case["want"]


def built(case, tmp_path):
    """The event of a case, mapped and checked with the set and schema of the case."""
    told = {}
    if "mapping" in case or "mapping_csv" in case:
        told["path"] = tmp_path / ("set.json" if "mapping" in case else "set.csv")
        content = json.dumps({"mappings": case["mapping"]}) if "mapping" in case else case["mapping_csv"]
        told["path"].write_text(content, encoding="utf-8")
    if "schema" in case:
        told["schema"] = tmp_path / "schema.json"
        told["schema"].write_text(json.dumps(case["schema"]), encoding="utf-8")
    chosen = MappingSettings(tenant=case.get("tenant", "_yourorgname"), primary_identity=("lumaCrmId", "Email"), **told)
    (event,) = events_of(case["event"])
    return open_experience_events(chosen).build(event)


def at(value, path):
    """The value at a dotted path."""
    for step in path.split("."):
        value = value[step]
    return value


@of("preview")
def test_whole_events(case, tmp_path):
    """Mapping, coercion and check together."""
    result = built(case, tmp_path)
    want = case.get("want", {})
    for name, value in want.get("has", {}).items():
        held = result.xdm[name]
        assert {key: held[key] for key in value} == value if isinstance(value, dict) else held == value
    for path, value in case.get("want_at", {}).items():
        assert at(result.xdm, path) == value
    if "want_tenant_object" in case:
        assert result.xdm.get(case["tenant"], {}) == case["want_tenant_object"]
    if want.get("rejected", "") is None or case.get("want_rejected") is False:
        assert result.rejection is None
