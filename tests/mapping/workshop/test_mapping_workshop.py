"""Golden cases, traces, differences and proposals."""

import json
from pathlib import Path
from typing import Any

import pytest

from bridge.mapping.compiler.mapping_compiler import compile_mapping
from bridge.mapping.lint.rules import lint
from bridge.mapping.sets.convert import to_csv
from bridge.mapping.sets.table import load_mapping_set, read_mapping_set
from bridge.mapping.workshop.golden import GoldenError, load_cases, run_cases, update
from bridge.mapping.workshop.proposal.rows_proposed import propose
from bridge.mapping.workshop.samples import Samples
from bridge.mapping.workshop.trace import Tracer, differences
from bridge.routes.golden_cases import read_case
from bridge.routes.mapping_opening import open_experience_events
from bridge.settings import MappingSettings
from bridge.xdm.experience_event import ExperienceEvents
from bridge.xdm.rules import RULES
from bridge.xdm.schema.compiled_schema import compile_schema, load_schema

ROOT = Path(__file__).resolve().parents[3]
SHIPPED = ROOT / "mappings" / "moengage_events.csv"
SAMPLES = ROOT / "tests" / "data" / "samples"
SETTINGS = MappingSettings(tenant="_yourorgname")


def shipped_build() -> Any:
    """What makes ExperienceEvents with the shipped mapping and its schema."""
    return open_experience_events(SETTINGS).build


def write(directory: Path, **files: Any) -> None:
    """JSON files; ``__`` in a name stands for a dot."""
    for name, content in files.items():
        (directory / name.replace("__", ".")).write_text(json.dumps(content), encoding="utf-8")


SEED = json.loads((SAMPLES / "seed-event.json").read_text(encoding="utf-8"))
EXPECTED = json.loads((SAMPLES / "seed-event.expected.json").read_text(encoding="utf-8"))


def test_a_golden_case_passes_or_says_where_it_differs(tmp_path: Path):
    """The path of every leaf that is not as expected."""
    wrong = json.loads(json.dumps(EXPECTED))
    wrong["_yourorgname"]["eventName"] = "Other"
    write(
        tmp_path,
        good__event__json=SEED,
        good__expected__json=EXPECTED,
        bad__event__json=SEED,
        bad__expected__json=wrong,
    )
    bad, good = run_cases(load_cases(tmp_path), shipped_build(), read_case)
    assert good.passed
    assert [(one.path, one.this, one.other) for one in bad.changes] == [
        ("_yourorgname.eventName", "Other", "Email Sent")
    ]


def test_a_golden_rejection_passes_by_its_code(tmp_path: Path):
    """NAME.rejected.json names the code; an event that passes after all fails the case, and the other way round."""
    nobody = {**SEED, "identities": {}}
    write(
        tmp_path, a__event__json=nobody, a__rejected__json={"code": "identity_none_valid"},
        b__event__json=SEED, b__rejected__json={"code": "identity_none_valid"},
        c__event__json=nobody, c__expected__json=EXPECTED, d__event__json={"no": "event"}, d__rejected__json={"code": "not_an_event"},
    )  # fmt: skip
    assert [result.passed for result in run_cases(load_cases(tmp_path), shipped_build(), read_case)] == [
        True,
        False,
        False,
        True,
    ]


def test_update_writes_what_came_out(tmp_path: Path):
    """New and changed cases are written so that the next run passes; a case may turn into a rejection."""
    write(tmp_path, new__event__json=SEED, turned__event__json={**SEED, "time": None}, turned__expected__json=EXPECTED)
    first = run_cases(load_cases(tmp_path), shipped_build(), read_case)
    assert [result.passed for result in first] == [False, False]
    assert first[0].missing
    assert sorted(path.name for path in update(first)) == ["new.expected.json", "turned.rejected.json"]
    assert not (tmp_path / "turned.expected.json").exists()
    assert all(result.passed for result in run_cases(load_cases(tmp_path), shipped_build(), read_case))


def test_a_batch_is_one_case_with_a_list(tmp_path: Path):
    """Several events in an envelope are expected as an array, rejections among them."""
    batch = {"app_name": "a", "events": [{**SEED, "id": "one"}, {**SEED, "identities": {}}]}
    write(tmp_path, batch__event__json=batch)
    update(run_cases(load_cases(tmp_path), shipped_build(), read_case))
    expected = json.loads((tmp_path / "batch.expected.json").read_text(encoding="utf-8"))
    assert expected[0]["_id"] == "one"
    assert expected[1] == {"rejected": {"stage": "check", "code": "identity_none_valid"}}
    (result,) = run_cases(load_cases(tmp_path), shipped_build(), read_case)
    assert result.passed


