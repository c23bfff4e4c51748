"""The sum of each day, and what of it does not hold. Pure: what was read, in; rows and differences, out.

Three things count independently of each other: the records of the topic, the worker (in the note beside each committed offset,
:mod:`bridge.model.day_counts`) and the letters of the dead-letter topic; AEP's batches are a fourth. A difference between any two
of them is told by name, with numbers and what to do; there is no row for the rest.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from bridge.model.day_counts import OTHER, DayCounts
from bridge.routes.reconciliation.event_table import DEAD, DELIVERED, LEFT_OUT, OPEN, UNACCOUNTED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bridge.adobe.reconciliation.ingested import IngestedCounts
    from bridge.kafka.reading_back.day_records import HeldRange
    from bridge.model.day_counts import OffsetNote
    from bridge.routes.reconciliation.event_table import DistinctRow

SETTLE_HOURS: Final = 2
"""So long AEP may take from its 200 to the batch: lake under 60 minutes, failed batches about 20 (AEP docs: ingestion/guardrails)."""
_EPOCH: Final = date(1970, 1, 1)


def day_name(day: int) -> str:
    """``2026-11-26`` of a day number."""
    return (_EPOCH + timedelta(days=day)).isoformat()


def day_number(moment: datetime) -> int:
    """The number of the UTC day of an aware moment."""
    return (moment.astimezone(UTC).date() - _EPOCH).days


@dataclass(frozen=True, slots=True)
class SumDifference:
    """Something that does not add up: ``events`` is by how many, ``fix`` says what to do. ``day`` is None for the whole time."""

    check: str
    day: int | None
    events: int
    words: str
    fix: str


@dataclass(slots=True)
class EventSum:
    """Distinct events and what became of them; those of one code have no more than that."""

    received: int = 0
    in_kafka: int = 0
    delivered: int = 0
    open: int = 0
    dead: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)

    def add(self, fate: str, events: int, in_kafka: int) -> None:
        """So many events of one fate."""
        kind, _, name = fate.partition(":")
        self.received += events
        self.in_kafka += in_kafka
        if kind == DELIVERED:
            self.delivered += events
        elif kind == OPEN:
            self.open += events
        elif kind == LEFT_OUT:
            self.left_out[name] += events
        elif kind == DEAD:
            self.dead[name] += events

    @property
    def accounted(self) -> int:
        """Events that reached an end, or wait for it."""
        return self.delivered + self.open + self.dead.total() + self.left_out.total()


@dataclass(slots=True)
class DaySum:
    """One UTC day of the append to Kafka.

    ``distinct``: the topic holds the whole day, so that events are told apart by their ids; else the worker's own counts stand
    there, a copy of an event counted once more. ``ingested`` and ``failed`` are AEP's, by the day of its batches; None: unknown.
    """

    day: int
    total: EventSum = field(default_factory=EventSum)
    codes: dict[str, EventSum] = field(default_factory=dict)
    duplicates: int | None = 0
    replayed: int | None = 0
    expired: int = 0
    ingest_letters: int = 0
    ingested: int | None = None
    failed: int | None = None
    exported: int | None = None
    distinct: bool = True
    saved_at: str | None = None


@dataclass(slots=True)
class Account:
    """What one partition told: the records that it holds, the note of the group's offset, and the events that were met.

    ``met``: day -> fate -> events before the committed offset and counted by the note; ``before``: day -> such events as the note
    does not count, since counting began later. ``unsure``: day -> events of which a letter tells that stands for several.
    """

    held: HeldRange
    committed: int | None
    note: OffsetNote | None
    met: dict[int, Counter[str]] = field(default_factory=dict)
    before: Counter[int] = field(default_factory=Counter)
    waiting: Counter[int] = field(default_factory=Counter)
    unsure: Counter[int] = field(default_factory=Counter)

    def holds_whole(self, day: int) -> bool:
        """Whether nothing of the day has been deleted."""
        if self.held.first == 0 or (self.note is not None and self.held.first <= self.note.since):
            return True
        return self.held.first_day is not None and self.held.first_day < day

    def counted(self, day: int) -> DayCounts | None:
        """What the worker has counted of the day; None where it does not tell."""
        if self.note is None or (self.note.oldest is not None and day < self.note.oldest):
            return None
        return self.note.days.get(day, DayCounts())


@dataclass(slots=True)
class FoundAccount:
    """All that was read. ``aep`` is None where AEP was not asked, for the reason ``aep_unknown``."""

    topic: str
    accounts: Mapping[int, Account]
    distinct: Sequence[DistinctRow]
    repeated: Mapping[int, int]
    replayed: Mapping[int, int]
    ingest_letters: Mapping[int, int]
    ingest_batches: frozenset[str]
    now: float
    aep: IngestedCounts | None = None
    aep_unknown: str = ""
    exported: tuple[int, Mapping[int, int]] | None = None
    unreadable: Sequence[str] = ()


@dataclass(slots=True)
class Reconciled:
    """Rows by day, what does not hold, and what is to be known. ``waiting_in_aep``: delivered, and in no batch yet; None: unknown."""

    days: list[DaySum]
    differences: list[SumDifference]
    notes: list[str]
    waiting_in_aep: int | None = None

    @property
    def holds(self) -> bool:
        """Whether the sum holds."""
        return not self.differences

    @property
    def difference_events(self) -> int:
        """By how many events it does not."""
        return sum(max(1, difference.events) for difference in self.differences)


def reconcile(days: range, found: FoundAccount, saved: Mapping[int, DaySum]) -> Reconciled:
    """The sum of each of these days. ``saved``: what was reconciled earlier, for days that the topic holds no more."""
    done = Reconciled([], [], [])
    rows = {day: DaySum(day) for day in days}
    for group in found.distinct:
        if (row := rows.get(group.day)) is not None:
            row.total.add(group.fate, group.events, group.in_kafka)
            row.codes.setdefault(group.code, EventSum()).add(group.fate, group.events, group.in_kafka)
            if group.fate == UNACCOUNTED:
                done.differences.append(_no_letter(group))
    for day, row in rows.items():
        row.duplicates, row.replayed = found.repeated.get(day, 0), found.replayed.get(day, 0)
        row.ingest_letters = found.ingest_letters.get(day, 0)
        if found.exported is not None:
            row.exported = found.exported[1].get(day, 0)
        _check_counts(row, found, done, saved)
    done.days = [saved[day] if not row.distinct and day in saved else row for day, row in rows.items()]
    _check_aep(days, found, done)
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


def _no_letter(group: DistinctRow) -> SumDifference:
    return SumDifference(
        "letters",
        group.day,
        group.events,
        f"{group.events} records that are no events lie before the committed offset, and no dead letter tells of them",
        "the dead-letter topic may have deleted them: raise its retention.ms",
    )


def _check_counts(row: DaySum, found: FoundAccount, done: Reconciled, saved: Mapping[int, DaySum]) -> None:
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
                _once_more(day, day + 1),
            )
        )
    if row.expired:
        done.notes.append(
            f"{day_name(day)}: {row.expired} records were deleted by retention before they were delivered"
        )


def _once_more(since: int, until: int) -> str:
    return (
        f"to have them sent: aep-bridge replay --since {day_name(since)} --until {day_name(until)};"
        " what is delivered twice has one _id"
    )


def _count_difference(topic: str, partition: int, day: int, met: int, told: int) -> SumDifference:
    more = "events that no worker has settled: offsets were moved by hand, or the topic was restored; " + _once_more(
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


def _check_aep(days: range, found: FoundAccount, done: Reconciled) -> None:
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
                    f"AEP refused {failed} records in batch {identifier}, and no dead letter tells of them",
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
            + _once_more(days.start, days.stop),
        )
    )
