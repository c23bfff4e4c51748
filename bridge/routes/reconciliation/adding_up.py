"""Adds up each day. Pure: what was read, in; rows and differences, out.

Three things count independently of each other: the records of the topic, the worker (in the note beside each committed offset,
:mod:`bridge.model.day_counts`) and the letters of the dead-letter topic; AEP's batches are a fourth. A difference between any two
of them is told by name, with numbers and what to do; there is no row for the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.routes.reconciliation.batch_checks import check_batches
from bridge.routes.reconciliation.count_checks import check_counts, no_letter
from bridge.routes.reconciliation.day_sum import DaySum, EventSum, Reconciled, SumDifference
from bridge.routes.reconciliation.event_table import UNACCOUNTED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.routes.reconciliation.found_account import FoundAccount


def reconcile(days: range, found: FoundAccount, saved: Mapping[int, DaySum]) -> Reconciled:
    """The sum of each of these days. ``saved``: what was reconciled earlier, for days that the topic holds no more."""
    done = Reconciled([], [], [])
    rows = {day: DaySum(day) for day in days}
    for group in found.distinct:
        if (row := rows.get(group.day)) is not None:
            row.total.add(group.fate, group.events, group.in_kafka)
            row.codes.setdefault(group.code, EventSum()).add(group.fate, group.events, group.in_kafka)
            if group.fate == UNACCOUNTED:
                done.differences.append(no_letter(group))
    for day, row in rows.items():
        row.duplicates, row.replayed = found.repeated.get(day, 0), found.replayed.get(day, 0)
        row.ingest_letters = found.ingest_letters.get(day, 0)
        if found.exported is not None:
            row.exported = found.exported[1].get(day, 0)
        check_counts(row, found, done, saved)
    done.days = [saved[day] if not row.distinct and day in saved else row for day, row in rows.items()]
    check_batches(days, found, done)
    if found.exported is not None and found.exported[0]:
        done.differences.append(
            SumDifference(
                "export",
                None,
                found.exported[0],
                f"{found.exported[0]} events of the export files are neither in Kafka nor in the dead letters of these days",
                "aep-bridge backfill FILE... brings them in; look at more days with --since where the files are older",
            )
        )
    done.differences += [
        SumDifference(
            "unreadable", None, 1, words, "kafka-dump-log.sh shows what is stored there; see docs/operations.md"
        )
        for words in found.unreadable
    ]
    return done
