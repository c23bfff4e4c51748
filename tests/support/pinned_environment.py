"""Environments for programs whose pins are not ours: made when missing or when the pins changed, by one process at a time."""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
import sys
from typing import TYPE_CHECKING

from authorities import as_given

if TYPE_CHECKING:
    from pathlib import Path

_STEP_SECONDS = 280.0


class EnvironmentUnavailable(Exception):  # noqa: N818 - it reads as what it is
    """The pins cannot be installed here; its text says why."""


def installed(environment: Path, pins: Path) -> Path:
    """The interpreter of a folder with ``pins`` (a requirements file) installed, and nothing that they depend on beside."""
    environment.parent.mkdir(parents=True, exist_ok=True)
    with environment.with_name(f"{environment.name}.lock").open("w") as lock:
        # Tests run in several processes, and each may be the first that needs it.
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _installed(environment, pins)


def _installed(environment: Path, pins: Path) -> Path:
    stamp, python = environment / "pins", environment / "bin" / "python"
    wanted = hashlib.sha256(pins.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return python
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r", str(pins)]
    for command in ([sys.executable, "-m", "venv", "--clear", str(environment)], [str(python), *install]):
        done = subprocess.run(
            command, env=as_given(), capture_output=True, text=True, timeout=_STEP_SECONDS, check=False
        )
        if done.returncode:
            raise EnvironmentUnavailable(f"{environment.name} cannot be installed: {done.stderr.strip()[-300:]}")
    stamp.write_text(wanted, encoding="utf-8")
    return python
