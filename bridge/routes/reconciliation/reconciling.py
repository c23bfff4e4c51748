"""Reconciles days of one route: reads everything, adds it up, and remembers what the topic will not hold for ever."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bridge.adobe.client import PlatformClient, missing_settings
from bridge.routes.reconciliation.account_reading import read_account
from bridge.routes.reconciliation.adding_up import reconcile
from bridge.routes.reconciliation.event_table import EventTable
from bridge.routes.reconciliation.results import key_of, saved_day
from bridge.settings import variable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bridge.model.ports import Decoder
    from bridge.routes.reconciliation.day_sum import DaySum, Reconciled
    from bridge.settings import KafkaSettings, Route
    from bridge.telemetry.metrics import Metrics


def why_aep_unknown(route: Route) -> str:
    """Why AEP cannot be asked what it has made of the events, in words; empty where it can."""
    if route.destination != "aep":
        return ""
    missing = [*missing_settings(route.settings)]
    if not route.settings.aep.dataset_id:
        missing.append(variable("aep", "dataset_id"))
    return f"not asked, since {', '.join(missing)} is not set" if missing else ""


async def reconcile_days(
    route: Route,
    decoder: Decoder,
    days: range,
    saved: Mapping[bytes, bytes],
    metrics: Metrics,
    *,
    files: Sequence[str] = (),
    ask_aep: bool = True,
    patiently: bool = False,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    tell: Callable[[str], None] = lambda _words: None,
) -> Reconciled:
    """The sums of these days (numbers since 1970). ``saved``: the state topic. Raises ``BridgeError`` where something cannot be read.

    ``patiently``: with pauses, beside the stream of a worker.
    """
    kafka = route.settings.kafka
    unknown = why_aep_unknown(route) if ask_aep else "not asked"
    async with AsyncExitStack() as stack:
        table = stack.enter_context(EventTable())
        client = None
        if route.destination == "aep" and not unknown:
            client = await stack.enter_async_context(PlatformClient(route.settings, metrics))
        found = await read_account(
            route,
            decoder,
            table,
            days,
            client=client,
            aep_unknown=unknown,
            files=files,
            now=now,
            tell=tell,
            patiently=patiently,
        )
    return reconcile(days, found, _earlier(saved, kafka, days))


def _earlier(saved: Mapping[bytes, bytes], kafka: KafkaSettings, days: range) -> dict[int, DaySum]:
    found = {day: saved_day(saved.get(key_of(kafka.group, kafka.topic, day)), day) for day in days}
    return {day: one for day, one in found.items() if one is not None}
