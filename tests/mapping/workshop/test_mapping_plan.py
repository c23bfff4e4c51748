"""What does a changed mapping set change? plan tells fields, rows and events, and refuses what would newly be refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from airline_mapping import EVENTS, EXAMPLE, GOOD, RAW_TIER, SCHEMA, run
from json_output import json_of

from bridge.model.errors import BridgeError

if TYPE_CHECKING:
    from pathlib import Path


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
