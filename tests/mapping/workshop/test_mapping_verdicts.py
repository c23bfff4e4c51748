"""lint with events, plan, drift: what would happen is told before it does, with values, allowed values and a fix."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from json_output import json_of
from typer.testing import CliRunner

from bridge.cli.main import app
from bridge.mapping.compiler.mapping_compiler import compile_mapping
from bridge.mapping.sets.table import read_mapping_set
from bridge.mapping.workshop.drift import MAX_PATHS, Drift, row_to_add
from bridge.model.errors import BridgeError
from bridge.routes.event_sketch import RECENT, EventSketch
from bridge.telemetry.metrics import Metrics

EXAMPLE = Path(__file__).resolve().parents[3] / "mappings" / "example"
SCHEMA = ("--schema", str(EXAMPLE / "airline.schema.json"), "--tenant", "_acmeair", "--primary-identity", "crm,Email")
EVENTS = ("--events", str(EXAMPLE / "airline.events.jsonl"))
GOOD = """source_type,source,destination
ATTRIBUTE,id,_id
EXPRESSION,"dformat(time * 1000, ""yyyy-MM-dd'T'HH:mm:ssX"")",timestamp
ATTRIBUTE,identities.externalId,identityMap.crm[0].id
STATIC,true,identityMap.crm[0].primary
EXPRESSION,upper(user_attributes.loyalty_tier),{tenant}.loyalty.tier
"""
RAW_TIER = GOOD.replace("EXPRESSION,upper(user_attributes.loyalty_tier)", "ATTRIBUTE,user_attributes.loyalty_tier")


def run(*arguments: str, columns: int = 80) -> Any:
    """One mapping command; the error it would print is raised."""
    result = CliRunner().invoke(app, ["mapping", *arguments], env={"COLUMNS": str(columns)})
    if isinstance(result.exception, BridgeError):
        raise result.exception
    return result


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


def plan(tmp_path: Path, old: str, new: str, *more: str) -> tuple[int, dict[str, Any]]:
    """Exit and JSON of plan."""
    (tmp_path / "old.csv").write_text(old, encoding="utf-8")
    (tmp_path / "new.csv").write_text(new, encoding="utf-8")
    arguments = (str(tmp_path / "new.csv"), "--against", str(tmp_path / "old.csv"), *(more or (*SCHEMA, *EVENTS)))
    result = run("plan", *arguments, "--json")
    return result.exit_code, json_of(result, exit_code=None)


def test_plan_of_the_same_set_has_nothing_to_do(tmp_path):
    """Exit 0, whatever was compared."""
    code, found = plan(tmp_path, GOOD, GOOD)
    assert (code, found["changed"], found["rows"], found["events"]) == (0, [], [], 10)


def test_plan_tells_the_fields_that_change(tmp_path):
    """Exit 3 with rows, fields, and how many events each concerns."""
    code, found = plan(tmp_path, GOOD, GOOD + "ATTRIBUTE,user_attributes.loyalty_points,{tenant}.loyalty.points\n")
    assert code == 3
    assert found["rows"] == ["+ {tenant}.loyalty.points = user_attributes.loyalty_points"]
    assert [(one["path"], one["events"], one["before"], one["after"]) for one in found["changed"]] == [
        ("_acmeair.loyalty.points", 10, None, 12400)
    ]


def test_plan_refuses_what_would_newly_be_refused(tmp_path, monkeypatch):
    """Exit 1 with code and field; the other way round the events are newly accepted, exit 3."""
    monkeypatch.setenv("BRIDGE_MAPPING__ON_INVALID", "reject")
    code, found = plan(tmp_path, GOOD, RAW_TIER)
    assert (code, found["refused_before"], found["refused_after"]) == (1, 0, 10)
    assert [(one["code"], one["path"], one["events"]) for one in found["newly_refused"]] == [
        ("xdm_enum", "_acmeair.loyalty.tier", 10)
    ]
    code, found = plan(tmp_path, RAW_TIER, GOOD)
    assert (code, [one["events"] for one in found["newly_accepted"]]) == (3, [10])


@pytest.mark.parametrize(
    ("new", "said"),
    [
        (GOOD + "EXPRESSION,uper(event_name),{tenant}.campaign.name\n", "no function uper"),
        (GOOD + "ATTRIBUTE,event_name,{tenant}.campain.name\n", "the schema has no field _acmeair.campain.name"),
        (GOOD.replace(".crm[", ".Other["), "marks Other primary"),
    ],
)
def test_plan_refuses_a_set_that_is_wrong(tmp_path, new, said):
    """What does not compile, writes fields that the schema lacks, or marks a stranger primary: exit 1."""
    code, found = plan(tmp_path, GOOD, new)
    assert code == 1
    assert said in "\n".join(found["problems"])


def test_preview_says_that_the_worker_would_not_start(tmp_path):
    """A tenant that the schema does not have is told with the event, too."""
    (tmp_path / "m.csv").write_text(GOOD, encoding="utf-8")
    event = ("-e", (EXAMPLE / "airline.events.jsonl").read_text(encoding="utf-8").splitlines()[0])
    shown = run("preview", str(tmp_path / "m.csv"), *SCHEMA[:2], "--tenant", "_acmear", *SCHEMA[4:], *event, "--json")
    assert "the worker would not start" in shown.stderr
    assert "_acmeair" in shown.stderr


def test_plan_runs_the_golden_cases(tmp_path, monkeypatch):
    """A case that the new set does not pass is a problem."""
    cases = tmp_path / "cases"
    cases.mkdir()
    (cases / "one.event.json").write_text((EXAMPLE / "airline.events.jsonl").read_text().splitlines()[0])
    (tmp_path / "old.csv").write_text(GOOD)
    run("test", str(cases), "--mapping", str(tmp_path / "old.csv"), *SCHEMA, "--update")
    monkeypatch.setenv("BRIDGE_MAPPING__TESTS", str(cases))
    code, found = plan(tmp_path, GOOD, GOOD + "ATTRIBUTE,user_attributes.loyalty_points,{tenant}.loyalty.points\n")
    assert (code, found["problems"]) == (1, ["golden case one does not hold"])


def test_cases_remember_for_whom_they_were_written(tmp_path):
    """--update writes tenant and namespaces; cases for a tenant that the schema lacks are refused."""
    cases = tmp_path / "cases"
    cases.mkdir()
    (cases / "one.event.json").write_text((EXAMPLE / "airline.events.jsonl").read_text().splitlines()[0])
    (tmp_path / "m.csv").write_text(GOOD)
    schema = SCHEMA[:2]
    with pytest.raises(BridgeError, match=r"the tenant is _acmear, but the schema .* has _acmeair"):
        run("test", str(cases), "--mapping", str(tmp_path / "m.csv"), *schema, "--tenant", "_acmear", "--update")
    run("test", str(cases), "--mapping", str(tmp_path / "m.csv"), *SCHEMA, "--update")
    kept = json.loads((cases / "settings.json").read_text())
    assert kept == {"tenant": "_acmeair", "primary_identity": ["crm", "Email"]}
    assert run("test", str(cases), "--mapping", str(tmp_path / "m.csv"), *schema).exit_code == 0


def test_drift_names_what_no_row_reads(tmp_path):
    """Attributes with counts, times, a masked example and the row to add; codes, types and sources likewise."""
    (tmp_path / "m.csv").write_text(
        GOOD
        + 'EXPRESSION,"decode(event_code, ""MOE_EMAIL_SENT"", ""sent"")",eventType\nATTRIBUTE,event_attributes.gone,{tenant}.gone\n'
    )
    result = run("drift", str(tmp_path / "m.csv"), *EVENTS, "--json")
    found = json_of(result, exit_code=None)
    # On the screen the row is whole too, whatever the width: it is there to be copied.
    shown = run("drift", str(tmp_path / "m.csv"), *EVENTS, columns=40).stdout.splitlines()
    assert "      ATTRIBUTE,user_attributes.loyalty_points,{tenant}.loyaltyPoints" in shown
    by_path = {one["path"]: one for one in found["unmapped"]}
    points = by_path["user_attributes.loyalty_points"]
    assert (points["events"], points["example"], points["kinds"]) == (10, 11111, {"number": 10})
    assert points["row"] == "ATTRIBUTE,user_attributes.loyalty_points,{tenant}.loyaltyPoints"
    assert points["first"] == "2026-11-25T10:46:40Z"
    assert by_path["user_attributes.first_name"]["example"] == "xxxx"
    assert not {"uid", "email_id", "event_uuid", "event_time", "user_attributes.loyalty_tier"} & (
        by_path.keys() - {"email_id"}
    )
    assert "MOE_EMAIL_OPEN" in [one["event_code"] for one in found["event_codes"]]
    assert "MOE_EMAIL_SENT" not in [one["event_code"] for one in found["event_codes"]]
    assert [one["path"] for one in found["changed_types"]] == ["event_attributes.results", "event_attributes.total"]
    assert found["unseen"] == [{"path": "event_attributes.gone", "rows": [8]}]


def test_drift_proposes_only_fields_of_the_schema(tmp_path):
    """A row into the field that is named so and that no row writes yet; of others it says that the schema has none."""
    (tmp_path / "m.csv").write_text(GOOD, encoding="utf-8")
    attributes = {"booking_reference": "K7QX2P", "favourite_colour": "red", "loyalty_tier": "GOLD"}
    event = {"event_code": "X", "event_uuid": "u", "event_time": 1_795_603_600, "event_attributes": attributes}
    (tmp_path / "e.json").write_text(json.dumps(event), encoding="utf-8")
    environment = {
        "BRIDGE_MAPPING__SCHEMA": str(EXAMPLE / "airline.schema.json"),
        "BRIDGE_MAPPING__TENANT": "_acmeair",
        "BRIDGE_MAPPING__PRIMARY_IDENTITY": "crm,Email",
        "COLUMNS": "200",
    }
    words = ["mapping", "drift", str(tmp_path / "m.csv"), "--events", str(tmp_path / "e.json")]
    found = json_of(CliRunner().invoke(app, [*words, "--json"], env=environment), exit_code=None)
    rows = {one["path"].rpartition(".")[2]: one["row"] for one in found["unmapped"]}
    assert rows["booking_reference"] == (
        "ATTRIBUTE,event_attributes.booking_reference,{tenant}.booking.bookingReference"
    )
    assert (rows["favourite_colour"], rows["loyalty_tier"]) == (None, None)
    shown = CliRunner().invoke(app, words, env=environment).stdout
    assert "the schema has no field of such a name" in shown
    # Every row that is proposed is one that lint takes.
    (tmp_path / "n.csv").write_text(GOOD + "\n".join(row for row in rows.values() if row) + "\n", encoding="utf-8")
    linted = json_of(run("lint", str(tmp_path / "n.csv"), *SCHEMA, "--json"), exit_code=None)
    assert [one for one in linted if one["severity"] == "error"] == []


def test_plan_tells_what_is_newly_left_out_and_why(tmp_path):
    """Code, field and words of a value that the changed set gives and the schema does not take, and the way back."""
    code, found = plan(tmp_path, GOOD, RAW_TIER)
    (lost,) = found["newly_dropped"]
    assert (code, lost["code"], lost["path"], lost["events"]) == (3, "xdm_enum", "_acmeair.loyalty.tier", 10)
    assert "BLUE, SILVER, GOLD" in lost["reason"]
    assert found["no_longer_dropped"] == []
    code, found = plan(tmp_path, RAW_TIER, GOOD)
    assert (code, [one["path"] for one in found["no_longer_dropped"]]) == (3, ["_acmeair.loyalty.tier"])
    assert found["newly_dropped"] == []


def test_no_verdict_beside_what_stops_the_worker(tmp_path):
    """With another tenant than the schema's lint does not say that nothing would be refused, and preview is exit 1."""
    (tmp_path / "m.csv").write_text(GOOD, encoding="utf-8")
    wrong = [SCHEMA[0], SCHEMA[1], "--tenant", "_acmear", "--primary-identity", "crm,Email"]
    result = run("lint", str(tmp_path / "m.csv"), *wrong, *EVENTS)
    assert "the worker would not start with it (tenant_unknown)" in result.stderr
    assert "would be refused" not in result.stderr
    preview = run("preview", str(tmp_path / "m.csv"), *wrong, "--event", EVENTS[1], "--json")
    assert (preview.exit_code, "the worker would not start" in preview.stderr) == (1, True)


