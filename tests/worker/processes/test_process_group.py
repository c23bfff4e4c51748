"""What the processes of a group are told, and how their ends make one exit code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bridge.settings import load_deployment, load_settings
from bridge.worker.processes.group import exit_code, member_command, member_environment

pytestmark = pytest.mark.clock

ROOT = Path(__file__).resolve().parents[3]


def test_limits_are_shared_among_the_processes(monkeypatch, tmp_path) -> None:
    """Three processes of one of two machines each take a sixth of the rate; their environment gives just these settings."""
    monkeypatch.chdir(tmp_path)
    (route,) = load_deployment(aep={"rate_share": 2}).routes
    told = member_environment(route, 3, {"BRIDGE_AEP__SANDBOX": "dev", "bridge_telemetry__port": "9464"})
    assert "bridge_telemetry__port" not in told, "a name counts in any case"
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    read = load_settings()
    assert read.aep.rate_share == 6
    assert read.aep.sandbox == "dev"
    assert read.worker.processes == 1
    assert (read.telemetry.host, read.telemetry.port) == ("127.0.0.1", 0)


def test_the_environment_wins_over_the_files(monkeypatch, tmp_path) -> None:
    """A port, a share and a number of processes in .env and bridge.toml reach the parent only."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("BRIDGE_TELEMETRY__PORT=9999\nBRIDGE_WORKER__PROCESSES=4\n", encoding="utf-8")
    (tmp_path / "bridge.toml").write_text("[aep]\nrate_share = 3\n", encoding="utf-8")
    (route,) = load_deployment().routes
    settings = route.settings
    assert (settings.telemetry.port, settings.worker.processes, settings.aep.rate_share) == (9999, 4, 3)
    for name, value in member_environment(route, 4, {}).items():
        monkeypatch.setenv(name, value)
    read = load_settings()
    assert (read.telemetry.port, read.worker.processes, read.aep.rate_share) == (0, 1, 12)


@pytest.mark.parametrize(("codes", "code"), [([0, 0], 0), ([0, 1], 1), ([-9, 0], 1), ([], 0)])
def test_one_that_left_something_unfinished_counts(codes, code) -> None:
    """0 only when every process ended with 0."""
    assert exit_code(codes) == code


def test_processes_run_the_program_of_their_parent(tmp_path) -> None:
    """A folder `bridge` in the working directory is not mistaken for the package."""
    (tmp_path / "bridge").mkdir()
    (tmp_path / "bridge" / "__init__.py").write_text("raise SystemExit('the wrong one')", encoding="utf-8")
    command = [*member_command(0, "default", 3)[:4], "--version"]
    told = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert command[0] == sys.executable
    assert (told.returncode, told.stderr) == (0, "")


def test_a_route_of_several_is_told_its_own_share(monkeypatch, tmp_path) -> None:
    """The share of a route's processes is set for that route; the others keep theirs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bridge.toml").write_text("[routes.a.aep]\nrate_share = 2\n[routes.b]\n", encoding="utf-8")
    first, _ = load_deployment().routes
    for name, value in member_environment(first, 3, {}).items():
        monkeypatch.setenv(name, value)
    a, b = load_deployment().routes
    assert (a.settings.aep.rate_share, b.settings.aep.rate_share) == (6, "auto")
    assert a.settings.worker.processes == b.settings.worker.processes == 1
