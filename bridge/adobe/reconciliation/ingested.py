"""How many records AEP has ingested and failed, by day, as far as Catalog counts its batches. Pure.

No API tells what waits in AEP between its 200 and the batch, and none counts by kind of event (AEP docs: observability/api/metrics
has no count of failed records of a dataset): both are unknown.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from bridge.adobe.reconciliation.failed_batch import created_at, failed_count, is_failing, is_under_way, read_count

if TYPE_CHECKING:
    from collections.abc import Mapping

_DAY_MS: Final = 86_400_000


@dataclass(slots=True)
class IngestedDay:
    """Records of the batches that were made on one day."""

    ingested: int = 0
    failed: int = 0


@dataclass(slots=True)
class IngestedCounts:
    """By day number. ``under_way``: batches that are not settled; ``untold``: ids of batches of which Catalog gives no counts.

    ``failed_batches``: id of a batch with failed records -> (when it was made, in milliseconds since 1970; how many failed).
    """

    days: dict[int, IngestedDay] = field(default_factory=dict)
    under_way: int = 0
    untold: list[str] = field(default_factory=list)
    failed_batches: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def records(self) -> int:
        """All records, ingested or failed."""
        return sum(day.ingested + day.failed for day in self.days.values())


def ingested_in(found: Mapping[str, Mapping[str, Any]], *, since: int) -> IngestedCounts:
    """The counts of the batches (id -> batch) that were made at or after ``since`` (milliseconds since 1970).

    A batch that compaction has replaced is counted by its successor, where that is listed; its failed records are its own.
    """
    counts = IngestedCounts()
    for identifier, batch in found.items():
        created = created_at(batch)
        if created < since:
            continue
        if is_under_way(batch):
            counts.under_way += 1
            continue
        read, failed = read_count(batch), failed_count(batch)
        if is_failing(batch) and failed is None:
            failed = read
        if failed is None and read is None:
            counts.untold.append(identifier)
            continue
        failed = failed or 0
        day = counts.days.setdefault(created // _DAY_MS, IngestedDay())
        day.failed += failed
        if failed:
            counts.failed_batches[identifier] = (created, failed)
        if read is None:
            counts.untold.append(identifier)
        elif not is_failing(batch) and not _is_replaced(batch, found):
            day.ingested += max(0, read - failed)
    return counts


def _is_replaced(batch: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    tags = batch.get("tags")
    successors = tags.get("acp_successor") if isinstance(tags, dict) else None
    if isinstance(successors, str):
        successors = [successors]
    return isinstance(successors, list) and any(isinstance(one, str) and one in found for one in successors)
