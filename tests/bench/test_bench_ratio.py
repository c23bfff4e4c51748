"""A quick benchmark that fails when the worker has become slower beside the floor; the recorded ratio is the measure."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.inprocess import compare
from bench.records import check_handwritten

RESULTS = Path(__file__).resolve().parents[2] / "bench" / "results"
TOLERANCE = 2 / 3
"""A third below the recorded ratio is allowed: machines and Pythons differ in what they are good at."""


def recorded() -> dict[str, float]:
    """The in-process ratios of the newest results that have them."""
    for path in sorted(RESULTS.glob("*.json"), reverse=True):
        found = json.loads(path.read_text(encoding="utf-8")).get("inprocess")
        if found:
            return found
    raise AssertionError("bench/results holds no in-process ratios")


def test_hand_written_mapping_of_the_peers_does_what_the_shipped_one_does():
    """Else the ladder would compare two different jobs."""
    assert check_handwritten() > 100


@pytest.mark.parametrize("ratio", ["of_floor", "schema_of_floor"])
def test_no_third_is_lost_beside_the_floor(ratio):
    """Paired rounds of CPU time, the median of their ratios; a worse figure is measured twice more before it counts."""
    wanted = recorded()[ratio] * TOLERANCE
    best = 0.0
    for _ in range(3):
        best = max(best, compare(rounds=7, count=2_000)[ratio])
        if best >= wanted:
            break
    assert best >= wanted, f"{ratio} is {best}, recorded was {recorded()[ratio]}"
