"""The line through samples is the line that was drawn, and a leak is told from noise."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slopes import calm, climbs, fit

_NUMBERS = st.floats(-1e6, 1e6)


@given(slope=_NUMBERS, level=_NUMBERS, times=st.lists(st.integers(0, 4_000), min_size=3, max_size=50, unique=True))
def test_a_straight_line_is_found_again(slope, level, times):
    """Whatever the slope: it is found, without an error worth mentioning, and the drift is what the line climbs."""
    line = fit([(at, level + slope * at / 3_600) for at in times])
    tolerance = 1e-6 * (1 + abs(slope) + abs(level))
    assert line.per_hour == pytest.approx(slope, abs=tolerance)
    assert line.error <= tolerance
    assert line.drift == pytest.approx(slope * (max(times) - min(times)) / 3_600, abs=tolerance)


def test_least_squares_by_hand():
    """Four points whose line and error were computed by hand: slope 0.5 a second, the squares that are left 1.5."""
    line = fit([(0, 1), (1, 3), (2, 2), (3, 3)])
    assert line.per_hour == pytest.approx(0.5 * 3_600)
    assert line.error == pytest.approx((1.5 / 2 / 5) ** 0.5 * 3_600)
    assert (line.first, line.last, line.least, line.most, line.mean, line.samples) == (1, 3, 1, 3, 2.25, 4)


@pytest.mark.parametrize("samples", [[], [(0, 1), (1, 2)], [(5, 1), (5, 2), (5, 3)]])
def test_no_line_without_samples(samples):
    """Too few samples, or all of one moment, have no line."""
    with pytest.raises(ValueError, match="no line"):
        fit(samples)


@pytest.mark.parametrize(("leak", "found"), [(0, False), (4, False), (24, True), (-24, False)])
def test_a_leak_is_told_from_noise(leak, found):
    """Noise of 3 about a level is no leak, a leak of 24 an hour in 45 minutes is one; what falls does not climb."""
    rng = random.Random(1)
    line = fit([(at, 100 + rng.gauss(0, 3) + leak * at / 3_600) for at in range(0, 2_700, 5)])
    assert climbs(line, 8) is found


def test_a_single_descriptor_that_stays_open_at_each_fault_is_found():
    """One a minute over half an hour of samples."""
    assert climbs(fit([(at, 20 + at // 60) for at in range(0, 1_800, 5)]), 4)


def test_calm_is_what_lies_between_faults():
    """Samples in a fault or within the settling time of its end are left out, and so is the warm-up."""
    samples = [(float(at), 0.0) for at in range(0, 100, 10)]
    assert [at for at, _ in calm(samples, [(32, 41), (71, 72)], after=20, settle=10)] == [20, 30, 60, 70, 90]
