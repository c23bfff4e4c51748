"""aep-bridge mapping init, convert and test: what do the commands that write files write?"""

import json
from pathlib import Path

from json_output import json_of
from mapping_commands import EXPECTED, ROOT, SCHEMA, SEED, SHIPPED, run


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


def test_init_reads_events_from_stdin(tmp_path: Path):
    """Both files come from one reading: stdin has nothing the second time."""
    file = tmp_path / "first.csv"
    seed = Path(SEED).read_text(encoding="utf-8")
    assert run("init", "--schema", SCHEMA, "--events", "-", "--output", str(file), stdin=seed).exit_code == 0
    assert (
        json.loads((tmp_path / "first.sample.json").read_text(encoding="utf-8"))["events"][0]["event_uuid"]
        == "unique_event_id_001"
    )


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
