"""Schemas and examples that a person has (``make real ARGS=DIR``), such as a checkout of Adobe's public XDM resolved by its own tools.

``NAME.schema.json`` is a schema in its resolved form, ``NAME.example.N.json`` (or ``NAME.example.json``) a value that it takes,
``NAME.invalid.N.json`` one that it refuses. Without a folder the airline's schema and events, which ship, stand for them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from real_faults import faults_of

from bridge.mapping.compiler.mapping_compiler import compile_mapping
from bridge.mapping.workshop.event_verdicts import Judge
from bridge.mapping.workshop.proposal.rows_proposed import propose
from bridge.mapping.workshop.samples import Samples
from bridge.settings import MappingSettings
from bridge.sources.moengage.envelopes import events_of
from bridge.xdm.experience_event import ExperienceEvents
from bridge.xdm.rules import RULES
from bridge.xdm.schema.compiled_schema import CompiledSchema, SchemaError, compile_schema

SHIPPED = Path(__file__).parents[2] / "mappings"
ORDINARY = {
    "event_name": "Email Clicked", "event_code": "MOE_EMAIL_CLICK", "event_uuid": "u1", "event_time": 1700000000,
    "event_type": "CAMPAIGN_EVENT", "event_source": "MOENGAGE", "uid": "C1", "email_id": "a@b.example", "mobile_number": "+15550100",
    "event_attributes": {
        "campaign_id": "c9", "campaign_name": "n", "url": "https://shop.example/x", "source": "app", "language": "en_US",
        "due_date": "2021-03-04T00:00:00.000000Z", "price": "12.50", "quantity": 2, "items": [{"sku": "A", "name": "Shoe"}],
    },
    "user_attributes": {"moengage_user_id": "m1", "first_name": "Asha", "model": "x", "city": "Bath"},
    "device_attributes": {"os": "ios", "version": "17"}, "app_name": "App", "source": "MOENGAGE",
}  # fmt: skip


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test for each schema of the folder."""
    if "schema_file" in metafunc.fixturenames:
        folder = Path(metafunc.config.getoption("--real") or SHIPPED)
        files = sorted(folder.rglob("*.schema.json"))
        assert files, f"{folder} holds no *.schema.json"
        metafunc.parametrize("schema_file", files, ids=lambda file: str(file.relative_to(folder)))


@pytest.fixture
def schema(schema_file: Path) -> CompiledSchema:
    """The schema; what is no object with fields, or refers to other documents, is told and skipped."""
    document = json.loads(schema_file.read_bytes())
    try:
        return compile_schema(document)
    except SchemaError as error:
        if "no properties" in str(error) or "not in the document" in str(error):
            pytest.skip(f"only an object with fields of its own can be judged: {error}")
        raise


def beside(schema_file: Path, kind: str) -> list[Any]:
    """The values beside the schema."""
    name = schema_file.name.removesuffix(".schema.json")
    return [json.loads(file.read_bytes()) for file in sorted(schema_file.parent.glob(f"{name}.{kind}*.json"))]


def test_its_examples_pass_and_its_invalid_ones_do_not(schema: CompiledSchema, schema_file: Path):
    """As whoever wrote them says."""
    for value in beside(schema_file, "example"):
        assert schema.check(value)[2] == []
    for value in beside(schema_file, "invalid"):
        assert schema.check(value)[2] != []


def test_each_fault_of_an_example_is_told_where_it_is(schema: CompiledSchema, schema_file: Path):
    """One broken rule, one violation, with its place and code."""
    for value in beside(schema_file, "example"):
        if schema.check(value)[2]:
            continue
        for where, code, broken in faults_of(schema.root, value):
            assert (where, code) in [(one.path, one.code) for one in schema.check(broken)[2]], (where, code)


def test_init_writes_a_set_that_refuses_no_event(schema: CompiledSchema, schema_file: Path):
    """On an ordinary e-mail click, or the events beside the schema: it compiles, and no row costs an event or gives a warning."""
    lines = schema_file.with_name(schema_file.name.replace(".schema.json", ".events.jsonl"))
    given = [json.loads(line) for line in lines.read_text("utf-8").splitlines()] if lines.exists() else [ORDINARY]
    events = [event for document in given for event in events_of(document) if isinstance(event, dict)]
    proposal = propose(schema, Samples(events), RULES, event_type=None)
    tenant = proposal.tenant or "_yourorgname"
    mapping = compile_mapping(proposal.mapping_set, tenant=tenant, primary_identity="crm", schema=schema)
    build = ExperienceEvents(mapping, MappingSettings(tenant=tenant, primary_identity=("crm", "Email")), schema).build
    verdicts = Judge(build, mapping.apply, mapping.rows, schema, rules=RULES).verdicts(events)
    assert [group for group in verdicts.groups if group.row and not group.path.startswith("identityMap")] == []
