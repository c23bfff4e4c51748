"""``aep-bridge backfill`` as a command, into a real broker."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest
from json_output import json_of

from bridge.testing.kafka.stored_records import stored

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "tests" / "data" / "samples" / "moengage-events.jsonl"


def run(*arguments: str, cwd: Path, stdin: bytes = b"", **settings: str) -> subprocess.CompletedProcess[bytes]:
    """The command with its settings in the environment."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BRIDGE_")}
    environment |= {"PYTHONPATH": str(ROOT), **{f"BRIDGE_{name}": value for name, value in settings.items()}}
    command = [sys.executable, "-m", "bridge", "backfill", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, input=stdin, capture_output=True, check=False, timeout=120)


@pytest.mark.kafka
def test_files_and_stdin_into_the_topic(kafka, tmp_path) -> None:
    """A gzip file and stdin are stored; refused lines are told, and kept with --dead-letters; the account is JSON."""
    topic = f"backfill-{os.urandom(4).hex()}"
    (tmp_path / "export.json.gz").write_bytes(gzip.compress(SAMPLES.read_bytes()))
    settings = {
        "KAFKA__BOOTSTRAP_SERVERS": kafka,
        "KAFKA__TOPIC": topic,
        "KAFKA__DEAD_LETTER_TOPIC": f"{topic}.dead",
        "KAFKA__CREATE_TOPICS": "true",
    }
    done = run("export.json.gz", "--json", cwd=tmp_path, **settings)
    assert done.returncode == 0, done.stderr
    account = json_of(done)
    assert (account["events"], account["stored"], account["refused"], account["complete"]) == (134, 134, 0, True)
    assert len(stored(kafka, topic)) == 134
    done = run("-", "--json", cwd=tmp_path, stdin=b"not json\n", **settings)
    assert done.returncode == 1
    assert b"line 1: not JSON" in done.stderr
    assert run("-", "--dead-letters", cwd=tmp_path, stdin=b"not json\n", **settings).returncode == 0
    (letter,) = stored(kafka, f"{topic}.dead")
    assert letter.value == b"not json\n"


def test_dry_run_needs_no_kafka(tmp_path) -> None:
    """With --dry-run nothing is asked of Kafka, and a table tells what is in the files."""
    done = run(str(SAMPLES), "--dry-run", cwd=tmp_path, KAFKA__BOOTSTRAP_SERVERS="127.0.0.1:1")
    assert done.returncode == 0, done.stderr
    assert b"134" in done.stdout


def test_wrong_calls(tmp_path) -> None:
    """No file is a usage error; a missing file and an absent broker are told, with exit 1."""
    assert run(cwd=tmp_path).returncode == 2
    done = run("nowhere.json", cwd=tmp_path)
    assert (done.returncode, b"nowhere.json cannot be read" in done.stderr) == (1, True)
    away = {"KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1", "KAFKA__REQUEST_TIMEOUT_SECONDS": "1"}
    done = run(str(SAMPLES), cwd=tmp_path, **away)
    assert (done.returncode, b"Kafka at 127.0.0.1:1" in done.stderr) == (1, True)
