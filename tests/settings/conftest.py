"""Settings that nothing of the machine's gets into."""

from __future__ import annotations

import os

import pytest


@pytest.fixture
def clean(monkeypatch, tmp_path) -> None:
    """No variable of ours and no file."""
    for name in os.environ:
        if name.upper().startswith("BRIDGE_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
