"""aep-bridge mapping: data on stdout, words on stderr, exit 0, 1 or 2."""

import json
from pathlib import Path
from typing import Any

import pytest
from json_output import json_of
from typer.testing import CliRunner

from bridge.cli.main import app
from bridge.model.errors import BridgeError

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = str(ROOT / "mappings" / "moengage_events.csv")
SCHEMA = str(ROOT / "mappings" / "moengage_events.schema.json")
SAMPLES = ROOT / "tests" / "data" / "samples"
SEED = str(SAMPLES / "seed-event.json")
EXPECTED = json.loads((SAMPLES / "seed-event.expected.json").read_text(encoding="utf-8"))


def run(*arguments: str, stdin: str | None = None) -> Any:
    """One command, in this process; the error it would print is raised."""
    result = CliRunner().invoke(app, ["mapping", *arguments], input=stdin)
    if isinstance(result.exception, BridgeError):
        raise result.exception
    return result


def test_eval_prints_a_json_value():
    """The contract's example, null, dates, and no event at all."""
    assert run("eval", "upper(event_name)", "--event", SEED).stdout == '"EMAIL SENT"\n'
    assert run("eval", "nothing.here").stdout == "null\n"
    assert run("eval", "date('2024-11-12 14:20')").stdout == '"2024-11-12T14:20:00Z"\n'
    assert run("eval", "1 + 1").stdout == "2\n"
    assert run("eval", "-7 / 2", "-e", SEED).stdout == "-3\n"
    assert run("eval", "to_object('é', [1])").stdout == '{"é": [1]}\n'


def test_eval_tells_why_a_value_is_null():
    """The value is null on stdout; the reason is on stderr, and the exit is 0: null is a value."""
    result = run("eval", "1 / 0")
    assert (result.exit_code, result.stdout) == (0, "null\n")
    assert "division by zero" in result.stderr


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("3 Nov 2020", "it has the form d MMM yyyy: give that as second argument"),
        (
            "Tue, 03 Nov 2020 10:00:00 GMT",
            "it has the form EEE, dd MMM yyyy HH:mm:ss zzz: give that as second argument",
        ),
        ("1731421200", "it looks like an epoch in seconds"),
    ],
)
def test_a_date_that_cannot_be_read_comes_with_its_pattern(text: str, hint: str):
    """What now: the pattern to give as second argument, or what makes a date of an epoch."""
    assert hint in run("eval", f"date('{text}')").stderr
    assert hint in run("eval", "date(d)", "--event", json.dumps({"d": text})).stderr


def test_eval_names_a_function_that_jmespath_lacks():
    """Its own functions are not those of the mapping language."""
    with pytest.raises(BridgeError, match="JMESPath has no function upper; it has abs, avg"):
        run("eval", 'jmespath("items[].upper(sku)")')
    assert run("eval", 'jmespath("length(items)")', "--as-is", "-e", '{"items": [1, 2]}').stdout == "2\n"


def test_eval_refuses_what_is_no_expression():
    """A wrong expression is an error with position and suggestion."""
    with pytest.raises(BridgeError, match=r"character 1: no function uper .*fix: upper"):
        run("eval", "uper(x)")


def test_eval_without_an_expression_reads_them_line_by_line():
    """A prompt that also works in a pipe, and explains functions."""
    result = run("eval", "--event", SEED, stdin="time * 1000\nnope(\n?lower\n?dformt\n")
    assert result.stdout.splitlines()[:2] == ["1731421200000", "lower(INPUT)"]
    assert "ends too early" in result.stderr
    assert "no function dformt; did you mean dformat?" in result.stderr


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


