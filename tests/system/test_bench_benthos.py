"""The ladder's peer in Go: its mapping does the same job, and where it cannot be had its rung says so.

Building it takes minutes, so the test uses what ``python -m bench`` has built; the benchmark itself makes the same check before it measures.
"""

from __future__ import annotations

import pytest

from bench import benthos
from bench.rungs import rungs


@pytest.mark.skipif(
    not benthos.BINARY.exists(), reason="only what python -m bench --only ladder --rungs connect has built"
)
def test_bloblang_mapping_does_what_the_shipped_one_does():
    """Else the ladder would compare two different jobs."""
    assert benthos.check_bloblang() > 100


def test_rung_says_what_is_missing(monkeypatch):
    """A machine without Go runs the rest of the ladder."""
    monkeypatch.setattr(benthos.shutil, "which", lambda _: None)
    ready = next(one for one in rungs() if one.name == "connect").ready(print)
    assert (ready.command, ready.skipped) == (None, "Go is not installed")
