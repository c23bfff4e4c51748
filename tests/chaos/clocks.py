"""A wall clock that can jump, for one child of a test alone; monotonic clocks and files' times stay as they are.

libfaketime (https://github.com/wolfcw/libfaketime) stands between the child and the C library, and reads how far the clock
is off from a file at every question. Where it cannot be loaded (another system, another processor) no clock jumps.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

_SHARED = ("/dev/shm/sem.faketime_sem_{}", "/dev/shm/faketime_shm_{}")  # noqa: S108 - its own names
_YEAR = 365 * 86_400


class Clock:
    """The clock of processes that run with :meth:`environment`, one at a time; ``file`` holds by how much it is off."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._pids: set[int] = set()
        file.parent.mkdir(parents=True, exist_ok=True)
        self.jump(0)

    def jump(self, seconds: int) -> None:
        """It is ``seconds`` off from now on: ahead, behind (negative) or right (0)."""
        # At once, as it is read in the middle of whatever the child does.
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{seconds:+d}\n", encoding="utf-8")
        fresh.replace(self._file)

    def environment(self) -> dict[str, str]:
        """What a child needs; nothing where clocks cannot jump."""
        return _environment(self._file) if can_jump() else {}

    def used_by(self, pid: int) -> None:
        """A child runs with it."""
        self._pids.add(pid)

    def close(self) -> None:
        """Remove the shared memory that killed children could not remove themselves."""
        for pid in self._pids:
            for name in _SHARED:
                Path(name.format(pid)).unlink(missing_ok=True)


@cache
def can_jump() -> bool:
    """Whether a child's clock really does."""
    if _library() is None:
        return False
    with tempfile.TemporaryDirectory() as directory:
        ahead = Clock(Path(directory) / "clock")
        ahead.jump(_YEAR)
        told, right = (
            subprocess.run(
                [sys.executable, "-S", "-c", "import time; print(time.time())"],
                env=os.environ | more,
                capture_output=True,
                text=True,
                timeout=30,
                check=False,
            ).stdout
            for more in (_environment(ahead._file), {})
        )
    return bool(told) and abs(float(told) - float(right) - _YEAR) < 60


def _library() -> Path | None:
    found = importlib.util.find_spec("libfaketime")
    for folder in (found.submodule_search_locations or ()) if found is not None else ():
        library = Path(folder) / "vendor" / "libfaketime" / "src" / "libfaketime.so.1"
        if library.is_file():
            return library
    return None


def _environment(file: Path) -> dict[str, str]:
    return {
        "LD_PRELOAD": str(_library()),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_NO_CACHE": "1",
        "DONT_FAKE_MONOTONIC": "1",
        # Otherwise it moves the deadline of each wait for the interpreter's lock into the past: threads spin for it, at
        # an eighth of their speed.
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",
        "NO_FAKE_STAT": "1",
    }
