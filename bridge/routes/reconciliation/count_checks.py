"""Holds what Kafka's topics have of a day against what the worker has counted of it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from bridge.model.day_counts import OTHER, DayCounts
from bridge.routes.reconciliation.day_sum import DaySum, EventSum, Reconciled, SumDifference, day_name
from bridge.routes.reconciliation.event_table import DEAD

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.routes.reconciliation.event_table import DistinctRow
    from bridge.routes.reconciliation.found_account import FoundAccount


def no_letter(group: DistinctRow) -> SumDifference:
    """The difference that records come to which were refused, and have no dead letter."""
    return SumDifference(
        "letters",
        group.day,
        group.events,
        f"{group.events} records that are no events lie before the committed offset, and there are no dead letters of them",
        "the dead-letter topic may have deleted them: raise its retention.ms",
    )


def check_counts(row: DaySum, found: FoundAccount, done: Reconciled, saved: Mapping[int, DaySum]) -> None:
    """Hold the records of a day against what the worker has counted of them."""
    day = row.day
    counted, uncounted = DayCounts(), 0
    exact = True
    for partition, account in sorted(found.accounts.items()):
        whole = account.holds_whole(day)
        row.distinct &= whole
        met, told = account.met.get(day, Counter()), account.counted(day)
        uncounted += account.before[day]
        if told is None:
            uncounted += met.total()
            exact = False
            continue
        counted.add(told)
        if not whole:
            exact = False
        if met.total() > told.events or (whole and met.total() != told.events):
            done.differences.append(_count_difference(found.topic, partition, day, met.total(), told.events))
        elif whole:
            done.differences += _letter_differences(day, met, told, account.unsure[day])
    row.expired = counted.expired
    if exact and row.distinct:
        _as_counted(row, counted)
    elif not row.distinct:
        _without_ids(row, counted, found, done, known=day in saved)
    if uncounted:
        done.differences.append(
            SumDifference(
                "uncounted",
                day,
                uncounted,
                f"{uncounted} events lie before the committed offset of {found.topic}, and no worker has counted them: they were"
                " settled by a version before this count, or offsets were moved by hand",
                once_more(day, day + 1),
            )
        )
    if row.expired:
        done.notes.append(
            f"{day_name(day)}: {row.expired} records were deleted by retention before they were delivered"
        )


def once_more(since: int, until: int) -> str:
    """What to do to have the events of these days sent a second time."""
    return (
        f"to have them sent: aep-bridge replay --since {day_name(since)} --until {day_name(until)};"
        " what is delivered twice has one _id"
    )


def _count_difference(topic: str, partition: int, day: int, met: int, told: int) -> SumDifference:
    more = "events that no worker has settled: offsets were moved by hand, or the topic was restored; " + once_more(
        day, day + 1
    )
    fewer = "records were deleted by hand, or the log lost its end: what is gone cannot be told apart by event any more"
    return SumDifference(
        "kafka",
        day,
        abs(met - told),
        f"{topic}[{partition}]: {met} events lie before the committed offset, and the worker has settled {told}",
        more if met > told else fewer,
    )


def _letter_differences(day: int, met: Counter[str], told: DayCounts, unsure: int) -> list[SumDifference]:
    found = []
    for stage, count in sorted(told.dead.items()):
        there = met[f"{DEAD}:{stage}"]
        if stage != OTHER and count > there + unsure:
            found.append(
                SumDifference(
                    "letters",
                    day,
                    count - there,
                    f"the worker has stored {count} dead letters of the stage {stage}, and the dead-letter topic holds {there}",
                    "they were deleted: raise retention.ms of the dead-letter topic",
                )
            )
    return found


def _as_counted(row: DaySum, counted: DayCounts) -> None:
    """What only the worker knows: the rules as they were at the time."""
    if counted.left_out != row.total.left_out:
        row.total.delivered += row.total.left_out.total() - counted.left_out.total()
        row.total.left_out = Counter(counted.left_out)


def _without_ids(row: DaySum, counted: DayCounts, found: FoundAccount, done: Reconciled, *, known: bool) -> None:
    """The topic holds the day no more: what the worker has counted stands for it."""
    total = EventSum(delivered=counted.delivered, dead=Counter(counted.dead), left_out=Counter(counted.left_out))
    total.open = sum(account.waiting[row.day] for account in found.accounts.values())
    total.received = total.in_kafka = total.accounted
    row.total, row.codes, row.duplicates, row.replayed = total, {}, None, None
    if known:
        return
    untold = [partition for partition, account in found.accounts.items() if account.counted(row.day) is None]
    if untold:
        done.differences.append(
            SumDifference(
                "retention",
                row.day,
                0,
                f"the topic no longer holds all of this day, and nobody counted it (partitions {untold})",
                "reconcile each day while the topic holds it: BRIDGE_RECONCILE__AT does",
            )
        )
    else:
        done.notes.append(
            f"{day_name(row.day)}: the topic no longer holds all of it; events are counted, not told apart by id"
        )
