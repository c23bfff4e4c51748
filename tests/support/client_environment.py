"""Environments for other people's clients, whose pins are not ours: below ``.make``, made when missing or when the pins changed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from checkout import ROOT
from pinned_environment import EnvironmentUnavailable, installed

if TYPE_CHECKING:
    from pathlib import Path


def interpreter_with(name: str, pins: Path) -> Path:
    """The interpreter of the environment ``name`` with ``pins`` installed, and nothing that they depend on beside.

    Where it cannot be installed the test is skipped with the reason; in CI it fails.
    """
    try:
        return installed(ROOT / ".make" / name, pins)
    except EnvironmentUnavailable as reason:
        if os.environ.get("CI"):
            pytest.fail(str(reason))
        pytest.skip(str(reason))
