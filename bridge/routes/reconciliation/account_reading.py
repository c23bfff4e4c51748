"""Reads what the sum is made of: committed offsets with their notes, dead letters, the topic, AEP's batches, export files."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from bridge.adobe import catalog
from bridge.adobe.reconciliation.ingested import ingested_in
from bridge.kafka.batches.taking import UnreadablePlaceError
from bridge.kafka.dead_letters.stored_letters import Filter, read
from bridge.kafka.reading_back.day_records import LATE_MS, open_days
from bridge.kafka.reading_back.noted_offsets import noted_offsets
from bridge.model.day_counts import DAY_MS, OffsetNote
from bridge.model.verdicts import Stage
from bridge.routes.reconciliation.event_table import DEAD, LetterAt
from bridge.routes.reconciliation.exported import exported_ids
from bridge.routes.reconciliation.fates import fates, seen_in, seen_in_letter
from bridge.routes.reconciliation.found_account import Account, FoundAccount

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from bridge.adobe.client import PlatformClient
    from bridge.adobe.reconciliation.ingested import IngestedCounts
    from bridge.kafka.dead_letters.stored_letters import Stored
    from bridge.kafka.reading_back.day_records import DayRecords, HeldRange
    from bridge.model.day_counts import NotedOffset
    from bridge.model.ports import Decoder
    from bridge.routes.reconciliation.event_table import EventTable
    from bridge.settings import Route

    Tell = Callable[[str], None]
    """Takes words about what is being done now."""

_TOLD_EVERY: Final = 20_000
_BREATH_EVERY: Final = 100
_BREATH: Final = 0.01
"""Seconds: events go first where a worker reads beside its stream."""
_SET_ASIDE: Final = re.compile(r"offsets? (\d+)(?: to (\d+))? cannot be read")


class Letters:
    """The dead letters: those of places that are looked at go into the table, the others are kept as counts.

    ``set_aside_days``: partition and first offset of what was set aside as unreadable -> the day on which it was.
    """

    def __init__(
        self, route: Route, decoder: Decoder, table: EventTable, days: range, held: Mapping[int, HeldRange]
    ) -> None:
        self._route = route
        self._table = table
        self._days = days
        self._held = held
        self._decoder = decoder
        self._set_aside: dict[int, dict[int, int]] = {}
        self.set_aside_days: dict[tuple[int, int], int] = {}
        self.ingest: Counter[int] = Counter()
        self.ingest_batches: set[str] = set()

    async def read(self) -> None:
        """Read the whole topic, whatever time a letter tells: a worker's clock may be wrong. Raises ``KafkaError``."""
        async for stored in read(self._route.settings.kafka, Filter(), self._decoder):
            self._count_letter(stored)

    def _count_letter(self, stored: Stored) -> None:
        letter = stored.letter
        day = stored.timestamp // DAY_MS
        if letter.stage == Stage.INGEST:
            self.ingest[day] += 1
            if letter.batch is not None:
                self.ingest_batches.add(letter.batch)
        elif letter.partition is not None and letter.offset is not None:
            held = self._held.get(letter.partition)
            # What lies before the days has its letters there, too.
            if letter.topic == self._route.settings.kafka.topic and held is not None and letter.offset >= held.start:
                told = LetterAt(letter.offset, letter.event_uuid, letter.stage, letter.code, letter.events)
                self._table.add_letter(letter.partition, told)
                self._remember_range(letter.partition, letter.reason, letter.code, day)
        else:
            place = f"{stored.partition}/{stored.offset}"
            seen = seen_in_letter(
                letter.value, self._decoder, stage=letter.stage, day=day, place=place, events=letter.events
            )
            self._table.add(seen)

    def _remember_range(self, partition: int, reason: str, code: str, day: int) -> None:
        if code == "unreadable" and (told := _SET_ASIDE.search(reason)) is not None:
            first, last = int(told[1]), int(told[2] or told[1])
            ranges = self._set_aside.setdefault(partition, {})
            ranges[first] = max(last + 1, ranges.get(first, 0))
            self.set_aside_days[partition, first] = day

    def behind(self, partition: int, offset: int) -> tuple[int, int] | None:
        """The first offset of the unreadable place around this one, and the offset behind it; None where none was set aside."""
        for first, end in self._set_aside.get(partition, {}).items():
            if first <= offset < end:
                return first, end
        return None


