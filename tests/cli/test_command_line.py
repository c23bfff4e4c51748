"""What every command line shares: words that stay in one piece, and --json wherever a program reads."""

import os
import shlex
import socket
import subprocess
import sys
from contextlib import asynccontextmanager

import pytest
from checkout import ROOT
from json_output import json_of
from typer.testing import CliRunner

from bridge.cli.main import app
from bridge.kafka.topics import TopicMissing
from bridge.testing.commands import run_command

pytestmark = pytest.mark.clock


def _run(folder, *arguments, **settings):
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("BRIDGE_")}
    return run_command(*arguments, env={**inherited, "PYTHONPATH": str(ROOT), **settings}, cwd=folder, timeout=60)


def test_an_error_is_one_line_however_narrow_the_terminal(tmp_path) -> None:
    """A message is not broken where a terminal ends: a log is searched by line, and a command in a hint is copied."""
    done = _run(tmp_path, "worker", BRIDGE_AEP__LINGER_SECONDS="soon", COLUMNS="40")
    assert done.returncode == 1
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert line.startswith("error: BRIDGE_AEP__LINGER_SECONDS: ")
    assert line.endswith("for example BRIDGE_AEP__LINGER_SECONDS=0.5")


def test_every_command_on_dead_letters_takes_json(tmp_path) -> None:
    """list, show and replay take --json: with no broker they fail for that (1), not for their usage (2)."""
    for arguments in (["list"], ["show", "0/0"], ["replay", "--dry-run"]):
        done = _run(tmp_path, "deadletters", *arguments, "--json", BRIDGE_KAFKA__BOOTSTRAP_SERVERS="127.0.0.1:1")
        assert (done.returncode, done.stdout) == (1, ""), done.stderr
        assert "127.0.0.1:1" in done.stderr


@pytest.mark.parametrize("arguments", [["list"], ["show", "0/0"], ["replay", "--dry-run"], ["replay"]])
def test_a_missing_dead_letter_topic_has_a_hint_that_helps(monkeypatch, arguments) -> None:
    """Creating the topic would give an empty one: the hint asks for the worker's own settings instead."""

    class Nothing:
        async def describe_topics(self) -> list[dict[str, object]]:
            return []

    @asynccontextmanager
    async def admin(_kafka):
        yield Nothing()

    monkeypatch.setattr("bridge.kafka.topics.admin", admin)
    monkeypatch.setattr("bridge.telemetry.logs.configure_logging", lambda _settings: None)
    monkeypatch.setenv("BRIDGE_KAFKA__CREATE_TOPICS", "false")
    failed = CliRunner().invoke(app, ["deadletters", *arguments]).exception
    assert isinstance(failed, TopicMissing)
    assert str(failed).startswith("no such topic: ")
    assert "CREATE_TOPICS" not in failed.hint
    assert (
        "the worker's BRIDGE_KAFKA__BOOTSTRAP_SERVERS, BRIDGE_KAFKA__TOPIC, BRIDGE_KAFKA__DEAD_LETTER_TOPIC"
        in failed.hint
    )