def test_the_clock_of_cases_can_stand_still(tmp_path: Path):
    """settings.json fixes now, so that now() has a golden value."""
    write(
        tmp_path,
        settings__json={"now": "2026-01-02T03:04:05Z"},
        x__event__json=SEED,
        x__expected__json={"at": "2026-01-02T03:04:05Z"},
    )
    mapping = compile_mapping(read_mapping_set(b"source,destination\nnow(),at\n"), tenant="_t", primary_identity="crm")

    class Plain:
        rejection = None

        def __init__(self, xdm: dict[str, Any]) -> None:
            self.xdm = xdm

    (result,) = run_cases(load_cases(tmp_path), lambda event: Plain(mapping.apply(event)[0]), read_case)
    assert result.passed


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"settings__json": {"tenannt": "_x"}, "a__event__json": {}},
        {"a__event__json": {}, "a__expected__json": {}, "a__rejected__json": {}},
    ],
)
def test_a_directory_without_usable_cases_is_an_error(tmp_path: Path, files: dict[str, Any]):
    """No case, unknown settings, two expectations for one event."""
    write(tmp_path, **files)
    with pytest.raises(GoldenError):
        load_cases(tmp_path)


def test_the_golden_cases_that_ship_pass():
    """mappings/tests holds for the shipped mapping set."""
    cases = load_cases(ROOT / "mappings" / "tests")
    assert len(cases.cases) >= 8
    assert [result.case.name for result in run_cases(cases, shipped_build(), read_case) if not result.passed] == []


def test_a_trace_tells_what_each_row_read_and_gave():
    """Source paths with their values, the result, and the warning where there is none."""
    mapping = compile_mapping(
        read_mapping_set(b"source,destination\na.b,x\nupper(c),y\n'k',z\na * 2,w\n"),
        tenant="_t",
        primary_identity="crm",
    )
    rows = Tracer(mapping).trace({"a": {"b": 1}, "c": "v"})
    assert [(one.row, one.read, one.result) for one in rows] == [
        (2, {"a.b": 1}, 1), (3, {"c": "v"}, "V"), (4, {}, "k"), (5, {"a": {"b": 1}}, None),
    ]  # fmt: skip
    assert rows[3].warning == "an operand is an object, not a number"


def test_differences_name_every_leaf():
    """Objects and arrays are compared leaf by leaf; 1 and true are not the same."""
    found = differences({"a": {"b": 1, "c": [1, 2]}, "d": 1}, {"a": {"b": 1, "c": [1, 3, 4]}, "d": True})
    assert [tuple(one) for one in found] == [("a.c[1]", 2, 3), ("a.c[2]", None, 4), ("d", 1, True)]


def test_the_proposal_for_the_sample_schema_is_sound(tmp_path: Path):
    """From the shipped schema and the seed's event: lints clean and maps that event as expected."""
    document = load_schema(ROOT / "mappings" / "moengage_events.schema.json")
    event_type = next(row.source for row in load_mapping_set(SHIPPED).rows if row.destination == "eventType")
    proposal = propose(compile_schema(document), Samples([SEED]), RULES, event_type=event_type)
    file = tmp_path / "first.csv"
    file.write_text(to_csv(proposal.mapping_set), encoding="utf-8")
    mapping_set = load_mapping_set(file)
    schema = compile_schema(document, tenant="_yourorgname")
    assert (
        lint(
            mapping_set,
            tenant="_yourorgname",
            primary_identity="lumaCrmId",
            schema=schema,
            samples=Samples([SEED]),
            rules=RULES,
        )
        == ()
    )
    mapping = compile_mapping(mapping_set, tenant="_yourorgname", primary_identity="lumaCrmId")
    built = ExperienceEvents(mapping, SETTINGS).build(SEED)
    assert (built.xdm, built.rejection) == (EXPECTED, None)
    assert proposal.unmapped == []


def test_a_proposal_matches_names_and_kinds_and_lists_the_rest():
    """Dates are computed from epochs, kinds must fit, and what finds no source is listed."""
    schema = compile_schema(
        {
            "type": "object",
            "properties": {
                "timestamp": {"type": "string", "format": "date-time"},
                "_acme": {
                    "type": "object",
                    "properties": {
                        "firstSeen": {"type": "string", "format": "date-time"},
                        "lastSeen": {"type": "string", "format": "date-time"},
                        "orderTotal": {"type": "number"},
                        "campaignTags": {"type": "array", "items": {"type": "string"}},
                        "nowhere": {"type": "string"},
                    },
                },
            },
        }
    )
    event = {
        "event_time": 1_700_000_000_000, "event_code": "X",
        "user_attributes": {"first_seen": "2024-01-01", "last_seen": 1_700_000_000, "campaign_tags": "text"},
        "event_attributes": {"order_total": 9.5, "campaign_tags": ["a"]},
    }  # fmt: skip
    proposal = propose(schema, Samples([event]), RULES, event_type=None)
    assert {row.destination: row.source for row in proposal.mapping_set.rows} == {
        "timestamp": "dformat(event_time, \"yyyy-MM-dd'T'HH:mm:ssX\")",
        "{tenant}.firstSeen": "date(user_attributes.first_seen)",
        "{tenant}.lastSeen": "dformat((user_attributes.last_seen * 1000), \"yyyy-MM-dd'T'HH:mm:ssX\")",
        "{tenant}.orderTotal": "event_attributes.order_total",
        "{tenant}.campaignTags": "event_attributes.campaign_tags",
    }
    assert list(proposal.unmapped) == ["_acme.nowhere"]
    assert "event_code" in proposal.unused