def rows_of(text: str) -> Any:
    """The rows of a set, compiled."""
    return compile_mapping(read_mapping_set(text.encode()), tenant="_t", primary_identity="crm").rows


def test_the_sketch_is_bounded():
    """More paths than it keeps are counted, not kept."""
    drift = Drift(rows_of("source,destination\na,b\n"))
    for number in range(MAX_PATHS + 50):
        drift.look({f"k{number}": 1}, 1.0)
    assert (len(drift.unmapped()), drift.overflow) == (MAX_PATHS, 50)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**5000), 10**5000)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)


@given(st.dictionaries(st.text(max_size=8) | st.just("event_code"), json_values, max_size=5))
def test_the_sketch_takes_any_event(event):
    """Whatever JSON an event holds is counted, and every path of it comes with a row to add that can be read."""
    drift = Drift(rows_of("source,destination\na,b\n"))
    drift.look(event, 1.0)
    assert drift.events == 1
    for path in drift.unmapped():
        row_to_add(path)


def test_a_sketch_that_fails_does_not_take_the_worker_along():
    """It says so once, without the event's words, and stops looking."""
    builder = type("B", (), {"mapping": type("M", (), {"rows": rows_of("source,destination\na,b\n")})})
    sketch = EventSketch(SimpleNamespace(builder=builder), Metrics(), clock=lambda: 1.0)
    with structlog.testing.capture_logs() as logs:
        sketch.look({"secret": object()})
        sketch.look({"secret": object()})
    assert [line["error"] for line in logs] == ["KeyError"]
    assert "secret" not in str(logs)


