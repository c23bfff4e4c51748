"""aep-bridge dev: the guide's last command runs one's own files, watches them, and ends cleanly."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bridge.cli.main import app

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "mapping.md").read_text(encoding="utf-8")
LINE = re.search(r"^aep-bridge (dev --mapping airline\.csv .*)$", GUIDE, re.MULTILINE)


class Running:
    """``aep-bridge dev`` with its output in files."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._out, self._err = folder / "out", folder / "err"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("BRIDGE_")}
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "bridge", *arguments],
                cwd=folder,
                env={**inherited, "PYTHONPATH": str(ROOT)},
                stdout=out,
                stderr=err,
            )

    @property
    def events(self) -> list[dict]:
        """What AEP took so far."""
        # What is written at this moment may end in the middle of a line, and of a character.
        whole, _, _ = self._out.read_bytes().rpartition(b"\n")
        return [json.loads(line) for line in whole.splitlines()]

    @property
    def words(self) -> str:
        """What was said so far."""
        return self._err.read_text(encoding="utf-8", errors="replace")

    def until(self, holds, what: str, seconds: float = 60.0) -> None:
        """Wait until it holds."""
        deadline = time.monotonic() + seconds
        while not holds():
            assert self.process.poll() is None, self.words
            assert time.monotonic() < deadline, f"{what} did not come to pass:\n{self.words}"
            time.sleep(0.1)


@pytest.mark.slow
def test_the_guides_last_command(tmp_path, monkeypatch):
    """All ten events reach AEP; a changed set is taken and they come again by it; a broken one is told; Ctrl-C ends all."""
    assert LINE is not None
    monkeypatch.chdir(tmp_path)
    words = shlex.split(LINE[1])
    told = words[words.index("--schema") : words.index("--primary-identity")]
    made = CliRunner().invoke(
        app, ["mapping", "init", *told, "--primary-identity", "acmeLoyaltyId", "-o", "airline.csv"]
    )
    assert made.exit_code == 0, made.output
    mapping = tmp_path / "airline.csv"
    running = Running(tmp_path, *words)
    try:
        running.until(lambda: len(running.events) == 10, "ten events at AEP")
        assert "curl -u moengage:demo" in running.words
        assert "lint: none of 10 events would be refused" in running.words
        assert {event["_acmeair"]["loyalty"]["tier"] for event in running.events} == {"GOLD", "SILVER", "BLUE"}
        changed = mapping.read_text(encoding="utf-8") + "ATTRIBUTE,event_name,{tenant}.sourceEvent.name\n"
        mapping.write_text(changed, encoding="utf-8")
        running.until(lambda: len(running.events) == 20, "ten more by the changed set")
        assert running.events[-1]["_acmeair"]["sourceEvent"]["name"]
        mapping.write_text(changed + "EXPRESSION,uper(event_name),{tenant}.sourceEvent.code\n", encoding="utf-8")
        running.until(lambda: "the worker refuses the change" in running.words, "the worker's refusal")
        assert "no function uper" in running.words
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(60) == 0, running.words
        assert running.words.endswith("stopped\n")
    finally:
        if running.process.poll() is None:
            running.process.kill()
            running.process.wait()


def test_what_does_not_compile_is_told_before_anything_starts(tmp_path):
    """An error with row and fix, exit 1, and no broker, receiver or worker."""
    (tmp_path / "m.csv").write_text("source,destination\nuper(a),b\n", encoding="utf-8")
    running = Running(tmp_path, "dev", "--mapping", "m.csv")
    assert running.process.wait(60) == 1
    assert "no function uper" in running.words
    assert "broker" not in running.words