def test_lint_exits_by_severity(tmp_path: Path):
    """0 for a sound set, 0 for warnings, 1 for errors; the JSON has row, column, code and message."""
    assert run("lint", SHIPPED, "--schema", SCHEMA, "--json").stdout.strip() == "[]"
    file = tmp_path / "m.csv"
    rows = "source,destination\nid,_id\ntime,timestamp\nuid,identityMap.a[0].id\nSTATIC,identityMap.a[0].primary\n"
    file.write_text(rows.replace("STATIC", "'true'") + "upper(date),x\n", encoding="utf-8")
    warned = run("lint", str(file), "--primary-identity", "a", "--json")
    assert (warned.exit_code, [one["code"] for one in json_of(warned)]) == (0, ["reserved_word"])
    file.write_text(rows + "uper(a),x\n", encoding="utf-8")
    refused = run("lint", str(file), "--json")
    found = next(one for one in json_of(refused, exit_code=1) if one["code"] == "unknown_function")
    assert (found["row"], found["column"], found["fix"]) == (6, "source", "upper")


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


def test_lint_speaks_to_ci(tmp_path: Path):
    """GitHub annotations and SARIF name file, line and code."""
    file = tmp_path / "m.csv"
    file.write_text("source,destination\nuper(a),x\n", encoding="utf-8")
    lines = run("lint", str(file), "--format", "github").stdout.splitlines()
    assert any(line.startswith("::error file=") and ",line=2," in line and "uper" in line for line in lines)
    sarif = json_of(run("lint", str(file), "--format", "sarif"), exit_code=1)
    result = next(one for one in sarif["runs"][0]["results"] if one["ruleId"] == "unknown_function")
    assert result["locations"][0]["physicalLocation"]["region"]["startLine"] == 2
    assert sarif["version"] == "2.1.0"


def test_sarif_names_the_file_as_a_uri(tmp_path: Path):
    """Blanks and colons of a file's name are escaped, as SARIF's URI references want them."""
    file = tmp_path / "my map:1.csv"
    file.write_text("source,destination\nuper(a),x\n", encoding="utf-8")
    sarif = json_of(run("lint", str(file), "--format", "sarif"), exit_code=1)
    place = sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"].endswith("/my%20map%3A1.csv")


def test_lint_learns_paths_from_events(tmp_path: Path):
    """--events finds a path that no sample has."""
    file = tmp_path / "m.csv"
    file.write_text("source,destination\nidentities.emial,x\n", encoding="utf-8")
    found = json_of(run("lint", str(file), "--events", SEED, "--json"), exit_code=None)
    assert ("unknown_source", "identities.email") in [(one["code"], one.get("fix")) for one in found]


def test_test_runs_golden_cases(tmp_path: Path):
    """Exit 0 when all hold, 1 when one does not; --update makes them hold."""
    assert run("test", str(ROOT / "mappings" / "tests"), "--mapping", SHIPPED).exit_code == 0
    (tmp_path / "settings.json").write_text('{"tenant": "_other"}', encoding="utf-8")
    (tmp_path / "seed.event.json").write_text(Path(SEED).read_text(encoding="utf-8"), encoding="utf-8")
    assert run("test", str(tmp_path), "--mapping", SHIPPED).exit_code == 1
    assert run("test", str(tmp_path), "--mapping", SHIPPED, "--update").exit_code == 0
    passed = run("test", str(tmp_path), "--mapping", SHIPPED, "--json")
    assert (passed.exit_code, json_of(passed)[0]["passed"]) == (0, True)
    assert "_other" in json.loads((tmp_path / "seed.expected.json").read_text(encoding="utf-8"))


def test_convert_goes_both_ways(tmp_path: Path):
    """CSV to JSON and back is the same file again."""
    as_json, as_csv = tmp_path / "m.json", tmp_path / "m.csv"
    assert run("convert", SHIPPED, "--output", str(as_json)).exit_code == 0
    assert run("convert", str(as_json), "--output", str(as_csv)).exit_code == 0
    again = tmp_path / "again.json"
    run("convert", str(as_csv), "--output", str(again))
    assert again.read_text(encoding="utf-8") == as_json.read_text(encoding="utf-8")
    assert len(json.loads(as_json.read_text(encoding="utf-8"))["mappings"]) == 26


