"""Environments for other people's clients, whose pins are not ours: below ``.make``, made when missing or when the pins changed."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from checkout import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def interpreter_with(name: str, pins: Path) -> Path:
    """The interpreter of the environment ``name`` with ``pins`` installed, and nothing that they depend on beside.

    Where it cannot be installed the test is skipped with the reason; in CI it fails.
    """
    environment = ROOT / ".make" / name
    stamp, found = environment / "pins", environment / "bin" / "python"
    wanted = hashlib.sha256(pins.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r", str(pins)]
        for command in ([sys.executable, "-m", "venv", "--clear", str(environment)], [str(found), *install]):
            done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
            if done.returncode:
                reason = f"{name} cannot be installed: {done.stderr.strip()[-300:]}"
                if os.environ.get("CI"):
                    pytest.fail(reason)
                pytest.skip(reason)
        stamp.write_text(wanted, encoding="utf-8")
    return found
