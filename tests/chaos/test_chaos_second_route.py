"""The second route's judge: it names the faults of the other route's AEP while which nothing arrived."""

import random

from report import Done
from second_route import SecondRoute, stopping

_FAULTS = [
    Done("aep_outage", "aep", 1.0, 4.0),
    Done("aep_503", "aep", 10.0, 14.0),
    Done("aep_slow", "aep", 20.0, 24.0),
    Done("aep_500", "aep", 30.0, 31.0),
]


def test_only_faults_that_stop_the_first_route_for_long_enough_tell():
    """What lets events through, or is over at once, says nothing about the other route."""
    assert [each.kind for each in stopping(_FAULTS)] == ["aep_outage", "aep_503"]


def test_a_route_that_shares_the_fate_of_the_other_is_named():
    """Events of its own that arrive during a fault clear it; those before and after do not."""
    route = SecondRoute(random.Random(1))
    route.arrivals = [100.5, 111.0, 114.5]
    assert route.held_up(_FAULTS, 100.0) == ["aep_outage at 1 s"]
    route.arrivals = [100.5, 114.5]
    assert route.held_up(_FAULTS, 100.0) == ["aep_outage at 1 s", "aep_503 at 10 s"]
