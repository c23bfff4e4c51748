"""Which batches of a dataset hold failed records, as far as Catalog tells.

A batch with the status ``success`` may hold failed records too, one that compaction has replaced (``inactive``) keeps its own,
and the names of the counts differ by producer, or are absent (AEP docs: catalog/api/filter-data,
ingestion/quality/retrieve-failed-batches; aepp, ``getFailedBatchesDF``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeGuard

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_FAILED: Final = ("failedRecordCount", "recordsFailed", "invalidRecordCount")
_READ: Final = ("recordCount", "inputRecordCount", "recordsRead", "recordsSize")
_UNDER_WAY: Final = frozenset({"processing", "queued", "retrying", "stalled", "loading", "loaded", "staging", "staged"})
_FAILING: Final = frozenset({"failed", "failure", "aborted", "abandoned"})


@dataclass(frozen=True, slots=True)
class FailedBatch:
    """A batch that holds failed records, or may. Times are milliseconds since 1970; a count is None where Catalog gives none."""

    identifier: str
    status: str
    created: int
    finished: int
    records: int | None
    failed: int | None


@dataclass(frozen=True, slots=True)
class Batches:
    """What Catalog lists: batches to look into, the oldest first, and when those were created that are not to be told yet."""

    to_read: Sequence[FailedBatch]
    under_way_since: Sequence[int]

    @property
    def under_way(self) -> int:
        """How many are not to be told yet."""
        return len(self.under_way_since)


def failed_count(batch: Mapping[str, Any]) -> int | None:
    """Failed records of a batch, which may have succeeded as a whole; None where Catalog gives no count."""
    return _most(batch, _FAILED)


def is_under_way(batch: Mapping[str, Any]) -> bool:
    """Whether its counts are not final yet."""
    return _status(batch) in _UNDER_WAY


def is_failing(batch: Mapping[str, Any]) -> bool:
    """Whether the batch failed as a whole."""
    return _status(batch) in _FAILING


def read_count(batch: Mapping[str, Any]) -> int | None:
    """Records that came into a batch; None where Catalog gives no count."""
    return _most(batch, _READ)


def created_at(batch: Mapping[str, Any]) -> int:
    """When it was made, in milliseconds since 1970; 0 where that is not told."""
    return _time(batch.get("created"))


def _status(batch: Mapping[str, Any]) -> str:
    return str(batch.get("status") or "").lower()


def batches_in(found: Mapping[str, Mapping[str, Any]], *, until: int) -> Batches:
    """The batches among ``found`` (id -> batch) that were created before ``until`` (milliseconds since 1970)."""
    to_read, under_way = [], []
    for identifier, batch in found.items():
        created = _time(batch.get("created"))
        if created >= until:
            continue
        status = _status(batch)
        if status in _UNDER_WAY:
            under_way.append(created)
            continue
        failed = failed_count(batch)
        if failed or failed is None or status in _FAILING:
            finished = max(created, _time(batch.get("completed")), _time(batch.get("updated")))
            to_read.append(FailedBatch(identifier, status, created, finished, _most(batch, _READ), failed))
    return Batches(sorted(to_read, key=lambda one: (one.created, one.identifier)), under_way)


def _most(batch: Mapping[str, Any], names: Sequence[str]) -> int | None:
    metrics = batch.get("metrics")
    places = (batch, metrics if isinstance(metrics, dict) else {})
    counts = [int(one) for place in places for name in names if _is_number(one := place.get(name))]
    return max(counts, default=None)


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _time(value: Any) -> int:
    return int(value) if _is_number(value) else 0