def test_an_interrupt_while_loading_is_no_traceback(tmp_path) -> None:
    """Ctrl-C in the first half second, before there is a command to end, ends the process with 130 and no words."""
    # A module that is loaded on the way sends the signal, so that it comes exactly then. A shell that runs the tests in the
    # background has everything below it ignore the signal, which is not what is to be seen here.
    (tmp_path / "typer.py").write_text(
        "import os, signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\nos.kill(os.getpid(), signal.SIGINT)\n",
        encoding="utf-8",
    )
    done = _run(tmp_path, "status", PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_an_emulator_that_cannot_listen_says_so(tmp_path) -> None:
    """A port in use is an error in words that names a way out, not a traceback."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = _run(tmp_path, "emulator", "--port", str(port))
    assert (done.returncode, done.stdout) == (1, "")
    problem, hint = done.stderr.splitlines()
    assert problem.startswith(f"error: the emulator cannot listen on 127.0.0.1:{port}: ")
    assert hint == "hint: choose another --port (0 takes any free one) or --host"


@pytest.mark.parametrize("command", ["list", "replay"])
def test_a_stage_that_is_none_is_refused(command) -> None:
    """A mistyped stage would find no dead letters, which looks like good news: usage, with the stages there are."""
    done = CliRunner().invoke(app, ["deadletters", command, "--stage", "mapping"], env={"COLUMNS": "200"})
    assert done.exit_code == 2
    assert "mapping: expected receive, decode, map, check, deliver" in done.stderr


def test_check_says_what_to_do_about_a_missing_file_and_an_unreachable_ims(tmp_path) -> None:
    """Each line that fails names the setting to look at."""
    complete = {
        "BRIDGE_AEP__ENDPOINT": "http://127.0.0.1:1/collection/inlet",
        "BRIDGE_AEP__ORG_ID": "0123456789ABCDEF01234567@AdobeOrg",
        "BRIDGE_AEP__SCHEMA_ID": "https://ns.adobe.com/yourorgname/schemas/0123456789abcdef",
        "BRIDGE_AEP__DATASET_ID": "0123456789abcdef01234567",
        "BRIDGE_OAUTH__CLIENT_ID": "client",
        "BRIDGE_OAUTH__CLIENT_SECRET": "secret",
        "BRIDGE_OAUTH__TOKEN_URL": "http://127.0.0.1:1/ims/token/v3",
        "BRIDGE_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1",
    }
    for variable in ("BRIDGE_MAPPING__PATH", "BRIDGE_MAPPING__TESTS"):
        done = _run(tmp_path, "check", "--json", **complete, **{variable: "nowhere"})
        assert done.returncode == 1
        told = {each["name"]: each["found"] + each["todo"] for each in json_of(done, exit_code=1)}
        assert variable in told["mapping"]
        assert "BRIDGE_KAFKA__BOOTSTRAP_SERVERS" in told["kafka"]
        assert "BRIDGE_OAUTH__TOKEN_URL" in told["token"]


@pytest.mark.parametrize("arguments", [["mapping", "eval", "1"], ["check", "--json"]])
def test_a_full_disk_is_no_traceback(tmp_path, arguments) -> None:
    """What goes into a file on a full disk ends with words and 1."""
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        done = subprocess.run(
            [sys.executable, "-m", "bridge", *arguments],
            env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
            cwd=tmp_path,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.returncode == 1
    assert done.stderr.splitlines() == ["error: the output cannot be written: No space left on device"]


def test_usage_and_completion_are_of_the_command_that_is_typed(tmp_path) -> None:
    """Also as a module: a shell cannot complete a name of several words."""
    assert "Usage: aep-bridge status" in _run(tmp_path, "status", "--help").stdout
    # The shell that it is for is found among the parents: behind a supervisor there may be none.
    asked = shlex.join([sys.executable, "-m", "bridge", "--show-completion"])
    done = subprocess.run(
        ["bash", "-c", f"{asked}; true"],
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=60,
    )
    assert "_AEP_BRIDGE_COMPLETE=complete_bash" in done.stdout


def test_a_paragraph_of_help_fills_its_lines(tmp_path) -> None:
    """Where the source breaks a line is nothing to a terminal; an example keeps its own line."""
    told = [line.strip() for line in _run(tmp_path, "worker", "--help", COLUMNS="80").stdout.splitlines()]
    assert "BRIDGE_WORKER__*, BRIDGE_TELEMETRY__* (.env.example names them all). A changed" in told
    assert "aep-bridge worker --processes 4" in told


def test_a_closed_stdout_is_no_traceback(tmp_path) -> None:
    """A supervisor may start a command without a standard output."""
    command = shlex.join([sys.executable, "-m", "bridge", "mapping", "eval", "1"])
    done = subprocess.run(
        ["sh", "-c", f"{command} >&-"],
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_start_loads_the_commands_alone():
    """What reads the command line loads no room that a single command works with: each start would wait for it."""
    rooms = "{'.'.join(name.split('.')[:2]) for name in sys.modules if name.startswith('bridge.')}"
    show = f"import sys, bridge.cli.main; print(*sorted({rooms}))"
    run = subprocess.run([sys.executable, "-c", show], check=True, capture_output=True, text=True, cwd=ROOT)
    assert run.stdout.split() == ["bridge.cli", "bridge.demo", "bridge.model", "bridge.testing"]
