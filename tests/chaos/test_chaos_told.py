"""The judge of what was told: it sees what shows, and names what does not."""

import pytest
import yaml
from alerting import RULES, Standing, names_of, standing_of
from faults import KINDS
from report import Done
from test_chaos import KINDS as IN_THE_RUN
from told import (
    ALERTS,
    EXPECTED,
    Alarmed,
    Told,
    Tolerated,
    above,
    logged,
    rises,
    silent,
    standing_for,
    unalarmed,
    unready,
    unseen,
)
from watching import Observation


def _look(at, process="worker-1", *, answers=True, reasons=(), lines=(), **metrics):
    why = dict.fromkeys(reasons, "why")
    return Observation(at, process, answers=answers, reasons=why, metrics=metrics, lines=frozenset(lines))


def test_every_kind_of_fault_says_what_must_be_seen_of_it():
    """No fault without a thought about who sees it, and no expectation of a fault that is gone."""
    assert IN_THE_RUN is KINDS
    # Clocks cannot jump on every machine.
    assert set(KINDS) | {"clock_jumps"} == set(EXPECTED) == set(ALERTS)


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        ([], False),
        ([_look(101, reasons=["destination"])], True),
        ([_look(101, bridge_circuit_open=1.0)], True),
        ([_look(101, reasons=["credentials"])], True),
        ([_look(101, reasons=["group"])], False),
        ([_look(90, reasons=["destination"])], False),
        ([_look(120, reasons=["destination"])], False),
    ],
)
def test_an_outage_must_show_while_it_lasts(seen, told):
    """Readiness or the circuit's metric names it between its beginning and its end."""
    fault = Done("aep_outage", "aep", 1.0, 9.0)
    seen = [*(_look(100.2 + second, bridge_in_flight_events=1.0) for second in range(8)), *seen]
    assert (unseen([fault], seen, 99.0) == []) is told


def test_what_ends_before_its_bound_need_not_show():
    """An outage of a second is nobody's concern."""
    assert unseen([Done("aep_outage", "aep", 1.0, 2.0)], [], 0.0) == []


def test_a_kind_that_nobody_thought_about_fails():
    """A fault that is not in the table is unseen by definition."""
    assert len(unseen([Done("meteorite", "aep", 1.0, 2.0)], [], 0.0)) == 1


def test_answers_that_nobody_asked_for_need_not_show():
    """A spell of 207 with failures that no request met leaves nothing to see; with one it must show, and where it is not known."""
    for struck, wrong in ((0, 0), (1, 1), (None, 1)):
        fault = Done("aep_items_transient_current", "aep", 1.0, 9.0, struck=struck)
        assert len(unseen([fault], [_look(105)], 99.0)) == wrong
    outage = Done("aep_outage", "aep", 1.0, 9.0, struck=0)
    assert len(unseen([outage], [_look(100 + each, bridge_in_flight_events=1.0) for each in range(9)], 99.0)) == 1


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
    assert rises("m")([_look(1, other=1.0), _look(2, other=1.0, m=1.0)]), "from nothing"
    assert rises("m")([_look(1, m=9.0), _look(2, m=1.0), _look(3, m=2.0)]), "after a restart"
    assert not rises("m")([_look(1, m=9.0), _look(1.5, lines=["x"]), _look(2, m=9.0)])
    assert logged("one", "two")([_look(1, lines=["two", "three"])])
    assert not logged("one")([_look(1, lines=["two", "three"])])


def test_a_counter_that_rose_before_the_first_look_at_a_fault_has_risen():
    """What it had reached before the fault counts: a look comes twice a second, and the first one may be too late."""
    fault = Done("event_backtracks", "process", 1.0, 9.0)
    risen = [
        _look(101 + each, bridge_consumed_records_total=9.0, bridge_mapping_warnings_total=1.0) for each in range(8)
    ]
    before = _look(99.5, bridge_consumed_records_total=5.0)
    assert unseen([fault], [before, *risen], 99.0) == []
    assert len(unseen([fault], [_look(99.5, bridge_mapping_warnings_total=1.0), *risen], 99.0)) == 1
    assert len(unseen([Done("aep_503", "aep", 1.0, 9.0)], [_look(99.5, reasons=["destination"])], 99.0)) == 0, (
        "nobody held"
    )


