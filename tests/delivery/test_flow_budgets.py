"""Budgets of an account in the flow control: what a request weighs, what the wait costs, and that a pause is everybody's."""

from random import Random

import pytest

from bridge.delivery.flow_control import FlowControl
from bridge.model.delivery_policy import Budget
from bridge.model.verdicts import Throttled
from bridge.telemetry.metrics import Metrics

BUDGETS = (Budget("requests", 10), Budget("bytes", 100, weigh=len))


class _Pace:
    """An account that answers as it is told, in turn, and remembers what it was asked."""

    def __init__(self, *answers):
        self._answers = iter(answers)
        self.taken, self.ticks, self.until = [], [], 0.0

    def take(self, weights, now):
        self.taken.append((list(weights), now))
        return next(self._answers)

    def pause(self, until):
        self.until = until

    def paused_until(self):
        return self.until

    def tick(self, now):
        self.ticks.append(now)


def _flow(pace, metrics=None):
    return FlowControl(
        ceiling=4,
        requests_per_second=0.0,
        events_per_second=0.0,
        budgets=BUDGETS,
        pace=pace,
        share=lambda: 1.0,
        circuit_threshold=3,
        random=Random(1),
        metrics=metrics or Metrics(),
        wall=lambda: 1_000_000.0,
    )


def test_a_request_is_one_unit_or_what_its_elements_weigh():
    """Each budget in its own unit, in the order of the budgets."""
    pace = _Pace((0.0, ""))
    assert _flow(pace).enter([b"ab", b"c"], 100.0) == 0.0
    assert pace.taken == [([1, 3], 100.0)]


def test_without_budgets_every_request_leaves():
    """And nothing is held."""
    flow = _flow(None)
    assert flow.enter([b"ab"], 100.0) == 0.0
    assert not flow.paused(100.0)


def test_the_time_that_a_budget_costs_is_counted_for_the_one_that_began_it():
    """Until the request is tried again; what leaves at once costs nothing."""
    metrics = Metrics()
    flow = _flow(_Pace((2.0, "requests"), (0.5, "bytes"), (0.0, ""), (0.0, "")), metrics)
    assert [flow.enter([b"x"], now) for now in (100.0, 101.5)] == [2.0, 0.5]
    assert flow.paused(101.5)
    assert flow.enter([b"x"], 102.0) == 0.0
    assert not flow.paused(102.0)
    assert flow.enter([b"x"], 110.0) == 0.0
    counted = {
        sample.labels["limit"]: sample.value
        for metric in metrics.rate_limited_seconds.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    }
    assert {name: value for name, value in counted.items() if value} == {"requests": 1.5, "bytes": 0.5}
    assert set(counted) <= {"requests", "bytes", "events"}


def test_what_waited_for_a_budget_and_is_gone_pauses_nothing():
    """A second after its time nobody has asked again: it was another worker's to send."""
    pace = _Pace((2.0, "requests"))
    flow = _flow(pace)
    flow.enter([b"x"], 100.0)
    for now, paused in ((101.5, True), (102.5, True), (103.0, True), (103.1, False)):
        flow.tick(now)
        assert flow.paused(now) is paused, now
    flow.tick(104.0)
    assert pace.ticks == [101.5, 102.5, 103.0, 103.1, 104.0]


@pytest.mark.parametrize(("theirs", "seconds"), [(130.0, 50.0), (170.0, 70.0)])
def test_the_longer_pause_counts(theirs, seconds):
    """Ours, or that of another process of the account; and ours is told to the others."""
    pace = _Pace()
    flow = _flow(pace)
    flow.note(Throttled(429, 50.0), 100.0, seconds=0.1, under_way=1)
    ours, pace.until = pace.until, theirs
    assert ours == 150.0
    assert flow.wait(100.0, waiting=False) == seconds
    assert flow.paused(149.0)
    assert flow.paused(169.0) is (theirs == 170.0)
