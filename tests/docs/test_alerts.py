"""The alerts of docs/deploy/alerts.yml, by Prometheus' own promtool: each fires when it should, and only then."""

import subprocess
from pathlib import Path

import pytest
import yaml
from debian_tools import tool

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "docs/deploy/alerts.yml"
TESTS = sorted((ROOT / "tests/alerts").glob("*.test.yml"))


@pytest.fixture(scope="module")
def promtool():
    """Prometheus' tool, from Debian's package."""
    return tool("promtool", package="prometheus")


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


def test_the_rules_behave_as_their_cases_say(promtool):
    """Promtool runs every case against the shipped rules."""
    code, said = _run(promtool, "test", "rules", *TESTS)
    assert code == 0, said


def test_a_rule_that_never_fires_is_noticed(promtool, tmp_path):
    """The cases of an alert can fail: with a threshold that nothing reaches they do."""
    (tmp_path / "tests/alerts").mkdir(parents=True)
    (tmp_path / "docs/deploy").mkdir(parents=True)
    cases = yaml.safe_load((ROOT / "tests/alerts/alerts.test.yml").read_text())
    asked = "BridgeEventsAreOld"
    cases["tests"] = [case for case in cases["tests"] if asked in {one["alertname"] for one in case["alert_rule_test"]}]
    assert cases["tests"]
    (tmp_path / "tests/alerts/alerts.test.yml").write_text(yaml.safe_dump(cases, sort_keys=False))
    changed = RULES.read_text().replace("bridge_oldest_open_seconds) > 900", "bridge_oldest_open_seconds) > 1e12")
    assert changed != RULES.read_text()
    (tmp_path / "docs/deploy/alerts.yml").write_text(changed)
    code, said = _run(promtool, "test", "rules", tmp_path / "tests/alerts/alerts.test.yml")
    assert code != 0
    assert asked in said


def test_the_rules_are_valid(promtool):
    """Prometheus takes the file as it is."""
    code, said = _run(promtool, "check", "rules", RULES)
    assert code == 0, said