def test_expired_records_that_nobody_was_left_to_show_raise_no_alert():
    """A worker that is ended as soon as it has counted them has only logged them; one that stays shows them."""
    fault = Done("retention_overtakes", "broker", 1.0, 18.0)
    before = _look(99.5, bridge_consumed_records_total=1.0)
    shows = [_look(103 + each / 2, bridge_expired_records_total=95.0) for each in range(12)]
    assert unalarmed([fault], [before, shows[0], _look(103.5, answers=False)], [], 99.0) == []
    assert len(unalarmed([fault], [before, *shows, _look(109, answers=False)], [], 99.0)) == 1
    assert len(unalarmed([fault], [before, *shows], [], 99.0)) == 1


def test_refusals_that_nobody_was_left_to_show_raise_no_alert():
    """A worker that is killed as soon as it has counted a refusal takes the count with it; one that stays shows it."""
    fault = Done("aep_items_rejected_current", "aep", 1.0, 4.0, struck=5)
    name = "bridge_dead_letters_total{deliver}"
    stays = [_look(100 + each / 2, **{name: 3.0}) for each in range(12)]
    assert unalarmed([fault], [_look(99.5, other=1.0), *stays[:4], _look(102, answers=False)], [], 99.0) == []
    assert len(unalarmed([fault], [_look(99.5, bridge_consumed_records_total=1.0), *stays], [], 99.0)) == 1
    other = [_look(100 + each / 2, bridge_dead_letters_total=3.0) for each in range(12)]
    gone, before = _look(102.2, "worker-2", answers=False), _look(99.5, bridge_consumed_records_total=1.0)
    assert unalarmed([fault], [before, *other, gone], [], 99.0) == [], "of another stage"
    assert len(unalarmed([fault], [before, *stays, gone], [], 99.0)) == 1


def test_bounds_are_short():
    """What stands is told within seconds: the longest bound is that of throttling, a minute by definition."""
    bounds = {kind: each.within for kind, each in EXPECTED.items() if isinstance(each, Told)}
    assert max(bounds.values()) == bounds["aep_throttled_for_long"] == 65
    assert all(each.why for each in EXPECTED.values() if isinstance(each, Tolerated))


