"""Budgets of an account in the flow control: what a request weighs, what the wait costs, and that a pause is everybody's."""

from random import Random

import pytest
from structlog.testing import capture_logs

from bridge.delivery.flow_control import FlowControl
from bridge.model.delivery_policy import Budget
from bridge.model.verdicts import AllAccepted, Throttled
from bridge.telemetry.metrics import Metrics

BUDGETS = (Budget("requests", 10), Budget("bytes", 100, weigh=len))


class _Pace:
    """An account that answers as it is told, in turn, and remembers what it was asked."""

    def __init__(self, *answers):
        self._answers = iter(answers)
        self.taken, self.ticks, self.until = [], [], 0.0

    def reserve(self, weights, now):
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


def test_who_waits_long_for_anothers_pause_says_so():
    """Ready, with events that nobody takes, would be silence: since when, why, and when it goes on; told once, and once that it is over."""
    pace, metrics = _Pace(), Metrics()
    flow = _flow(pace, metrics)
    pace.until = 700.0
    with capture_logs() as logs:
        for now in range(100, 160):
            assert flow.wait(float(now), waiting=now >= 110) > 0
            flow.tick(float(now))
            assert flow.throttled(float(now)) == ""
        for now in (170.0, 171.0):
            flow.wait(now, waiting=True)
            flow.tick(now)
        assert flow.throttled(170.0) == (
            "throttled since 1970-01-12 13:45:40 UTC (the destination has asked another process of the same account to wait),"
            " next try in 530 s"
        )
        assert metrics.throttled._value.get() == 1
        flow.note(AllAccepted(), 175.0, seconds=0.1, under_way=1)
        assert (flow.throttled(175.0), metrics.throttled._value.get()) == ("", 0)
        flow.wait(176.0, waiting=True)
        flow.tick(236.0)
        assert flow.throttled(235.9) == ""
        assert flow.throttled(236.0) != ""
        flow.tick(700.0)
        assert (flow.throttled(700.0), metrics.throttled._value.get()) == ("", 0)
    lines = [line["event"] for line in logs]
    assert lines == ["destination_throttles", "destination_throttles_no_more", "destination_throttles"]


def test_a_pause_that_is_ones_own_or_that_nothing_waits_for_is_nobody_elses():
    """The words name who was asked: a pause of this process is kept after a success, and an idle one waits for nothing."""
    pace = _Pace()
    flow = _flow(pace)
    flow.note(Throttled(429, 500.0), 100.0, seconds=0.1, under_way=1)
    flow.note(AllAccepted(), 101.0, seconds=0.1, under_way=1)
    for now in (102.0, 170.0):
        assert flow.wait(now, waiting=True) > 0
        flow.tick(now)
    assert flow.throttled(170.0) == ""
    idle = _flow(pace)
    for now in (102.0, 170.0):
        idle.wait(now, waiting=False)
        idle.tick(now)
    assert idle.throttled(170.0) == ""


def test_a_pause_of_others_counts_from_the_first_moment_that_something_waits():
    """However short it was at first: it may be drawn out again and again, and is told after a minute all the same."""
    pace = _Pace()
    flow = _flow(pace)
    pace.until = 100.5
    assert flow.wait(100.0, waiting=True) == 0.5
    pace.until = 300.0
    assert flow.wait(100.4, waiting=True) == pytest.approx(199.6)
    assert (bool(flow.throttled(159.9)), bool(flow.throttled(160.0))) == (False, True)
