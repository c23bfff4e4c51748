"""Observability Insights: counts by hour or day (``/data/infrastructure/observability/insights/metrics``).

Sources: AEP docs, observability/api/metrics and observability/metrics; OpenAPI observability-insights.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from bridge.emulators.adobe.platform.batches import batches_of
from bridge.emulators.adobe.platform.calls import Refused, Reply, problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from bridge.emulators.adobe.ingestion.batch import Batch
    from bridge.emulators.adobe.platform.calls import Call, Route
    from bridge.emulators.adobe.platform.ingesting import Ingestion

_PATH: Final = "/data/infrastructure/observability/insights/metrics"
_STEPS: Final = {"HOUR": 3_600_000, "DAY": 86_400_000}
_OF_DATASETS: Final[Mapping[str, Callable[[Batch], int]]] = {
    "timeseries.ingestion.dataset.recordsuccess.count": lambda batch: batch.passed,
    "timeseries.ingestion.dataset.batchsuccess.count": lambda batch: int(batch.passed > 0),
    "timeseries.ingestion.dataset.batchfailed.count": lambda batch: int(batch.passed == 0),
    "timeseries.ingestion.dataset.size": lambda batch: batch.size,
    "timeseries.ingestion.dataset.dailysize": lambda batch: batch.size,
    "timeseries.identity.dataset.recordsuccess.count": lambda batch: batch.passed,
    "timeseries.identity.dataset.recordfailed.count": lambda _: 0,
    "timeseries.profiles.dataset.recordread.count": lambda batch: batch.passed,
    "timeseries.profiles.dataset.recordsuccess.count": lambda batch: batch.passed,
    "timeseries.profiles.dataset.batchsuccess.count": lambda batch: int(batch.passed > 0),
}
_INLET: Final = "timeseries.data.collection.inlet.total.messages."
_OF_INLETS: Final[Mapping[str, Callable[[Mapping[str, int]], int]]] = {
    f"{_INLET}received": lambda counts: counts["received"],
    f"{_INLET}success": lambda counts: counts["received"] - counts["failure"],
    f"{_INLET}failure": lambda counts: counts["failure"],
}
_KEYS: Final = ("dataSetId", "dataSetID", "dataSets")
"""The filter key is printed in three ways."""


def routes(ingestion: Callable[[], Ingestion | None]) -> Iterator[Route]:
    """The routes of this API."""
    yield "POST", _PATH, lambda call: _metrics(call, ingestion())


def _refused(code: str, detail: str) -> Refused:
    return Refused(Reply(400, problem("aep", code, 400, detail)))


def _metrics(call: Call, ingestion: Ingestion | None) -> Reply:
    sent = call.document()
    wanted, granularity = sent.get("metrics"), str(sent.get("granularity") or "DAY").upper()
    if not isinstance(wanted, list) or not wanted:
        raise _refused("INSGHT-1000-400", "metrics is required")
    if granularity not in _STEPS:
        raise _refused("INSGHT-1001-400", f"granularity {granularity} is not supported")
    window = _moment(sent.get("start")), _moment(sent.get("end"))
    responses = []
    for metric in wanted:
        asked = _Asked(call, str(metric.get("name")), metric.get("filters") or [], window, _STEPS[granularity])
        if asked.name in _OF_DATASETS:
            counts = _of_datasets(asked)
        elif asked.name in _OF_INLETS:
            counts = _of_inlets(asked, ingestion)
        else:
            raise _refused("INSGHT-1001-400", f"The metric {asked.name} is not known")
        points = [{"groupBy": dict(group), "dps": dps} for group, dps in counts.items()]
        responses.append(
            {"metric": asked.name, "filters": asked.filters, "granularity": granularity, "datapoints": points}
        )
    return Reply(200, {"metricResponses": responses})


@dataclass(frozen=True, slots=True)
class _Asked:
    """One metric of a request: from ``window[0]`` to before ``window[1]``, in steps (all in milliseconds)."""

    call: Call
    name: str
    filters: Any
    window: tuple[int, int]
    step: int

    @property
    def told(self) -> int:
        """Until when counts are known yet."""
        sandbox = self.call.sandbox
        return sandbox.now_ms() - int(sandbox.times.metrics_lag * 1000)


def _moment(text: Any) -> int:
    try:
        return int(datetime.fromisoformat(str(text)).timestamp() * 1000)
    except ValueError:
        raise _refused("INSGHT-1000-400", f"{text} is not a time") from None


Groups = dict[tuple[tuple[str, str], ...], dict[str, float]]


def _chosen(filters: Any, keys: tuple[str, ...]) -> tuple[str, set[str] | None, bool]:
    """The key as it was written, the values it allows (None for any), and whether to group by it."""
    for one in filters:
        if one.get("name") in keys:
            return one["name"], set(str(one.get("value", "")).split("|")), bool(one.get("groupBy"))
    if filters:
        raise _refused("INSGHT-1001-400", f"The filter {filters[0].get('name')} is not known for this metric")
    return keys[0], None, False


def _add(groups: Groups, group: tuple[tuple[str, str], ...], moment: int, value: float) -> None:
    stamp = datetime.fromtimestamp(moment / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    points = groups[group]
    points[stamp] = points.get(stamp, 0.0) + value


def _of_datasets(asked: _Asked) -> Groups:
    key, allowed, by_value = _chosen(asked.filters, _KEYS)
    groups: Groups = defaultdict(dict)
    for batch in batches_of(asked.call.sandbox):
        if batch.successor is not None or (allowed is not None and batch.dataset_id not in allowed):
            continue
        if not asked.window[0] <= batch.created < asked.window[1] or batch.completed > asked.told:
            continue
        if asked.name.startswith("timeseries.profiles.") and not _is_for_profile(asked.call, batch.dataset_id):
            continue
        group = ((key, batch.dataset_id),) if by_value else ()
        value = float(_OF_DATASETS[asked.name](batch))
        _add(groups, group, batch.created // asked.step * asked.step, value)
    return groups


def _is_for_profile(call: Call, dataset_id: str) -> bool:
    tags = call.sandbox.datasets.get(dataset_id, {}).get("tags", {})
    return any(str(one).replace(" ", "") == "enabled:true" for one in tags.get("unifiedProfile", ()))


def _of_inlets(asked: _Asked, ingestion: Ingestion | None) -> Groups:
    key, allowed, by_value = _chosen(asked.filters, (asked.call.sandbox.oddities.inlet_metric_filter,))
    groups: Groups = defaultdict(dict)
    for (hour, inlet_id), counts in ({} if ingestion is None else ingestion.inlets).items():
        if (allowed is not None and inlet_id not in allowed) or hour > asked.told:
            continue
        # Counts are kept by the hour: an hour belongs to a window that it touches.
        if asked.window[0] < hour + _STEPS["HOUR"] and hour < asked.window[1]:
            group = ((key, inlet_id),) if by_value else ()
            _add(groups, group, hour // asked.step * asked.step, float(_OF_INLETS[asked.name](counts)))
    return groups
