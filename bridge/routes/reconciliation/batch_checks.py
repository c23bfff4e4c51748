"""Holds what AEP has answered 200 for against what its batches hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.routes.reconciliation.count_checks import once_more
from bridge.routes.reconciliation.day_sum import Reconciled, SumDifference, day_name

if TYPE_CHECKING:
    from bridge.routes.reconciliation.found_account import FoundAccount

SETTLE_HOURS: Final = 2
"""AEP may take this long from its 200 to the batch: lake under 60 minutes, failed batches about 20 (AEP docs: ingestion/guardrails)."""


def check_batches(days: range, found: FoundAccount, done: Reconciled) -> None:
    """Fill in what AEP tells of each day, and add what does not hold to ``done``."""
    if found.aep is None:
        if found.aep_unknown:
            done.notes.append(f"AEP: {found.aep_unknown}")
        return
    aep = found.aep
    for row in done.days:
        if (told := aep.days.get(row.day)) is not None:
            row.ingested, row.failed = told.ingested, told.failed
        else:
            row.ingested = row.failed = 0
    hour = int(found.now // 3600)
    for identifier, (created, failed) in sorted(aep.failed_batches.items()):
        if identifier not in found.ingest_batches and created // 3_600_000 < hour - SETTLE_HOURS:
            done.differences.append(
                SumDifference(
                    "failed_batches",
                    created // 86_400_000,
                    failed,
                    f"AEP refused {failed} records in batch {identifier}, and there are no dead letters of them",
                    "aep-bridge failed-batches fetch stores them",
                )
            )
    if aep.untold:
        done.notes.append(
            f"AEP: Catalog gives no counts for {len(aep.untold)} batches ({aep.untold[0]}), so that nothing is added up"
        )
        for row in done.days:
            row.ingested = None
        return
    notes = [account.note for account in found.accounts.values() if account.note is not None]
    delivered = sum(counts.delivered for note in notes for day, counts in note.days.items() if day >= days.start)
    recent = sum(count for note in notes for at, count in note.hours.items() if at >= hour - SETTLE_HOURS)
    missing = delivered - aep.records
    done.waiting_in_aep = max(0, missing)
    if missing <= recent:
        return
    if aep.under_way:
        done.notes.append(f"AEP: {missing} delivered events are in no batch yet; {aep.under_way} batches are under way")
        return
    done.differences.append(
        SumDifference(
            "aep",
            None,
            missing - recent,
            f"since {day_name(days.start)} AEP has answered 200 for {delivered} events, and its batches hold {aep.records}"
            f" (ingested or failed); {recent} were delivered within the last {SETTLE_HOURS} hours and may still wait",
            "look at the dataset's batches in AEP; events that were sent within minutes of a new dataflow vanish there: "
            + once_more(days.start, days.stop),
        )
    )
