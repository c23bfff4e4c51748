"""The tenant of who has not said one: the only one that the schema has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bridge.routes.agreement import disagreements
from bridge.routes.mapping_opening import compiled
from bridge.settings import MappingSettings

EXAMPLE = Path(__file__).resolve().parents[2] / "mappings" / "example" / "airline.schema.json"
OBJECT = {"type": "object", "properties": {"a": {"type": "string"}}}


def schema(tmp_path: Path, document: Any) -> Path:
    """A file of the document."""
    path = tmp_path / "schema.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("document", "tenant"),
    [
        ({"properties": {"_acme": OBJECT, "_id": {"type": "string"}, "_experience": OBJECT, "other": OBJECT}}, "_acme"),
        ({"allOf": [{"properties": {"_acme": OBJECT}}, {"properties": {"timestamp": {}}}]}, "_acme"),
        ({"properties": {"_acme": OBJECT, "_other": OBJECT}}, "_yourorgname"),
        ({"properties": {"_text": {"type": "string"}, "_odd": True}}, "_yourorgname"),
        ({"properties": ["_acme"], "allOf": "x"}, "_yourorgname"),
        ([], "_yourorgname"),
        ("no JSON", "_yourorgname"),
        ("[" * 100_000, "_yourorgname"),
    ],
)
def test_the_only_tenant_of_the_schema(tmp_path: Path, document: Any, tenant: str):
    """Taken where there is exactly one; Adobe's own roots and plain fields are none, and an unreadable file has none."""
    assert MappingSettings(schema=schema(tmp_path, document)).tenant == tenant


def test_a_tenant_that_is_said_stays(tmp_path: Path):
    """Also the example's, also where the schema has another: the contradiction is told, not mended."""
    path = schema(tmp_path, {"properties": {"_acme": OBJECT}})
    assert MappingSettings(schema=path, tenant="_yourorgname").tenant == "_yourorgname"
    assert MappingSettings(schema="none").tenant == MappingSettings().tenant == "_yourorgname"
    assert MappingSettings(schema=tmp_path / "away.json").tenant == "_yourorgname"


def test_mapping_and_schema_agree_then(tmp_path: Path):
    """Rows below {tenant} go into the schema's, in the worker as in lint, which read the same settings."""
    rows = tmp_path / "m.csv"
    rows.write_text("source,destination\nevent_name,{tenant}.sourceEvent.name\n", encoding="utf-8")
    settings = MappingSettings(path=rows, schema=EXAMPLE)
    mapping, held = compiled(settings)
    assert settings.tenant == "_acmeair"
    assert mapping.apply({"event_name": "x"})[0] == {"_acmeair": {"sourceEvent": {"name": "x"}}}
    assert disagreements(settings, mapping.rows, held) == []
