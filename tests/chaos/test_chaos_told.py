"""The judge of what was told: it sees what shows, and names what does not."""

import pytest
from faults import KINDS
from report import Done
from test_chaos import KINDS as IN_THE_RUN
from told import EXPECTED, Told, Tolerated, above, rises, silent, unready, unseen
from watching import Observation


def _look(at, process="worker-1", *, answers=True, reasons=(), **metrics):
    return Observation(at, process, answers=answers, reasons=dict.fromkeys(reasons, "why"), metrics=metrics)


def test_every_kind_of_fault_says_what_must_be_seen_of_it():
    """No fault without a thought about who sees it, and no expectation of a fault that is gone."""
    assert IN_THE_RUN is KINDS
    # Clocks cannot jump on every machine.
    assert set(KINDS) | {"clock_jumps"} == set(EXPECTED)


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        ([], False),
        ([_look(101)], False),
        ([_look(101, reasons=["destination"])], True),
        ([_look(101, bridge_circuit_open=1.0)], True),
        ([_look(90, reasons=["destination"])], False),
        ([_look(120, reasons=["destination"])], False),
    ],
)
def test_an_outage_must_show_while_it_lasts(seen, told):
    """Readiness or the circuit's metric names it between its beginning and its end."""
    fault = Done("aep_outage", "aep", 1.0, 9.0)
    assert (unseen([fault], seen, 99.0) == []) is told


def test_what_ends_before_its_bound_need_not_show():
    """An outage of a second is nobody's concern."""
    assert unseen([Done("aep_outage", "aep", 1.0, 2.0)], [], 0.0) == []


def test_a_kind_that_nobody_thought_about_fails():
    """A fault that is not in the table is unseen by definition."""
    assert len(unseen([Done("meteorite", "aep", 1.0, 2.0)], [], 0.0)) == 1


def test_answers_that_nobody_asked_for_need_not_show():
    """A spell of 207 with failures while no worker sends anything leaves nothing to see; with requests it must show."""
    fault = Done("aep_items_transient_current", "aep", 1.0, 9.0)
    idle = [_look(at, bridge_delivery_requests_total=5.0) for at in (101, 105)]
    busy = [_look(at, bridge_delivery_requests_total=float(at)) for at in (101, 105)]
    assert unseen([fault], idle, 99.0) == []
    assert len(unseen([fault], busy, 99.0)) == 1


def test_a_deletion_that_cost_nothing_need_not_show():
    """Records that workers had read already are delivered; any other deletion must be told."""
    fault = Done("retention_overtakes", "broker", 1.0, 20.0)
    assert len(unseen([fault], [_look(105)], 99.0)) == 1
    assert unseen([fault], [_look(105)], 99.0, harmless=[1.0]) == []


def test_signs():
    """Each sign shows in what it is about, and not elsewhere."""
    quiet = [_look(1), _look(2, "receiver")]
    assert not any(sign(quiet) for sign in (unready(), silent, above("m"), rises("m")))
    assert unready()([_look(1, reasons=["any"])])
    assert not unready("other")([_look(1, reasons=["any"])])
    assert silent([_look(1, answers=False)])
    assert above("m", 3)([_look(1, m=4.0)])
    assert not above("m", 3)([_look(1, m=3.0)])
    assert rises("m")([_look(1, m=3.0), _look(2, m=4.0)])
    assert not rises("m")([_look(1, m=3.0), _look(2, "worker-2", m=4.0)])


def test_bounds_are_short():
    """What stands is told within seconds: the longest bound is that of throttling, a minute by definition."""
    bounds = {kind: each.within for kind, each in EXPECTED.items() if isinstance(each, Told)}
    assert max(bounds.values()) == bounds["aep_throttled_for_long"] == 65
    assert all(each.why for each in EXPECTED.values() if isinstance(each, Tolerated))
