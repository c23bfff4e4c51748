"""The alerts of docs/deploy/alerts.yml, by Prometheus' own promtool: each fires when it should, and only then."""

import subprocess
from pathlib import Path

import pytest
import yaml
from debian_tools import tool

pytestmark = pytest.mark.clock

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "docs/deploy/alerts.yml"
TESTS = sorted((ROOT / "tests/alerts").glob("*.test.yml"))


@pytest.fixture(scope="module")
def promtool():
    """Prometheus' tool, from Debian's package."""
    return tool("promtool", package="prometheus")


def _cases_beside_their_rules(folder, rules):
    """Files of cases below ``folder``, each with the rules alone that its cases ask about.

    No rule reads another's outcome, and promtool works out every rule of a file at every step of every case.
    """
    groups = _read(rules)["groups"]
    made = []
    for path in TESTS:
        document = _read(path)
        for names, cases in _by_alerts(document["tests"]).items():
            file = folder / f"{len(made)}.test.yml"
            own = [{**group, "rules": [rule for rule in group["rules"] if rule["alert"] in names]} for group in groups]
            file.with_suffix(".rules").write_text(yaml.safe_dump({"groups": own}, sort_keys=False))
            beside = {**document, "rule_files": [file.with_suffix(".rules").name], "tests": cases}
            file.write_text(yaml.safe_dump(beside, sort_keys=False))
            made.append(file)
    return made


def _by_alerts(cases):
    found = {}
    for case in cases:
        found.setdefault(frozenset(asked["alertname"] for asked in case["alert_rule_test"]), []).append(case)
    return found


def _read(path):
    # Scalars as they are written: in a series ``0x240`` is 241 times nothing, and to YAML a number.
    return yaml.load(path.read_text(), Loader=yaml.BaseLoader)  # noqa: S506 - it makes text, lists and mappings only


def _run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout + done.stderr


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not():
    """No rule is left untested, in either direction."""
    alerts = {rule["alert"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}
    fires, silent = set(), set()
    for case in (case for path in TESTS for case in yaml.safe_load(path.read_text())["tests"]):
        for asked in case["alert_rule_test"]:
            (fires if asked.get("exp_alerts") else silent).add(asked["alertname"])
    assert fires == silent == alerts


def test_no_rule_reads_anothers_outcome():
    """Each can be tried by itself: none records a series, none asks which alerts there are."""
    rules = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    assert all("alert" in rule and "ALERTS" not in rule["expr"] for rule in rules)


def test_the_rules_behave_as_their_cases_say(promtool, tmp_path):
    """Promtool runs every case against the shipped rules."""
    files = _cases_beside_their_rules(tmp_path, RULES)
    assert sum(len(_read(file)["tests"]) for file in files) == sum(len(_read(path)["tests"]) for path in TESTS)
    code, said = _run(promtool, "test", "rules", *files)
    assert code == 0, said


def test_a_rule_that_never_fires_is_noticed(promtool, tmp_path):
    """The cases of an alert can fail: with a threshold that nothing reaches they do."""
    asked = "BridgeEventsAreOld"
    changed = RULES.read_text().replace("bridge_oldest_open_seconds) > 900", "bridge_oldest_open_seconds) > 1e12")
    assert changed != RULES.read_text()
    (tmp_path / "changed.yml").write_text(changed)
    files = _cases_beside_their_rules(tmp_path, tmp_path / "changed.yml")
    code, said = _run(promtool, "test", "rules", *(file for file in files if asked in file.read_text()))
    assert code != 0
    assert asked in said


def test_the_rules_are_valid(promtool):
    """Prometheus takes the file as it is."""
    code, said = _run(promtool, "check", "rules", RULES)
    assert code == 0, said
