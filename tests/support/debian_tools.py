"""Programs from Debian's packages that tests run for real: unpacked below .make, never installed, no service started."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import pytest

_STORE = Path(__file__).resolve().parents[2] / ".make" / "debian"
_SECONDS = 300


class ToolUnavailableError(Exception):
    """The program is not on this machine and could not be fetched; says why."""


def tool(program: str, *, package: str) -> Path:
    """Path of the program; skips the test with the reason where it cannot be had."""
    try:
        return find_tool(program, package)
    except ToolUnavailableError as reason:
        pytest.skip(f"not run with the real {program}: {reason}")


def find_tool(program: str, package: str) -> Path:
    """Path of the program, fetched where it is not there; raises :class:`ToolUnavailableError`."""
    if installed := shutil.which(program):
        return Path(installed)
    folder = unpacked(package)
    for found in (*folder.glob(f"usr/*bin/{program}"), *folder.glob(f"usr/lib/**/{program}")):
        return found
    raise ToolUnavailableError(f"Debian's package {package} has no program {program}")


def unpacked(package: str) -> Path:
    """The package's files, fetched where they are not there; raises :class:`ToolUnavailableError`."""
    folder = _STORE / package
    if not folder.exists():
        _STORE.mkdir(parents=True, exist_ok=True)
        # Processes of tests that want it at the same time fetch it once.
        with (_STORE / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.exists():
                _unpack(package, folder)
    return folder


def _unpack(package: str, folder: Path) -> None:
    """Download the package and unpack it; the folder appears only when it is complete."""
    for command in ("apt-get", "dpkg-deb"):
        if shutil.which(command) is None:
            raise ToolUnavailableError(f"{command} is not on this machine, and {package} is not installed")
    fetched = folder.with_name(f"{package}.{os.getpid()}")
    shutil.rmtree(fetched, ignore_errors=True)
    (fetched / "root").mkdir(parents=True)
    if not _run(["apt-get", "download", package], fetched):
        if os.geteuid() == 0:
            _run(["apt-get", "update"], fetched)  # a new machine has no list of packages yet
        if not _run(["apt-get", "download", package], fetched):
            shutil.rmtree(fetched, ignore_errors=True)
            raise ToolUnavailableError(f"apt-get cannot download {package}")
    (archive,) = fetched.glob("*.deb")
    if not _run(["dpkg-deb", "-x", str(archive), str(fetched / "root")], fetched):
        raise ToolUnavailableError(f"{archive.name} cannot be unpacked")
    (fetched / "root").rename(folder)
    shutil.rmtree(fetched, ignore_errors=True)


def _run(command: list[str], directory: Path) -> bool:
    done = subprocess.run(command, cwd=directory, capture_output=True, timeout=_SECONDS, check=False)
    return done.returncode == 0