def test_init_writes_a_mapping_that_lints_clean(tmp_path: Path):
    """From schema and sample to a CSV and the payload that MoEngage asks for."""
    file = tmp_path / "first.csv"
    assert run("init", "--schema", SCHEMA, "--events", SEED, "--output", str(file)).exit_code == 0
    assert (
        run("lint", str(file), "--schema", SCHEMA, "--events", SEED, "--tenant", "_yourorgname", "--json").stdout
        == "[]\n"
    )
    preview = run("preview", str(file), "--event", SEED, "--tenant", "_yourorgname", "--json")
    assert json_of(preview) == EXPECTED
    assert (
        json.loads((tmp_path / "first.sample.json").read_text(encoding="utf-8"))["events"][0]["event_uuid"]
        == "unique_event_id_001"
    )


def test_functions_lists_and_explains():
    """Every function of the registry, and one by name or alias."""
    every = json_of(run("functions", "--json"))
    assert {"upper", "dformat", "decode"} <= {one["name"] for one in every}
    assert run("functions", "ucase").stdout.startswith("upper(INPUT)")
    with pytest.raises(BridgeError, match="no function uper"):
        run("functions", "uper")


def test_files_that_cannot_be_read_are_errors(tmp_path: Path):
    """A missing mapping, a missing event, an event that is no JSON: an error in words, not a traceback."""
    for arguments in (
        ("preview", str(tmp_path / "no.csv"), "--event", SEED),
        ("preview", SHIPPED, "--event", str(tmp_path / "no.json")),
        ("eval", "a", "--event", "{broken"),
        ("convert", str(tmp_path / "no.csv")),
        ("test", str(tmp_path)),
    ):
        with pytest.raises(BridgeError):
            run(*arguments)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{\n "event_name": "a",\n "b": }\n', ": not JSON: .* at line 3, column 7$"),
        ('{\n "a": 1\n}\n{\n "b": 2\n}\n', ": not JSON: .* at line 4, column 1$"),
        ('{"event_name": "a"}\n\n{"event_name": "b"\n', ", line 3: not JSON: .* at column 19$"),
    ],
)
def test_a_mistake_in_events_is_told_where_it_is(tmp_path: Path, text: str, said: str):
    """A document over several lines is wrong where it is wrong, not in its first line; one of JSON lines in its own."""
    file = tmp_path / "event.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(BridgeError, match=said):
        run("eval", "event_name", "--event", str(file))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "stdin: there is no event in it"),
        ('{"app_name": "a", "events": []}', "stdin: there is no event in it"),
        ('[{"event_name": "a"}, 5]', "event 2: the body is JSON but not an object"),
    ],
)
def test_an_expression_wants_an_event(text: str, said: str):
    """Nothing to evaluate over is an error, not silence or a null."""
    with pytest.raises(BridgeError, match=f"^{said}$"):
        run("eval", "event_name", "--event", "-", stdin=text)


def test_an_expression_may_be_tried_on_any_object():
    """A part of an event will do to try an expression."""
    assert run("eval", "a.b + 1", "--event", '{"a": {"b": 1}}').stdout == "2\n"


def test_preview_wants_an_event():
    """No event, no XDM: an error, not an empty answer."""
    with pytest.raises(BridgeError, match=r"^stdin: there is no event in it$"):
        run("preview", SHIPPED, "--event", "-", "--json", stdin="[]")


def test_init_reads_events_from_stdin(tmp_path: Path):
    """Both files come from one reading: stdin has nothing the second time."""
    file = tmp_path / "first.csv"
    seed = Path(SEED).read_text(encoding="utf-8")
    assert run("init", "--schema", SCHEMA, "--events", "-", "--output", str(file), stdin=seed).exit_code == 0
    assert (
        json.loads((tmp_path / "first.sample.json").read_text(encoding="utf-8"))["events"][0]["event_uuid"]
        == "unique_event_id_001"
    )


def test_wrong_usage_exits_2():
    """Typer's own answer to a missing argument, and ours to a tenant without its underscore."""
    assert run("preview").exit_code == 2
    done = run("preview", SHIPPED, "--event", SEED, "--tenant", "yourorgname")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "--tenant" in done.stderr
    assert "BRIDGE_" not in done.stderr


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


