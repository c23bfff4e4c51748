"""aep-bridge mapping lint: in which forms are findings told, and with which exit?"""

from pathlib import Path

from json_output import json_of
from mapping_commands import SCHEMA, SEED, SHIPPED, run


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
