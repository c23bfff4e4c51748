"""Usage of ``failed-batches``: what is missing or wrong is named before anything is asked."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from bridge.cli.main import app
from bridge.model.errors import SettingsError

_ADOBE = {
    "BRIDGE_AEP__ORG_ID": "FEDCBA98765432100123456A@AdobeOrg",
    "BRIDGE_AEP__PLATFORM_URL": "http://127.0.0.1:9",
    "BRIDGE_OAUTH__CLIENT_ID": "a-client",
    "BRIDGE_OAUTH__CLIENT_SECRET": "a-secret",
}
_MOENGAGE = "[routes.back]\nsource = 'moengage'\ndestination = 'moengage'\n"


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def _run(*arguments, **environment):
    return CliRunner().invoke(app, ["failed-batches", *arguments], env={"COLUMNS": "200", **environment})


@pytest.mark.parametrize("command", ["list", "fetch"])
def test_a_period_that_ends_before_it_begins_is_a_usage_error(command):
    """It would find nothing, which would look like good news."""
    done = _run(command, "--since", "2026-03-02", "--until", "2026-03-01")
    assert done.exit_code == 2
    assert "is not before" in done.output
    assert _run(command, "--since", "yesterday").exit_code == 2


def test_a_dataset_that_is_not_set_is_named():
    """With how to get it."""
    error = _run("list", **_ADOBE).exception
    assert isinstance(error, SettingsError)
    assert "BRIDGE_AEP__DATASET_ID" in str(error)
    assert "setup apply" in error.hint


@pytest.mark.parametrize("command", ["list", "fetch"])
def test_a_route_that_does_not_go_to_aep_has_no_failed_batches(tmp_path, command):
    """Exit 2, and why."""
    (tmp_path / "bridge.toml").write_text(_MOENGAGE, encoding="utf-8")
    done = _run(command, "--route", "back")
    assert done.exit_code == 2
    assert "no route goes to AEP" in done.output


def test_fetch_asks_which_route_where_there_are_several(tmp_path):
    """It writes, so nothing is chosen for the operator; routes elsewhere are no choice."""
    (tmp_path / "bridge.toml").write_text(f"{_MOENGAGE}[routes.eu]\n[routes.us]\n", encoding="utf-8")
    done = _run("fetch")
    assert done.exit_code == 2
    assert "name the route with --route: eu, us" in done.output