def test_a_dead_letter_stands_for_the_event_in_it():
    """What deadletters show prints can be given to preview and eval as it is."""
    seed = json.loads(Path(SEED).read_text(encoding="utf-8"))
    letter = {
        "partition": 2,
        "offset": 4,
        "stage": "check",
        "code": "xdm_enum",
        "reason": "r",
        "source": {},
        "key": None,
        "value": seed,
    }
    shown = run("preview", SHIPPED, "--event", json.dumps(letter), "--tenant", "_yourorgname", "--json")
    assert (shown.exit_code, json_of(shown)) == (0, EXPECTED)
    assert run("eval", "event_code", "--event", json.dumps(letter)).stdout == '"MOE_EMAIL_SENT"\n'


def test_any_object_as_it_is():
    """--as-is adds nothing and takes no envelope apart; --show-event shows what the mapping sees."""
    batch = json.dumps({"events": [{"event_code": "X"}], "uid": "u"})
    assert run("eval", "size_of(events)", "--as-is", "--event", batch).stdout == "1\n"
    assert run("eval", "identities", "--as-is", "--event", batch).stdout == "null\n"
    shown = run("preview", SHIPPED, "--as-is", "--show-event", "--event", batch, "--json")
    assert json_of(shown, exit_code=None)["event"] == json.loads(batch)
    canonical = run("preview", SHIPPED, "--show-event", "--event", '{"event_code": "X", "uid": "u"}', "--json")
    assert json_of(canonical, exit_code=None)["event"]["identities"] == {"externalId": "u"}


def test_eval_tells_a_slip_in_a_path():
    """A path that the event does not have is named with the one that was meant; a path that is there and null is not."""
    event = '{"event_attributes": {"total": null}}'
    slip = run("eval", "event_atributes.total", "--event", event)
    assert (slip.stdout, slip.stderr) == (
        "null\n",
        "the event has no event_atributes.total (event_attributes.total?)\n",
    )
    assert run("eval", "event_attributes.total", "--event", event).stderr == ""
    assert run("eval", "filterArray([1, 2], x -> x > 1)", "--event", event).stderr == ""


def test_the_prompt_knows_its_words():
    """help, ?, .event, .paths, a line that goes on, and the words that end it."""
    said = run(
        "eval",
        "--event",
        '{"event_code": "X", "a": {"b": 1}}',
        stdin="help\n?\n.paths\n.event a\na.b \\\n+ 1\nexit\nnever\n",
    )
    assert "exit, quit" in said.stderr
    lines = said.stdout.splitlines()
    assert any(line.startswith("String: concat, explode") for line in lines) or "concat" in said.stdout
    assert "a.b" in lines
    assert lines[-2:] == ['{"b": 1}', "2"]


def test_convert_for_adobe_fills_placeholders_and_tells_what_cannot_be_taken(tmp_path: Path):
    """Ready to be uploaded: no placeholder is left, and rows that only the bridge evaluates are named."""
    file = tmp_path / "m.csv"
    file.write_text(
        'source,destination\nid,identityMap.{primary_identity}[0].id\n"jmespath(""a"")",{tenant}.x\n', encoding="utf-8"
    )
    done = run("convert", str(file), "--tenant", "_acme", "--primary-identity", "crm")
    assert [one["destination"] for one in json_of(done)["mappings"]] == ["identityMap.crm[0].id", "_acme.x"]
    assert "AEP cannot take row 3: AEP offers jmespath only here" in done.stderr
    assert "placeholders" not in done.stderr
    bare = run("convert", str(file), "--tenant", "_acme").stderr
    assert "AEP cannot take row" in bare
    assert "{primary_identity} stand in it: before it is uploaded, fill them (--primary-identity …)" in bare


def test_piped_lists_are_plain_and_columns_are_heeded():
    """No table is drawn; with COLUMNS no line is longer."""
    narrow = CliRunner().invoke(app, ["mapping", "functions"], env={"COLUMNS": "60"}).stdout.splitlines()
    assert max(map(len, narrow)) <= 60
    assert any(line.startswith("  dformat(") for line in narrow)
    assert "example: upper(tier)   over" in run("functions", "upper").stdout
    assert "yyyy-MM-dd HH:mm:ssZ" in run("functions", "date").stdout
