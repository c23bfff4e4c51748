"""The leader's daily task: the sum of the day before, told by metrics and log, and kept for the time after the topic's retention."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import structlog

from bridge.model.day_counts import DAY_MS
from bridge.model.errors import KafkaError
from bridge.routes.reconciliation.day_sum import day_name
from bridge.routes.reconciliation.reconciling import reconcile_days
from bridge.routes.reconciliation.results import key_of, saved_value
from bridge.settings import variable

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.model.ports import Decoder, Lead
    from bridge.routes.reconciliation.day_sum import Reconciled
    from bridge.settings import Route
    from bridge.telemetry.metrics import Metrics

_log = structlog.get_logger(__name__)
NAME: Final = "reconcile"
_DAY: Final = DAY_MS // 1000
_CHECKS: Final = ("kafka", "letters", "aep", "failed_batches", "retention", "unreadable")


class ReconcileTask:
    """``LeaderTask``; see the module. ``wall``: seconds since 1970."""

    name = NAME
    retry_seconds = 60.0

    def __init__(
        self, route: Route, decoder: Decoder, metrics: Metrics, *, wall: Callable[[], float] = time.time
    ) -> None:
        at = route.settings.reconcile.at
        self.off = f"{variable('reconcile', 'at')} is not set" if at is None else ""
        self._seconds = 0 if at is None else at.hour * 3600 + at.minute * 60
        self._route = route
        self._decoder = decoder
        self._metrics = metrics
        self._wall = wall

    def due(self, succeeded: float | None, now: float) -> float:
        """At the time of day; what was missed while nobody worked is made up for at once."""
        today = now // _DAY * _DAY + self._seconds
        last = today if today <= now else today - _DAY
        return now if succeeded is None or succeeded < last else last + _DAY

    async def aclose(self) -> None:
        """Nothing stays open between two runs."""

    async def run(self, lead: Lead) -> None:
        """Add up the day before. Raises ``BridgeError`` where something of it cannot be read."""
        now = self._wall()
        day = int(now // _DAY) - 1
        done = await reconcile_days(self._route, self._decoder, range(day, day + 1), {}, self._metrics, patiently=True)
        lead.check()
        if done.days[0].distinct:
            kafka = self._route.settings.kafka
            at = datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds")
            try:
                await lead.state.write({key_of(kafka.group, kafka.topic, day): saved_value(done.days[0], at)})
            except KafkaError as error:
                _log.warning(
                    "day_not_saved",
                    detail="The state topic cannot be used; once retention has deleted the day's events, their counts by event code are lost.",
                    day=day_name(day),
                    why=str(error),
                    hint=error.hint,
                )
        self._tell(day, done)
        self._metrics.reconcile_last_run.set(now)

    def _tell(self, day: int, done: Reconciled) -> None:
        found = dict.fromkeys(_CHECKS, 0)
        for one in done.differences:
            found[one.check] = found.get(one.check, 0) + max(1, one.events)
            _log.error(
                "day_does_not_add_up",
                detail="A check of the day's sum does not hold.",
                why=one.words,
                day=day_name(day if one.day is None else one.day),
                events=one.events,
                check=one.check,
                hint=one.fix,
            )
        for check, events in found.items():
            self._metrics.reconcile_difference.labels(check).set(events)
        total = done.days[0].total
        _log.info(
            "day_reconciled",
            detail="Every event of the day is accounted for."
            if done.holds
            else "The day's sum does not hold: some events are unaccounted for.",
            day=day_name(day),
            holds=done.holds,
            received=total.received,
            delivered=total.delivered,
            dead_letters=total.dead.total(),
            left_out=total.left_out.total(),
            open=total.open,
            notes=done.notes,
        )