def test_every_alert_that_is_waited_for_is_shipped():
    """The table names rules of the shipped file, and bounds that faults of the long run outlast for each kind of trouble."""
    shipped = {rule["alert"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}
    waited = {each.alert for each in ALERTS.values() if isinstance(each, Alarmed)}
    assert waited <= shipped
    outlast = {
        each.alert
        for kind, each in ALERTS.items()
        if isinstance(each, Alarmed) and kind in KINDS and KINDS[kind].seconds[1] > each.within
    }
    assert outlast == waited


_ANSWER = {
    "status": "success",
    "data": {
        "alerts": [
            {"labels": {"alertname": "BridgeHeld", "route": "default"}, "state": "pending"},
            {"labels": {"alertname": "BridgeDeadLetters", "stage": "deliver"}, "state": "firing"},
        ]
    },
}


def test_what_prometheus_answers_is_read():
    """Name, state and labels of each alert, and how often each stood."""
    found = standing_of(5.0, _ANSWER)
    assert [(each.at, each.name, each.state) for each in found] == [
        (5.0, "BridgeHeld", "pending"),
        (5.0, "BridgeDeadLetters", "firing"),
    ]
    assert names_of(found * 2) == {"BridgeDeadLetters": 2, "BridgeHeld": 2}


@pytest.mark.parametrize(
    ("kind", "ended", "standing", "told"),
    [
        ("ims_secret_wrong_for_long", 20.0, ("BridgeHeld", 110.0, {}), True),
        ("ims_secret_wrong_for_long", 20.0, ("BridgeHeld", 90.0, {}), False),
        ("ims_secret_wrong_for_long", 20.0, ("BridgeHeld", 130.0, {}), False),
        ("ims_secret_wrong_for_long", 20.0, ("BridgeThrottled", 110.0, {}), False),
        ("ims_secret_wrong_for_long", 5.0, ("BridgeThrottled", 110.0, {}), True),
        ("aep_400_for_the_whole", 20.0, ("BridgeDeadLetters", 110.0, {"stage": "map"}), False),
        ("aep_400_for_the_whole", 20.0, ("BridgeDeadLetters", 110.0, {"stage": "deliver", "code": "400"}), True),
        ("aep_slow", 20.0, ("BridgeHeld", 90.0, {}), True),
        ("receiver_paused", 20.0, ("BridgeHeld", 110.0, {}), False),
        ("meteorite", 20.0, ("BridgeHeld", 110.0, {}), False),
    ],
)
def test_what_outlasts_its_bound_must_raise_its_alert(kind, ended, standing, told):
    """The alert of that name and those labels stands between beginning and end; shorter faults need none."""
    name, at, labels = standing
    fault = Done(kind, "aep", 1.0, ended)
    held = [_look(100 + second, bridge_delivery_held=1.0) for second in range(20)]
    assert (unalarmed([fault], held, [Standing(at, name, "pending", labels)], 100.0) == []) is told


def test_what_never_came_about_raises_no_alert():
    """Credentials that nobody needed, and refusals that no request met; a state that stood for seconds must raise its alert."""
    wrong = Done("ims_secret_wrong_for_long", "aep", 1.0, 20.0)
    for seconds, unalarmed_faults in ((0, 0), (3, 0), (10, 1)):
        looks = [_look(100 + second, bridge_delivery_held=float(second < seconds)) for second in range(20)]
        assert len(unalarmed([wrong], looks, [], 100.0)) == unalarmed_faults
    for struck, unalarmed_faults in ((0, 0), (5, 1), (None, 1)):
        refused = Done("aep_400_for_the_whole", "aep", 1.0, 5.0, struck=struck)
        assert len(unalarmed([refused], [], [], 100.0)) == unalarmed_faults


def test_how_long_a_state_stood():
    """Of any process that answers, or of each worker that does; lines are no looks."""
    looks = [
        _look(1, "worker-1", m=1.0),
        _look(1, "worker-2", m=0.0),
        _look(3, "receiver", m=1.0),
        _look(4, "worker-2", m=1.0),
        _look(5, "worker-2", lines=["x"]),
        _look(6, "worker-1", m=1.0),
        _look(7, "worker-2", answers=False),
        _look(9, "worker-1", m=1.0),
        _look(10, "worker-1", m=0.0),
    ]
    assert standing_for("m")(looks) == 8.0
    assert standing_for("m", every_worker=True)(looks) == 5.0
    assert standing_for("m")([]) == 0.0


def test_damage_counts_from_when_somebody_reads_on():
    """While AEP throttles nobody reads, and what nobody has read cannot be told."""
    damage = Done("damaged_batch", "broker", 1.0, 20.0)
    for reads_at, unseen_faults in ((30, 0), (12, 0), (2, 1)):
        looks = [_look(100 + each, bridge_consumed_records_total=float(each >= reads_at)) for each in range(20)]
        assert len(unseen([damage], looks, 100.0)) == unseen_faults


def test_an_outage_counts_while_one_process_has_events_to_deliver():
    """While no worker holds any event, nobody can know that AEP is away; one that was started anew begins to count anew."""
    away = Done("aep_away_for_long", "aep", 1.0, 30.0)
    idle = [_look(100 + second, bridge_in_flight_events=0.0) for second in range(30)]
    late = [_look(100 + second, bridge_in_flight_events=float(second > 25)) for second in range(30)]
    busy = [_look(100 + second, bridge_in_flight_events=float(second > 5)) for second in range(30)]
    anew = [_look(100 + second, answers=second % 5, bridge_in_flight_events=1.0) for second in range(30)]
    apart = [_look(100 + second, f"worker-{second // 5}", bridge_in_flight_events=1.0) for second in range(30)]
    assert [len(unseen([away], looks, 100.0)) for looks in (idle, late, busy, anew, apart)] == [0, 0, 1, 0, 0]
