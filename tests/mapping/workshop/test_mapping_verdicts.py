"""What does lint say of events before they come: which are refused or lose a field, of which value, and what mends it?"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from airline_mapping import EVENTS, EXAMPLE, GOOD, RAW_TIER, SCHEMA, run
from json_output import json_of

if TYPE_CHECKING:
    from pathlib import Path


def lint(tmp_path: Path, text: str, *more: str) -> list[dict[str, Any]]:
    """Findings for a set."""
    (tmp_path / "m.csv").write_text(text, encoding="utf-8")
    return json_of(run("lint", str(tmp_path / "m.csv"), *(more or (*SCHEMA, *EVENTS)), "--json"), exit_code=None)


def codes(found: list[dict[str, Any]]) -> list[tuple[int, str]]:
    """Row and code of each finding."""
    return [(one["row"], one["code"]) for one in found]


@pytest.mark.parametrize(("policy", "code"), [("drop", "events_lose_field"), ("reject", "events_refused")])
def test_lint_says_how_many_events_lose_a_field_or_are_refused(tmp_path, monkeypatch, policy, code):
    """By code and field, with the values, what is allowed, and the expression that mends it; refused is exit 1."""
    monkeypatch.setenv("BRIDGE_MAPPING__ON_INVALID", policy)
    (found,) = lint(tmp_path, RAW_TIER)
    assert (found["row"], found["code"], found["fix"]) == (6, code, "upper(user_attributes.loyalty_tier)")
    assert "10 of 10 events would" in found["message"]
    assert '"gold", "silver", "blue" is not one of BLUE, SILVER, GOLD' in found["message"]
    assert run("lint", str(tmp_path / "m.csv"), *SCHEMA, *EVENTS).exit_code == (1 if policy == "reject" else 0)
    assert lint(tmp_path, GOOD) == []


def test_a_date_that_no_format_reads_has_the_pattern_as_fix(tmp_path):
    """The row that gives null is told with the pattern that all its texts have."""
    events = [{"event_code": "X", "id": str(n), "born": text} for n, text in enumerate(["3 Nov 2020", "13 Dec 2021"])]
    (tmp_path / "e.json").write_text(json.dumps(events), encoding="utf-8")
    row = "EXPRESSION,date(born),{tenant}.loyalty.memberSince\n"
    found = lint(tmp_path, GOOD + row, *SCHEMA, "--events", str(tmp_path / "e.json"))
    (nulled,) = [one for one in found if one["code"] == "events_null_row"]
    assert (nulled["row"], nulled["fix"]) == (7, 'date(born, "d MMM yyyy")')


def test_seconds_for_milliseconds_are_told(tmp_path):
    """An instant of January 1970 is found before anything runs, with the factor as the fix."""
    (found,) = lint(tmp_path, GOOD.replace("time * 1000", "time"))
    assert (found["row"], found["code"]) == (3, "events_noted")
    assert found["fix"] == "dformat(time * 1000, \"yyyy-MM-dd'T'HH:mm:ssX\")"


@pytest.mark.parametrize(
    ("rows", "row", "code", "fix"),
    [
        ("ATTRIBUTE,user_attributes.member_since,{tenant}.loyalty.memberSince\n", 7, "date_ambiguous",
         'date(user_attributes.member_since, "dd/MM/yyyy")'),
        ("ATTRIBUTE,event_attributes.flights,{tenant}.booking.flights\n", 7, "copied_unknown",
         'arrays_to_objects("flightNumber", event_attributes.flights[*].flight_no, "cabin", event_attributes.flights[*].cabin)'),
        ("ATTRIBUTE,event_attributes.flights[*].flight_no,{tenant}.booking.flights[*].flightNumber\n", 7, "type_mismatch",
         'arrays_to_objects("flightNumber", event_attributes.flights[*].flight_no) -> _acmeair.booking.flights'),
        ("ATTRIBUTE,user_attributes.loyalty_teir,{tenant}.loyalty.points\n", 7, "unknown_source", "user_attributes.loyalty_tier"),
        ("ATTRIBUTE,identities.email,identityMap.email[0].id\n", 7, "namespace_spelling", "Email"),
        ("EXPRESSION,int(event_attributes.results),{tenant}.search.resultCount\n", 7, "unknown_function", "to_integer"),
        ("EXPRESSION,upper(“x”),{tenant}.search.origin\n", 7, "syntax", 'upper("x")'),
    ],
)  # fmt: skip
def test_slips_that_only_samples_reveal(tmp_path, rows, row, code, fix):
    """Each has its row, code and a fix that can be pasted."""
    found = [one for one in lint(tmp_path, GOOD + rows) if one["code"] == code]
    assert [(one["row"], one["fix"]) for one in found] == [(row, fix)]


def test_a_namespace_that_is_not_listed_cannot_be_primary(tmp_path):
    """The row says primary, the settings do not name the namespace: an error that says who would be primary."""
    text = GOOD.replace(".crm[", ".Crm[") + "ATTRIBUTE,identities.email,identityMap.Email[0].id\n"
    found = [one for one in lint(tmp_path, text) if one["code"] == "primary_not_listed"]
    assert [one["row"] for one in found] == [5]
    assert "Email would be primary" in found[0]["message"]


def test_a_wrong_tenant_is_one_finding(tmp_path):
    """Not one for every row."""
    more = "ATTRIBUTE,event_attributes.campaign_id,{tenant}.campaign.id\n"
    found = lint(
        tmp_path,
        GOOD + more,
        "--schema",
        str(EXAMPLE / "airline.schema.json"),
        "--tenant",
        "_acmear",
        "--primary-identity",
        "crm",
    )
    assert codes(found) == [(6, "tenant_unknown")]
    assert "the schema's tenant is _acmeair, not _acmear: 2 rows write below it" in found[0]["message"]


def test_a_rule_that_is_not_checked_is_told(tmp_path):
    """Keywords that the check leaves alone are named at the row that writes there, and nowhere else."""
    schema = json.loads((EXAMPLE / "airline.schema.json").read_text(encoding="utf-8"))
    schema["properties"]["_acmeair"]["properties"]["loyalty"]["properties"]["points"]["multipleOf"] = 10
    schema["properties"]["_acmeair"]["properties"]["search"]["anyOf"] = [{}]
    (tmp_path / "s.json").write_text(json.dumps(schema), encoding="utf-8")
    options = ("--schema", str(tmp_path / "s.json"), "--tenant", "_acmeair", "--primary-identity", "crm")
    found = lint(tmp_path, GOOD + "ATTRIBUTE,user_attributes.loyalty_points,{tenant}.loyalty.points\n", *options)
    assert codes(found) == [(7, "schema_unenforced")]
    assert "multipleOf at _acmeair.loyalty.points is not checked" in found[0]["message"]


def test_what_is_no_event_counts_as_refused(tmp_path):
    """It would become a dead letter, too."""
    (tmp_path / "e.json").write_text('{"no": "event"}', encoding="utf-8")
    found = lint(tmp_path, GOOD, *SCHEMA, "--events", str(tmp_path / "e.json"))
    assert ("events_refused", "1 of 1 events would be refused (not_an_event)") in [
        (one["code"], one["message"].partition(":")[0]) for one in found
    ]


def test_a_report_is_readable_at_80_columns(tmp_path):
    """Place, severity and code stand whole in a line of their own, and no line is longer than the terminal."""
    (tmp_path / "m.csv").write_text(RAW_TIER, encoding="utf-8")
    lines = run("lint", str(tmp_path / "m.csv"), *SCHEMA, *EVENTS).stdout.splitlines()
    assert lines[0] == f"{tmp_path / 'm.csv'}:6:destination: warning events_lose_field"
    assert all(len(line) <= 80 for line in lines[1:])
    assert "fix: upper(user_attributes.loyalty_tier)" in " ".join(line.strip() for line in lines)


def test_preview_says_that_the_worker_would_not_start(tmp_path):
    """A tenant that the schema does not have is told with the event, too."""
    (tmp_path / "m.csv").write_text(GOOD, encoding="utf-8")
    event = ("-e", (EXAMPLE / "airline.events.jsonl").read_text(encoding="utf-8").splitlines()[0])
    shown = run("preview", str(tmp_path / "m.csv"), *SCHEMA[:2], "--tenant", "_acmear", *SCHEMA[4:], *event, "--json")
    assert "the worker would not start" in shown.stderr
    assert "_acmeair" in shown.stderr


def test_no_verdict_beside_what_stops_the_worker(tmp_path):
    """With another tenant than the schema's lint does not say that nothing would be refused, and preview is exit 1."""
    (tmp_path / "m.csv").write_text(GOOD, encoding="utf-8")
    wrong = [SCHEMA[0], SCHEMA[1], "--tenant", "_acmear", "--primary-identity", "crm,Email"]
    result = run("lint", str(tmp_path / "m.csv"), *wrong, *EVENTS)
    assert "the worker would not start with it (tenant_unknown)" in result.stderr
    assert "would be refused" not in result.stderr
    preview = run("preview", str(tmp_path / "m.csv"), *wrong, "--event", EVENTS[1], "--json")
    assert (preview.exit_code, "the worker would not start" in preview.stderr) == (1, True)
