"""The daily task: when it is due, and what it tells of the day before."""

from collections import Counter
from datetime import time

import pytest
import structlog

from bridge.model.errors import KafkaError
from bridge.routes.reconciliation import reconcile_task
from bridge.routes.reconciliation.day_sum import DaySum, EventSum, Reconciled, SumDifference
from bridge.routes.reconciliation.reconcile_task import ReconcileTask
from bridge.routes.reconciliation.results import key_of, saved_day
from bridge.settings import ReconcileSettings, Route, Settings
from bridge.sources.moengage.decoder import DECODER
from bridge.telemetry.metrics import Metrics

DAY = 20_000
AT = DAY * 86_400
FOUR = 4 * 3_600


class _State:
    def __init__(self, *, fails=False):
        self.values, self.fails = {}, fails

    async def write(self, values):
        """Some values."""
        if self.fails:
            raise KafkaError("gone")
        self.values.update(values)


class _Lead:
    def __init__(self, state):
        self.state, self.checked = state, 0

    def check(self):
        """It lasts."""
        self.checked += 1


def _task(metrics=None, at=time(4, 0), now=AT + FOUR):
    settings = Settings(reconcile=ReconcileSettings(at=at))
    route = Route(name="default", source="moengage", destination="aep", settings=settings, declared=False)
    return ReconcileTask(route, DECODER, metrics or Metrics(), wall=lambda: now)


@pytest.mark.parametrize(
    ("succeeded", "now", "due"),
    [
        (None, AT + 5, AT + 5),
        (AT + FOUR + 60, AT + FOUR + 120, AT + 86_400 + FOUR),
        (AT - 86_400 + FOUR, AT + FOUR - 1, AT + FOUR),
        (AT - 86_400 + FOUR, AT + FOUR, AT + FOUR),
        (AT - 86_400 + FOUR - 1, AT + FOUR - 1, AT + FOUR - 1),
        (AT - 5 * 86_400, AT + 7, AT + 7),
    ],
)
def test_it_is_due_at_the_time_of_day_and_makes_up_for_what_was_missed(succeeded, now, due):
    """Once a day; at once where the last time has passed while nobody worked."""
    assert _task().due(succeeded, now) == due


def test_without_a_time_it_is_off_and_names_the_setting():
    """The leader tells it in one line."""
    assert "BRIDGE_RECONCILE__AT" in _task(at=None).off
    assert not _task().off


@pytest.mark.parametrize("text", ["4", "24:00", "04:00:00", "04:00+01:00", "noon", "4 am"])
def test_what_is_no_time_of_day_is_refused(text):
    """With the form that is expected."""
    with pytest.raises(ValueError, match=r"HH:MM|time"):
        ReconcileSettings(at=text)


def test_a_time_of_day_is_read():
    """As it stands in the environment."""
    assert ReconcileSettings(at="04:30").at == time(4, 30)


def _reconciled(monkeypatch, *differences, distinct=True):
    asked = []

    async def reconcile_days(_route, _decoder, days, _saved, _metrics, **more):
        asked.append((days, more))
        day = DaySum(days.start, EventSum(5, 5, 4, dead=Counter({"map": 1})), distinct=distinct)
        return Reconciled([day], list(differences), [])

    monkeypatch.setattr(reconcile_task, "reconcile_days", reconcile_days)
    return asked


def _differences(metrics):
    return {
        sample.labels["check"]: sample.value
        for family in metrics.reconcile_difference.collect()
        for sample in family.samples
    }


async def test_the_day_before_is_added_up_told_and_kept(monkeypatch):
    """Metrics say that it holds; the state topic has the day for later."""
    asked, metrics, state = _reconciled(monkeypatch), Metrics(), _State()
    lead = _Lead(state)
    with structlog.testing.capture_logs() as logs:
        await _task(metrics).run(lead)
    assert asked == [(range(DAY - 1, DAY), {"patiently": True})]
    assert set(_differences(metrics).values()) == {0}
    assert metrics.reconcile_last_run._value.get() == AT + FOUR
    assert lead.checked
    (value,) = state.values.values()
    assert set(state.values) == {key_of("moengage-aep-bridge", "moengage.events", DAY - 1)}
    assert saved_day(value, DAY - 1).total.delivered == 4
    assert [(line["event"], line["holds"]) for line in logs] == [("day_reconciled", True)]


async def test_a_difference_is_told_by_metric_and_log_and_gone_with_the_next_day_that_holds(monkeypatch):
    """By what differs; the log line has the numbers and what to do."""
    metrics, task_of = Metrics(), _task
    _reconciled(monkeypatch, SumDifference("kafka", DAY - 1, 7, "seven are missing", "do this"))
    with structlog.testing.capture_logs() as logs:
        await task_of(metrics).run(_Lead(_State()))
    assert _differences(metrics)["kafka"] == 7
    assert (logs[0]["event"], logs[0]["why"], logs[0]["hint"]) == (
        "day_does_not_add_up",
        "seven are missing",
        "do this",
    )
    _reconciled(monkeypatch)
    await task_of(metrics).run(_Lead(_State()))
    assert _differences(metrics)["kafka"] == 0


async def test_a_day_that_is_not_told_apart_is_not_kept_and_a_state_that_is_gone_is_told(monkeypatch):
    """What is kept is exact, and keeping it is not what the run is for."""
    _reconciled(monkeypatch, distinct=False)
    state = _State()
    await _task().run(_Lead(state))
    assert state.values == {}
    _reconciled(monkeypatch)
    with structlog.testing.capture_logs() as logs:
        await _task().run(_Lead(_State(fails=True)))
    assert [line["event"] for line in logs] == ["day_not_saved", "day_reconciled"]
