"""aep-bridge mapping preview: what becomes of an event, and what would be said of it?"""

import json
from pathlib import Path

import pytest
from json_output import json_of
from mapping_commands import EXPECTED, ROOT, SAMPLES, SCHEMA, SEED, SHIPPED, run
from typer.testing import CliRunner

from bridge.cli.main import app


def test_preview_gives_the_expected_event():
    """The contract's command on the seed's event, byte for byte the same JSON value."""
    result = run("preview", SHIPPED, "--event", SEED, "--tenant", "_yourorgname", "--json")
    assert (result.exit_code, json_of(result)) == (0, EXPECTED)


def test_preview_of_several_events_is_an_array():
    """JSON lines with batches give every event; from stdin too."""
    text = (SAMPLES / "moengage-events.jsonl").read_text(encoding="utf-8")
    result = run("preview", SHIPPED, "--event", "-", "--tenant", "_yourorgname", "--json", stdin=text)
    assert result.exit_code == 0
    assert len(json_of(result)) == 134


def test_preview_prints_a_rejected_event_all_the_same():
    """What would be rejected is on stdout, the reason on stderr, and the exit is 1."""
    event = json.dumps({"event_code": "X", "id": "e1"})
    result = run("preview", SHIPPED, "--event", event, "--tenant", "_yourorgname", "--json")
    assert json_of(result, exit_code=1)["_id"] == "e1"
    assert "rejected (" in result.stderr


def test_preview_checks_against_a_schema(monkeypatch):
    """--schema coerces, leaves out or refuses as AEP would."""
    event = json.loads(Path(SEED).read_text(encoding="utf-8"))
    event["event_name"] = 5
    event["event_attributes"] = "text"
    given = ("preview", SHIPPED, "--event", json.dumps(event), "--tenant", "_yourorgname", "--schema", SCHEMA, "--json")
    result = run(*given)
    assert result.exit_code == 0
    assert json_of(result)["_yourorgname"]["eventName"] == "5"
    assert "eventAttributesJson" not in json_of(result)["_yourorgname"]
    assert "#/_yourorgname/eventAttributesJson: left out: expected type: JSONObject" in result.stderr
    monkeypatch.setenv("BRIDGE_MAPPING__ON_INVALID", "reject")
    result = run(*given)
    assert json_of(result, exit_code=1)["_yourorgname"]["eventName"] == "5"
    assert "DCVS-1104" in result.stderr


def test_preview_for_people_has_a_row_for_each_row():
    """Without --json: the XDM, then source, value, result and warning by row."""
    result = run("preview", SHIPPED, "--event", SEED, "--tenant", "_yourorgname")
    assert '"_id": "test_event_001"' in result.stdout
    assert "event_attributes.campaign_id" in result.stdout
    assert "camp_001" in result.stdout


def test_preview_diff_names_what_differs(tmp_path: Path):
    """Two mapping sets over the same events."""
    other = tmp_path / "other.csv"
    text = Path(SHIPPED).read_text(encoding="utf-8")
    other.write_text(text.replace("ATTRIBUTE,event_name,", "EXPRESSION,upper(event_name),"), encoding="utf-8")
    result = run("preview", SHIPPED, "--event", SEED, "--tenant", "_yourorgname", "--diff", str(other), "--json")
    assert json_of(result, exit_code=None) == [
        {"event": 1, "path": "_yourorgname.eventName", "this": "Email Sent", "other": "EMAIL SENT"}
    ]


@pytest.mark.parametrize(
    ("mode", "code", "kept", "said"),
    [
        ("warn", 0, True, "bytes of XDM JSON; Profile keeps up to"),
        ("drop", 0, False, "_t.userAttributesJson was left out"),
        ("reject", 1, True, "rejected (event_oversize)"),
    ],
)
def test_preview_of_an_event_that_profile_drops(monkeypatch, mode: str, code: int, kept: bool, said: str):
    """Preview does with an event above 10 KB what the worker would do, and says so."""
    monkeypatch.setenv("BRIDGE_MAPPING__OVERSIZE", mode)
    event = json.loads((ROOT / "tests" / "data" / "samples" / "seed-event.json").read_text(encoding="utf-8"))
    event["user_attributes"] = {f"k{number}": "v" * 100 for number in range(120)}
    shown = run("preview", "mappings/moengage_events.csv", "--event", json.dumps(event), "--tenant", "_t", "--json")
    assert (shown.exit_code, "userAttributesJson" in json_of(shown, exit_code=code)["_t"]) == (code, kept)
    assert said in shown.stderr


def test_preview_shows_what_goes_out(tmp_path: Path):
    """Coerced values are marked, rows without a value are counted, and no line is longer than the terminal."""
    file = tmp_path / "m.csv"
    rows = "id,_id\nevent_time,timestamp\nevent_attributes.n,_t.n\nabsent,_t.gone\n'x',_t.s\n"
    file.write_text("source,destination\n" + rows, encoding="utf-8")
    schema = tmp_path / "s.json"
    integer = {"type": "object", "properties": {"n": {"type": "integer"}, "s": {"type": "string"}}}
    schema.write_text(json.dumps({"type": "object", "properties": {"_t": integer}}), encoding="utf-8")
    event = json.dumps({"event_code": "X", "id": "1", "event_attributes": {"n": "7", "text": "x" * 200}})
    result = CliRunner().invoke(
        app, ["mapping", "preview", str(file), "--schema", str(schema), "-e", event], env={"COLUMNS": "80"}
    )
    assert '_t.n = "7" → 7' in result.stdout
    assert "2 more rows gave nothing" in result.stdout
    assert all(len(line) <= 80 for line in result.stdout.splitlines())