def test_what_is_read_whole_is_read():
    """An object that is copied, and paths that functions are told as text."""
    drift = Drift(rows_of('source,destination\nevent_attributes,a\n"contains_key(""user.tier"")",b\n'))
    drift.look({"event_attributes": {"x": {"y": 1}}, "user": {"tier": "a", "age": 2}}, 1.0)
    assert list(drift.unmapped()) == ["user.age"]


@pytest.mark.parametrize(
    ("path", "row"),
    [
        ("event_attributes.First Name", "ATTRIBUTE,event_attributes.First Name,{tenant}.firstName"),
        ("a.items[*].unit_price", "ATTRIBUTE,a.items[*].unit_price,{tenant}.unitPrice"),
        ('a.${x,"y"}', 'ATTRIBUTE,"a.${x,""y""}",{tenant}.xY'),
    ],
)
def test_the_row_to_add_is_a_row(path, row):
    """Names in XDM's manner, cells quoted where they must be."""
    assert row_to_add(path) == row


def test_the_worker_looks_once_a_second_and_counts_what_is_not_mapped():
    """The gauge follows what is seen; events between two looks cost a comparison; a new set is compared anew."""
    now = [0.0]
    builder = type("B", (), {"mapping": type("M", (), {"rows": rows_of("source,destination\na,b\n")})})
    metrics = Metrics()
    sketch = EventSketch(SimpleNamespace(builder=builder), metrics, clock=lambda: now[0], wall=lambda: 5.0)

    def gauge() -> float:
        return metrics.unmapped_attributes._value.get()

    sketch.look({"a": 1})
    sketch.look({"a": 1, "unseen": 2})
    assert (gauge(), len(sketch.recent)) == (0, 1)
    for _ in range(RECENT + 5):
        now[0] += 1
        sketch.look({"a": 1, "new": 2})
    sketch.look(None)
    assert (gauge(), len(sketch.recent)) == (1, RECENT)
    builder.mapping.rows = rows_of("source,destination\na,b\nnew,c\n")
    sketch.follow(SimpleNamespace(builder=builder))
    assert gauge() == 0
