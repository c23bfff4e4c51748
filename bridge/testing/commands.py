"""The bridge's commands with the settings that a test gives them, and their ends shown when it fails."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

from bridge.testing.processes import BridgeProcess, end, start_writing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_TAIL_LINES = 60


def run_command(
    *arguments: str, env: Mapping[str, str], cwd: Path | None = None, timeout: float = 120.0
) -> subprocess.CompletedProcess[str]:
    """Run ``aep-bridge ARGUMENTS`` to its end, without input; ``subprocess.TimeoutExpired`` once it is killed for being too slow."""
    command = [sys.executable, "-m", "bridge", *arguments]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as words:
        child = start_writing(command, out, words, env=env, cwd=cwd)
        try:
            child.wait(timeout)
        finally:
            code = end(child)
        said = []
        for file in (out, words):
            file.seek(0)
            said.append(file.read().decode())
    return subprocess.CompletedProcess(command, code, *said)


class Commands:
    """Starts ``aep-bridge …`` in ``directory``, with ``settings`` (names of variables) unless a call says otherwise."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._processes: list[BridgeProcess] = []

    @property
    def settings(self) -> dict[str, str]:
        """What every command is told."""
        return {}

    def owns(self, process: BridgeProcess) -> None:
        """It ends with the others."""
        self._processes.append(process)

    def run(self, *arguments: str, name: str | None = None, **settings: str) -> BridgeProcess:
        """Start ``aep-bridge ARGUMENTS``."""
        made = BridgeProcess(arguments, self.settings | settings, directory=self.directory, name=name)
        self.owns(made)
        return made.start()

    def worker(self, name: str = "worker", *, within: float = 60.0, **settings: str) -> BridgeProcess:
        """Start a worker and wait until it is in the group."""
        return self.run("worker", name=name, **settings).wait_ready(within)

    def receiver(self, **settings: str) -> BridgeProcess:
        """Start the receiver and wait until it is ready."""
        return self.run("receiver", **settings).wait_ready()

    def end(self) -> None:
        """Kill what still runs, the newest first, and print the end of each log: pytest shows it with a failure."""
        for process in reversed(self._processes):
            process.stop(grace=0)
            print(f"---- {process.name}\n{process.tail(_TAIL_LINES)}")  # noqa: T201
