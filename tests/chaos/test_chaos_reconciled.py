"""The question about the sum at the end of a run finds what it looks for."""

import pytest
from reconciled import RunSum, read_sum, wrong_in

_DAY = {"received": 7, "delivered": 4, "dead_letters": {"map": 1, "deliver": 2}, "open": 0, "expired": 0}
_GOOD = {"days": [_DAY, _DAY], "differences": []}


def test_a_sum_that_holds_has_nothing_wrong():
    """Days add up, and everything that was promised was received."""
    found = read_sum(_GOOD)
    assert found == RunSum([], 14, 8, 6, 0, 0)
    assert wrong_in(found, promised=14, complete=True) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"differences": [{"check": "kafka", "what": "one is missing"}]}, "kafka: one is missing"),
        ({"days": [{**_DAY, "open": 1, "received": 8}]}, "1 events are open"),
        ({"days": [{**_DAY, "delivered": 3}]}, "does not add up"),
        ({"days": [_DAY]}, "14 events were answered 200, and 7 were received"),
    ],
)
def test_whatever_is_left_over_is_wrong(changes, words):
    """By the command's own words, or by the run's."""
    (wrong,) = [one for one in wrong_in(read_sum(_GOOD | changes), promised=14, complete=True) if words in one]
    assert wrong


def test_of_a_topic_that_was_deleted_less_was_received():
    """What was promised cannot be asked for then."""
    assert wrong_in(read_sum({**_GOOD, "days": [_DAY]}), promised=14, complete=False) == []