async def read_account(
    route: Route,
    decoder: Decoder,
    table: EventTable,
    days: range,
    *,
    client: PlatformClient | None,
    aep_unknown: str,
    files: Sequence[str],
    now: Callable[[], datetime],
    tell: Tell,
    patiently: bool,
) -> FoundAccount:
    """Everything about these days. Raises ``BridgeError``."""
    kafka = route.settings.kafka
    tell("asking for the committed offsets")
    # The notes first: what they count as settled has its letters by now, and lies in the topic.
    noted = await noted_offsets(kafka)
    unreadable: list[str] = []
    async with open_days(kafka, days.start) as topic:
        tell("reading the dead letters")
        letters = Letters(route, decoder, table, days, topic.held)
        await letters.read()
        accounts = {}
        for partition in sorted(topic.held):
            accounts[partition] = account = _account(topic, partition, noted.get(partition))
            reader = _Partition(
                topic,
                partition,
                account,
                table=table,
                letters=letters,
                decoder=decoder,
                until=days.stop * DAY_MS + LATE_MS,
                patiently=patiently,
            )
            await reader.read(tell, unreadable)
    exported = None
    if files:
        exported_ids(files, days, table, tell)
    # Sorting millions of events takes seconds, in which a worker must go on.
    distinct = await asyncio.to_thread(table.distinct)
    if files:
        exported = await asyncio.to_thread(table.exported)
    aep = None if client is None else await _aep(route, client, days.start, tell)
    return FoundAccount(
        topic=kafka.topic,
        accounts=accounts,
        distinct=distinct,
        repeated=await asyncio.to_thread(table.repeated),
        replayed=await asyncio.to_thread(table.replayed),
        ingest_letters=letters.ingest,
        ingest_batches=frozenset(letters.ingest_batches),
        now=now().timestamp(),
        aep=aep,
        aep_unknown=aep_unknown,
        exported=exported,
        unreadable=unreadable,
    )


def _account(topic: DayRecords, partition: int, noted: NotedOffset | None) -> Account:
    note = None if noted is None else OffsetNote.from_text(noted.note)
    return Account(topic.held[partition], None if noted is None else noted.offset, note)


class _Partition:
    """Reads one partition beside its letters, both in the order of offsets."""

    def __init__(
        self,
        topic: DayRecords,
        partition: int,
        account: Account,
        *,
        table: EventTable,
        letters: Letters,
        decoder: Decoder,
        until: int,
        patiently: bool,
    ) -> None:
        self._topic = topic
        self._partition = partition
        self._account = account
        self._until = until
        self._patiently = patiently
        self._table = table
        self._letters = letters
        self._beside = _Beside(table.letters_of(partition))
        self._decoder = decoder

    async def read(self, tell: Tell, unreadable: list[str]) -> None:
        """All records from where the days may begin; what cannot be read, and was not set aside, is named."""
        held = self._account.held
        start, count = held.start, 0
        while True:
            try:
                async for record in self._topic.records(self._partition, start):
                    if record.timestamp >= self._until:
                        return
                    self._count_record(record)
                    count += 1
                    if self._patiently and count % _BREATH_EVERY == 0:
                        await asyncio.sleep(_BREATH)
                    if count % _TOLD_EVERY == 0:
                        tell(f"reading partition {self._partition}: offset {record.offset} of {held.end}")
            except UnreadablePlaceError as error:
                place = self._letters.behind(self._partition, error.offset)
                if place is None:
                    unreadable.append(str(error))
                    return
                self._set_aside(*place)
                start = place[1]
            else:
                return

    def _count_record(self, record: object) -> None:
        offset: int = record.offset  # type: ignore[attr-defined]
        account, note = self._account, self._account.note
        settled = account.committed is not None and offset < account.committed
        letters = self._beside.at(offset)
        seen = seen_in(record, self._decoder, letters, settled=settled)
        if not seen:
            return
        self._table.add(seen)
        day = seen[0].day
        if not settled:
            account.waiting[day] += len(seen)
        elif note is not None and offset < note.since:
            account.before[day] += len(seen)
        else:
            account.met.setdefault(day, Counter()).update(fates(seen))
            if len(seen) > 1 and any(letter.events > 1 for letter in letters):
                account.unsure[day] += len(seen)

    def _set_aside(self, first: int, end: int) -> None:
        """What the worker has set aside counts as one event."""
        self._beside.at(end - 1)
        day = self._letters.set_aside_days[self._partition, first]
        self._account.met.setdefault(day, Counter())[f"{DEAD}:{Stage.DECODE}"] += 1


class _Beside:
    """The letters of one partition, asked for by rising offsets."""

    def __init__(self, letters: Iterator[LetterAt]) -> None:
        self._letters = letters
        self._next = next(letters, None)

    def at(self, offset: int) -> list[LetterAt]:
        """Those of this offset; those before it are passed."""
        found = []
        while self._next is not None and self._next.offset <= offset:
            if self._next.offset == offset:
                found.append(self._next)
            self._next = next(self._letters, None)
        return found


async def _aep(route: Route, client: PlatformClient, since_day: int, tell: Tell) -> IngestedCounts:
    tell("asking AEP for its batches")
    since = since_day * DAY_MS
    return ingested_in(
        await catalog.batches(client, route.settings.aep.dataset_id or "", created_after=since - 1), since=since
    )
