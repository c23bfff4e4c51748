"""``aep-bridge setup`` as processes against the emulator as a process: from credentials to a first event; killed at any moment."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest
from checkout import ROOT
from json_output import json_of

from bridge.testing.commands import run_command
from bridge.testing.emulator_process import EmulatorProcess
from bridge.testing.processes import eventually, get, start_tied

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path


CREDENTIALS = """\
BRIDGE_AEP__ORG_ID=0123456789ABCDEF01234567@AdobeOrg
BRIDGE_AEP__PLATFORM_URL={url}
BRIDGE_OAUTH__TOKEN_URL={url}/ims/token/v3
BRIDGE_OAUTH__CLIENT_ID=0123456789abcdef0123456789abcdef
BRIDGE_OAUTH__CLIENT_SECRET=emulated-secret
"""
CREATED = {
    "namespaces": 2, "fieldgroups": 1, "schemas": 1, "datasets": 1, "connections": 1, "sourceConnections": 1,
    "targetConnections": 1, "flows": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    """One emulated organisation for all tests here; each empties it."""
    with EmulatorProcess(tmp_path_factory.mktemp("emulator")) as running:
        yield running.wait_up()


@pytest.fixture
def adobe(emulator: EmulatorProcess) -> EmulatorProcess:
    """The same, empty."""
    emulator.control(clear_faults=True, platform={"clear": True, "warm_up_seconds": 0})
    return emulator


@pytest.fixture
def folder(tmp_path: Path, adobe: EmulatorProcess) -> Path:
    """A working directory with the credentials."""
    (tmp_path / ".env").write_text(CREDENTIALS.format(url=_url(adobe)), encoding="utf-8")
    return tmp_path


def _url(adobe: EmulatorProcess) -> str:
    return f"http://127.0.0.1:{adobe.port}"


def _environment() -> dict[str, str]:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {key: value for key, value in os.environ.items() if not key.startswith("BRIDGE_")} | {"PYTHONPATH": path}


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """One command to its end."""
    return run_command(*arguments, cwd=folder, env=_environment())


def _platform(adobe: EmulatorProcess) -> dict[str, Any]:
    return json.loads(get(f"{_url(adobe)}/platform")[1])


def _counted(adobe: EmulatorProcess) -> dict[str, int]:
    counts = _platform(adobe)["sandboxes"]["prod"]
    return {name: counts[name] for name in CREATED}


def test_plan_says_by_its_exit_code_what_is_to_do(folder, adobe):
    """3 before, 0 after, 1 without a permission; JSON on stdout, words on stderr."""
    before = run(folder, "setup", "plan", "--json")
    assert before.returncode == 3, before.stderr
    told = json_of(before, exit_code=3)
    assert told["exit"] == 3
    assert told["irreversible"] == 3
    adobe.control(
        platform={"permissions": ["view-schemas", "view-identity-namespaces", "view-datasets", "view-sources"]}
    )
    refused = run(folder, "setup", "plan")
    assert refused.returncode == 1
    assert "Manage Schemas is missing" in refused.stderr
    assert run(folder, "setup", "apply", "--yes", "--allow-irreversible").returncode == 1
    adobe.control(platform={"permissions": None})
    assert run(folder, "setup", "apply", "--yes", "--allow-irreversible", "--no-wait").returncode == 0
    after = run(folder, "setup", "plan", "--json")
    assert (after.returncode, json_of(after)["to_do"]) == (0, 0)


@pytest.mark.parametrize("options", [[], ["--yes"], ["--allow-irreversible"]])
def test_nothing_is_done_without_a_yes(folder, adobe, options):
    """Where nobody can be asked the missing option is named, and AEP is as empty as before."""
    done = run(folder, "setup", "apply", *options)
    assert done.returncode == 1
    for option in {"--yes", "--allow-irreversible"} - {*options}:
        assert option in done.stderr.rpartition("hint:")[2]
    assert set(_counted(adobe).values()) == {0}


def test_apply_says_what_it_wrote(folder, adobe):
    """The results as JSON for a program; a second apply says that there is nothing to do."""
    done = run(folder, "setup", "apply", "--yes", "--allow-irreversible", "--no-wait", "--json")
    assert done.returncode == 0, done.stderr
    told = json_of(done)
    assert told["written"] == ["aep-schema.json", ".env"]
    text = (folder / ".env").read_text(encoding="utf-8")
    for name in ("endpoint", "schema_id", "dataset_id", "flow_id"):
        assert f"BRIDGE_AEP__{name.upper()}={told['results'][name]}\n" in text
    again = run(folder, "setup", "apply")
    assert again.returncode == 0
    assert "nothing to do" in again.stderr


def test_several_routes_want_a_name(folder, adobe):
    """Commands that write exit 2 when several routes fit, with their names; plan shows all."""
    (folder / "bridge.toml").write_text("[routes.eu]\n[routes.us]\n", encoding="utf-8")
    for command in ("apply", "verify"):
        done = run(folder, "setup", command)
        assert done.returncode == 2
        assert "eu, us" in done.stderr
    done = run(folder, "setup", "plan", "--json")
    assert [one["route"] for one in json_of(done, exit_code=3)] == ["eu", "us"]


def test_ctrl_c_ends_the_waiting_and_nothing_else(folder, adobe):
    """While apply counts down everything is done and written: an interrupt skips the rest of the time, exit 0."""
    child = start_tied(
        [sys.executable, "-m", "bridge", "setup", "apply", "--yes", "--allow-irreversible"],
        log=folder / "apply.log", env=_environment(), cwd=folder,
    )  # fmt: skip
    eventually(lambda: "waiting 300 s" in (folder / "apply.log").read_text(), within=60, what="it counts down")
    child.send_signal(signal.SIGINT)
    assert child.wait(30) == 0, (folder / "apply.log").read_text()
    assert run(folder, "setup", "plan").returncode == 0


# The first POST asks for the permissions; the one PATCH puts the schema into Profile.
WRITES = [*(("POST", number) for number in range(1, sum(CREATED.values()) + 1)), ("PATCH", 0)]


def test_the_writes_are_all_that_there_are(folder, adobe):
    """The list of moments below is complete: apply sends these requests that are no GET, and one that asks for permissions."""
    before = len(_platform(adobe)["log"])
    assert run(folder, "setup", "apply", "--yes", "--allow-irreversible", "--no-wait").returncode == 0
    sent = [method for method, _, _ in _platform(adobe)["log"][before:] if method != "GET"]
    assert sorted(sent) == sorted(["POST", *(method for method, _ in WRITES)])


@pytest.mark.slow
@pytest.mark.parametrize(("method", "number"), WRITES, ids=str)
def test_killed_in_the_middle_of_any_write_it_is_completed(folder, adobe, method, number):
    """Kill -9 while a request that creates or changes something has taken effect and is not answered yet; then apply again."""
    before = sum(1 for one in _platform(adobe)["log"] if one[0] == method)
    adobe.control(platform={"hang": {"method": method, "when": "after", "skip": number, "count": 1}})
    child = start_tied(
        [sys.executable, "-m", "bridge", "setup", "apply", "--yes", "--allow-irreversible", "--no-wait"],
        log=folder / "apply.log", env=_environment(), cwd=folder,
    )  # fmt: skip

    def is_on_its_way():
        assert child.poll() is None, (folder / "apply.log").read_text()
        return sum(1 for one in _platform(adobe)["log"] if one[0] == method) > before + number

    eventually(is_on_its_way, within=60, what="the request is on its way")
    child.send_signal(signal.SIGKILL)
    assert child.wait(30) == -signal.SIGKILL
    adobe.control(platform={"hang": None})
    done = run(folder, "setup", "apply", "--yes", "--allow-irreversible", "--no-wait")
    assert done.returncode == 0, done.stderr
    assert _counted(adobe) == CREATED
    assert run(folder, "setup", "plan").returncode == 0
