"""What AEP refused after its 200: found in the failed batches of a route's dataset, and stored as dead letters."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from bridge.adobe import catalog
from bridge.adobe.pages import Unreadable
from bridge.adobe.reconciliation.failed_batch import Batches, FailedBatch, batches_in
from bridge.adobe.reconciliation.refused_record import records_of
from bridge.adobe.refusals import PlatformError, Unreachable
from bridge.kafka.dead_letters.stored_letters import Filter, read
from bridge.kafka.offset_range import records_between
from bridge.kafka.producer.letter_store import store_letters
from bridge.model.errors import SettingsError
from bridge.model.verdicts import Stage
from bridge.routes.ingest_letter import letter_of
from bridge.routes.kinds import open_decoder
from bridge.routes.originals import Originals

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from bridge.adobe.client import PlatformClient
    from bridge.adobe.reconciliation.refused_record import RefusedRecord
    from bridge.model.ports import Publisher
    from bridge.settings import Route

    Tell = Callable[[str], None]
    """Takes words about what is being done now."""

_TOGETHER: Final = 10_000
"""Records that are looked up in Kafka in one reading of the topic, and held in memory meanwhile."""
_TOGETHER_BYTES: Final = 64_000_000
_AT_ONCE: Final = 500
_PROBLEMS: Final = 3
"""Batches in a row that cannot be read, after which the reading ends."""


@dataclass(frozen=True, slots=True)
class Period:
    """Batches created from ``since`` on and before ``until``; both aware."""

    since: datetime
    until: datetime


@dataclass(slots=True)
class BatchReport:
    """A batch and what its files hold: failed records by code and field, and the ``problem`` that ended the reading early."""

    batch: FailedBatch
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    problem: str = ""

    @property
    def read(self) -> int:
        """Failed records in the files."""
        return self.reasons.total()

    @property
    def missing(self) -> int:
        """Failed records that Catalog counts and the files do not hold."""
        return max(0, (self.batch.failed or 0) - self.read)


@dataclass(slots=True)
class FailedBatchesFound:
    """What came of it: letters ``stored`` now (``matched`` with the event in Kafka, ``cut`` to fit) and ``before``."""

    reports: list[BatchReport] = field(default_factory=list)
    under_way: int = 0
    stored: int = 0
    matched: int = 0
    cut: int = 0
    before: int = 0

    @property
    def missing(self) -> int:
        """Failed records that could not be had."""
        return sum(report.missing for report in self.reports)

    @property
    def is_whole(self) -> bool:
        """Whether everything that AEP counts could be had."""
        return not self.missing and not any(report.problem for report in self.reports)


def dataset_of(route: Route) -> str:
    """The dataset that the route's events go to. Raises ``SettingsError`` where it is not set."""
    if not route.settings.aep.dataset_id:
        raise SettingsError(
            "BRIDGE_AEP__DATASET_ID: not set; failed batches are those of a dataset",
            hint="aep-bridge setup apply writes it; AEP shows it under Datasets",
        )
    return route.settings.aep.dataset_id


async def list_failed(route: Route, client: PlatformClient, period: Period, tell: Tell) -> FailedBatchesFound:
    """Look into every batch of the period; nothing is stored."""
    listed = await _batches(route, client, period)
    done = FailedBatchesFound(under_way=listed.under_way)
    async for _batch, _record in _records(client, listed.to_read, done, tell):
        pass
    return done


async def fetch_failed(
    route: Route, client: PlatformClient, publisher: Publisher, period: Period, *, window: timedelta, tell: Tell
) -> FailedBatchesFound:
    """Store a dead letter for every failed record of the period that has none in the dead-letter topic.

    The event is looked for in Kafka from ``window`` before its batch on. Raises ``BridgeError``; what was stored until then is
    found the next time.
    """
    listed = await _batches(route, client, period)
    done = FailedBatchesFound(under_way=listed.under_way)
    if not listed.to_read:
        return done
    tell("reading the dead letters that are stored")
    # Letters tell their time to the millisecond.
    wanted = Filter(stage=Stage.INGEST, since=period.since - timedelta(seconds=1))
    known = {
        (stored.letter.batch, stored.letter.record)
        async for stored in read(route.settings.kafka, wanted, open_decoder(route))
    }
    waiting: list[tuple[FailedBatch, RefusedRecord]] = []
    size = 0
    try:
        async for batch, record in _records(client, listed.to_read, done, tell):
            if (place := (batch.identifier, record.digest)) in known:
                done.before += 1
                continue
            known.add(place)
            waiting.append((batch, record))
            size += len(record.value)
            if len(waiting) >= _TOGETHER or size >= _TOGETHER_BYTES:
                together, waiting, size = waiting, [], 0
                await _store(route, publisher, together, done, window=window, tell=tell)
    except (Unreachable, Unreadable, PlatformError):
        # What was read before AEP went away is not to be read again.
        if waiting:
            await _store(route, publisher, waiting, done, window=window, tell=tell)
        raise
    if waiting:
        await _store(route, publisher, waiting, done, window=window, tell=tell)
    return done


async def _batches(route: Route, client: PlatformClient, period: Period) -> Batches:
    after = _milliseconds(period.since) - 1
    found = await catalog.batches(client, dataset_of(route), created_after=after)
    return batches_in(found, until=_milliseconds(period.until))


async def _records(
    client: PlatformClient, batches: Sequence[FailedBatch], done: FailedBatchesFound, tell: Tell
) -> AsyncIterator[tuple[FailedBatch, RefusedRecord]]:
    in_a_row = 0
    for number, batch in enumerate(batches, start=1):
        tell(f"reading batch {number} of {len(batches)}")
        report = BatchReport(batch)
        try:
            async for record in records_of(client, batch.identifier):
                report.reasons[record.code, record.field] += 1
                yield batch, record
        except (Unreachable, Unreadable, PlatformError) as error:
            report.problem = str(error)
            # One batch must not stand before all the others; without rights or connection it is every batch.
            in_a_row += 1
            if in_a_row >= _PROBLEMS or (isinstance(error, PlatformError) and error.status in (401, 403)):
                raise
        else:
            in_a_row = 0
        # A batch whose counts are absent, and that holds none, has simply succeeded.
        if report.read or batch.failed or report.problem:
            done.reports.append(report)


async def _store(
    route: Route,
    publisher: Publisher,
    waiting: Sequence[tuple[FailedBatch, RefusedRecord]],
    done: FailedBatchesFound,
    *,
    window: timedelta,
    tell: Tell,
) -> None:
    kafka = route.settings.kafka
    decoder = open_decoder(route)
    originals = Originals(decoder, {record.identifier for _, record in waiting if record.identifier})
    since = min(batch.created for batch, _ in waiting) - window // timedelta(milliseconds=1)
    tell(f"looking for {len(waiting)} events in {kafka.topic}")
    async for record in records_between(kafka, since, max(batch.finished for batch, _ in waiting)):
        originals.look_at(record)
    letters = [
        letter_of(route, decoder, batch, record, originals.found.get(record.identifier or ""))
        for batch, record in waiting
    ]
    for start in range(0, len(letters), _AT_ONCE):
        tell(f"storing dead letters: {start} of {len(letters)}")
        part = letters[start : start + _AT_ONCE]
        await store_letters(publisher, kafka.dead_letter_topic, part)
        done.stored += len(part)
        done.matched += sum(each.letter.topic is not None for each in part)
        done.cut += sum(each.newly_cut for each in part)


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
