"""What one worker of a route does for all, by kind of source and of destination."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bridge.model.ports import Decoder, LeaderTask
    from bridge.settings import Route
    from bridge.telemetry.metrics import Metrics


def tasks_towards_any(route: Route, decoder: Decoder, metrics: Metrics) -> tuple[LeaderTask, ...]:
    """What every kind of destination has."""
    from bridge.routes.reconciliation.reconcile_task import ReconcileTask  # noqa: PLC0415 - opened with a route

    return (ReconcileTask(route, decoder, metrics),)


def tasks_towards_aep(route: Route, decoder: Decoder, metrics: Metrics) -> tuple[LeaderTask, ...]:
    """Nothing is connected yet."""
    from bridge.routes.failed_batches_task import FailedBatchesTask  # noqa: PLC0415 - opened with a route of this kind

    return (FailedBatchesTask(route, decoder, metrics), *tasks_towards_any(route, decoder, metrics))


def tasks_of_a_warehouse(route: Route) -> tuple[LeaderTask, ...]:
    """Nothing is started yet."""
    from bridge.routes.sync_task import SyncTask  # noqa: PLC0415 - opened with a route of this kind

    return (SyncTask(route),)
