"""The mapping set that ships, held to MoEngage's page and to the table of event codes."""

import csv
import json
from pathlib import Path

import pytest

from bridge.mapping.compiler.mapping_compiler import compile_mapping
from bridge.mapping.lint.rules import lint
from bridge.mapping.sets.table import load_mapping_set
from bridge.mapping.syntax.parser import MAX_LENGTH
from bridge.mapping.workshop.samples import Samples
from bridge.model.event import Refusal
from bridge.settings import MappingSettings
from bridge.sources.moengage.envelopes import events_of
from bridge.xdm.experience_event import ExperienceEvents
from bridge.xdm.rules import RULES
from bridge.xdm.schema.compiled_schema import compile_schema, load_schema

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data"
MAPPING_SET = load_mapping_set(ROOT / "mappings" / "moengage_events.csv")
MAPPING = compile_mapping(MAPPING_SET, tenant="_yourorgname", primary_identity="lumaCrmId")
SCHEMA = compile_schema(load_schema(ROOT / "mappings" / "moengage_events.schema.json"), tenant="_yourorgname")
SEED = json.loads((DATA / "samples" / "seed-event.json").read_text(encoding="utf-8"))
EXPECTED = json.loads((DATA / "samples" / "seed-event.expected.json").read_text(encoding="utf-8"))
with (DATA / "event-types.csv").open(encoding="utf-8", newline="") as _file:
    CODES = [(row["event_code"], row["xdm_event_type"]) for row in csv.DictReader(_file)]


@pytest.mark.parametrize("schema", [None, SCHEMA], ids=["without schema", "with schema"])
def test_the_seed_event_comes_out_as_expected(schema: object):
    """The payload of MoEngage's page, step 6.1, exactly as its rules require, without a warning."""
    built = ExperienceEvents(MAPPING, MappingSettings(), schema).build(SEED)
    assert built.xdm == EXPECTED
    assert (list(built.warnings), list(built.dropped_identities), built.rejection) == ([], [], None)


def test_it_has_the_17_fields_each_described():
    """Six standard fields and eleven of the tenant; every row says what it is."""
    fields = {
        row.destination.split("[")[0].split(".")[0] for row in MAPPING_SET.rows if not row.destination.startswith("{")
    }
    tenant = {row.destination for row in MAPPING_SET.rows if row.destination.startswith("{tenant}.")}
    assert fields == {"_id", "timestamp", "eventType", "eventMergeId", "producedBy", "identityMap"}
    assert len(tenant) == 11
    assert all(row.description for row in MAPPING_SET.rows)


@pytest.mark.parametrize(("code", "event_type"), CODES, ids=[code for code, _ in CODES])
def test_every_event_code_has_its_type(code: str, event_type: str):
    """The decode knows each code of the table."""
    assert MAPPING.apply({"event_code": code})[0]["eventType"] == event_type


@pytest.mark.parametrize("code", ["MOE_SOMETHING_NEW", "Added To Cart", "moe_email_sent", "a", "", 5])
def test_an_unknown_code_has_the_stated_default(code: object):
    """moengage.<code>; codes are case-sensitive, and the table's inner letters mean nothing outside it."""
    assert MAPPING.apply({"event_code": code})[0]["eventType"] == f"moengage.{code}"


def test_no_code_gives_no_event_type():
    """Absent and null codes leave the field out, without a warning."""
    for event in ({}, {"event_code": None}):
        out, warnings = MAPPING.apply(event)
        assert "eventType" not in out
        assert list(warnings) == []


def test_the_timestamp_is_written_as_the_page_asks():
    """The very expression of MoEngage's page."""
    (row,) = [row for row in MAPPING_SET.rows if row.destination == "timestamp"]
    assert row.source == "dformat((time * 1000), \"yyyy-MM-dd'T'HH:mm:ssX\")"


def test_every_calculated_field_fits_adobe():
    """No expression exceeds the 4096 characters of a calculated field."""
    assert max(len(row.source) for row in MAPPING_SET.rows) <= MAX_LENGTH


def test_it_lints_clean_against_its_schema():
    """No finding of any severity."""
    assert lint(MAPPING_SET, tenant="_yourorgname", primary_identity="lumaCrmId", schema=SCHEMA, rules=RULES) == ()


def test_every_sample_event_maps_without_a_warning():
    """All envelopes, languages and oddities of the samples; those with a valid identity leave."""
    events = ExperienceEvents(MAPPING, MappingSettings())
    total = 0
    for line in (DATA / "samples" / "moengage-events.jsonl").read_text(encoding="utf-8").splitlines():
        for event in events_of(json.loads(line)):
            assert not isinstance(event, Refusal)
            built = events.build(event)
            assert list(built.warnings) == []
            assert built.rejection is None
            assert built.xdm["_id"] == event["id"]
            total += 1
    assert total == 134


def test_its_sources_are_paths_that_moengage_sends():
    """Against the seed's event only the optional ECID paths and those of flat events are unknown."""
    unknown = [
        one.message.rsplit(" ", 1)[1]
        for one in lint(MAPPING_SET, tenant="_t", primary_identity="crm", samples=Samples([SEED]), rules=RULES)
    ]
    flat = ["campaign_id", "campaign_name", "campaign_type", "campaign_channel"]
    assert unknown == ["identities.ecid", "user_attributes.ecid", "user_attributes.ECID", *flat]
