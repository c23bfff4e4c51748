"""How many requests may be under way, by the answers: more while they stay quick, fewer when they are slow or refused."""

from __future__ import annotations

import pytest

from bridge.delivery.concurrency import AdaptiveLimit


def _round(limit, seconds, *, used=True):
    """A whole round of answers of so many seconds; the limit after it."""
    for _ in range(limit.limit):
        limit.answered(seconds, limit.limit if used else limit.limit - 1)
    return limit.limit


def test_it_grows_by_one_a_round_up_to_the_ceiling():
    """From two on; a round takes as many answers as the limit allows at once."""
    limit = AdaptiveLimit(5)
    assert limit.limit == 2
    limit.answered(0.1, 2)
    assert limit.limit == 2
    limit.answered(0.1, 1)
    assert limit.limit == 3, "it was reached once in the round"
    assert [_round(limit, 0.1) for _ in range(4)] == [4, 5, 5, 5]
    assert AdaptiveLimit(1).limit == 1


def test_a_limit_that_is_not_used_does_not_grow():
    """Nothing is known of more; each round counts for itself."""
    limit = AdaptiveLimit(10)
    assert [_round(limit, 0.1, used=used) for used in (False, True, False, False)] == [2, 3, 3, 3]


def test_one_request_may_always_be_under_way():
    """However slow the answers become: without any there would be none to tell that it is quick again."""
    limit = AdaptiveLimit(1)
    assert [_round(limit, seconds) for seconds in (0.1, 1.0, 10.0, 100.0)] == [1, 1, 1, 1]


def test_answers_that_are_distinctly_slower_lower_it_by_a_tenth():
    """Jitter of a few hundredths is none; a new speed is got used to, and then it grows again."""
    limit = AdaptiveLimit(100)
    for _ in range(18):
        _round(limit, 0.1)
    assert limit.limit == 20
    assert _round(limit, 0.149) == 21
    limit = AdaptiveLimit(100)
    for _ in range(18):
        _round(limit, 0.1)
    assert _round(limit, 0.3) == 18
    assert [_round(limit, 0.3) for _ in range(3)] == [19, 20, 21]


def test_the_third_round_may_be_slow_already():
    """Two that were alike are enough to know the destination's speed."""
    limit = AdaptiveLimit(100)
    assert [_round(limit, seconds) for seconds in (0.1, 0.1, 0.3)] == [3, 4, 3]
    limit = AdaptiveLimit(100)
    assert [_round(limit, seconds) for seconds in (0.25, 0.25, 0.3)] == [3, 4, 5], "a twentieth of a second is none"


def test_a_speed_that_varies_is_no_slowness():
    """Answers between two and four tenths of a second, in turn, are that destination's ordinary course."""
    limit = AdaptiveLimit(30)
    for _ in range(40):
        _round(limit, 0.2)
        _round(limit, 0.4)
    assert limit.limit == 30


def test_a_restless_time_is_forgotten():
    """Once the destination is steady again, twice its time is slow again."""
    limit = AdaptiveLimit(30)
    for _ in range(20):
        _round(limit, 0.2)
        _round(limit, 0.4)
    for _ in range(20):
        _round(limit, 0.3)
    assert limit.limit == 30
    assert _round(limit, 0.6) == 27


def test_one_overload_counts_once():
    """It refuses many requests at the same moment; the next one counts after as many as were allowed, or a second."""
    limit = AdaptiveLimit(100)
    for _ in range(18):
        _round(limit, 0.1)
    for _ in range(20):
        limit.refused(5.0)
    assert limit.limit == 18
    limit.refused(5.1)
    assert limit.limit == 16
    limit.refused(6.0)
    assert limit.limit == 16
    limit.refused(6.1)
    assert limit.limit == 14


def test_it_never_falls_below_one():
    """However long everything is refused or slow; and it comes back."""
    limit = AdaptiveLimit(10)
    for second in range(100):
        limit.refused(float(second))
    assert limit.limit == 1
    assert [_round(limit, 0.1) for _ in range(3)] == [2, 3, 4]


def test_a_round_with_a_refusal_is_no_evidence_for_more():
    """Its quick answers do not raise the limit; the next round may."""
    limit = AdaptiveLimit(100)
    for _ in range(18):
        _round(limit, 0.1)
    limit.refused(5.0)
    assert _round(limit, 0.1) == 18
    assert _round(limit, 0.1) == 19


@pytest.mark.parametrize(("first", "lowered"), [(0.0, 1), (0.5, 1)])
def test_the_first_refusal_counts_whenever_it_comes(first, lowered):
    """Also in the first second of the clock."""
    limit = AdaptiveLimit(10)
    limit.refused(first)
    assert limit.limit == lowered
