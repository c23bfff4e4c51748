"""One dataset: records wait for the next batch, are validated, and are in it or in a failed batch.

Kept are ids, counts and a bounded number of failed lines, batches and rows; records themselves only until their batch.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from bridge.emulators.adobe.ingestion.batch import Batch, new_batch_id
from bridge.emulators.adobe.ingestion.dataset_rules import Readings
from bridge.emulators.adobe.ingestion.failed_records import FORMS, failed_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, MutableSet, Sequence

    from bridge.emulators.adobe.ingestion.dataset_rules import Limits
    from bridge.emulators.adobe.ingestion.validation import Violation

    Validate = Callable[[Mapping[str, Any], Mapping[str, Any] | None], "Outcome"]
    """From a message, and the mapping set of its dataflow where it is raw, to what becomes of it."""

_SLICE: Final = 100
_HOUR: Final = 3_600_000
_VANISHED_KEPT: Final = 10_000
_COMPACTED: Final = 3
_WITH_ROWS: Final = 50
"""Batches of which the first rows are kept."""
PREVIEW: Final = 100


class Outcome(NamedTuple):
    """What validation says of a message: what the dataset would hold, and what is wrong with it."""

    entity: Mapping[str, Any]
    violations: Sequence[Violation]
    mapper: bool = False
    """Whether it was Data Prep that failed."""


Waiting = tuple[str, Any, str, Any]
"""Id, message as JSON (None where nothing looks at it), dataflow and its mapping set, of a record."""


class Dataset:
    """See the module. ``now_ms``: milliseconds since the epoch; ``new_ids`` makes a set of ids."""

    def __init__(
        self,
        identifier: str,
        *,
        limits: Limits,
        now_ms: Callable[[], int],
        new_ids: Callable[[], MutableSet[str]],
    ) -> None:
        self.identifier = identifier
        self.limits = limits
        self.readings = Readings()
        self._now_ms = now_ms
        self._new_ids = new_ids
        self.validate: Validate | None = None
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.ingested = self._new_ids()
        self.failed = self._new_ids()
        self.rows = 0
        self.failed_rows = 0
        self.vanished = 0
        self.vanished_ids: set[str] = set()
        self.expired_batches = 0
        self.batches: dict[str, Batch] = {}
        self.preview: deque[bytes] = deque(maxlen=PREVIEW)
        self.hours: dict[tuple[int, str], Counter[str]] = {}
        self._waiting: list[Waiting] = []
        self._closing: deque[Waiting] = deque()
        self._kept_lines = 0
        self._windows = 0
        self._sampled = 0
        self._uncompacted: list[str] = []
        self._with_rows: deque[Batch] = deque()
        self._under_way: Iterator[None] | None = None

    @property
    def queued(self) -> int:
        """Records that wait for their batch."""
        return len(self._waiting) + len(self._closing)

    def queued_ids(self) -> Iterator[str]:
        """Their ids."""
        yield from (one[0] for one in self._closing)
        yield from (one[0] for one in self._waiting)

    def accept(
        self,
        identifier: str,
        message: Mapping[str, Any],
        flow_id: str = "",
        mapping: Mapping[str, Any] | None = None,
    ) -> None:
        """A record that was answered 200."""
        waiting = self._waiting
        # Without a schema nobody looks at a record again, but for the first ones of a preview. As bytes, since thousands of
        # waiting objects would make every garbage collection of the process dear.
        kept = None
        if self.validate is not None or self._sampled < PREVIEW:
            self._sampled += 1
            kept = orjson.dumps(message)
        waiting.append((identifier, kept, flow_id, mapping))
        if len(waiting) >= self.limits.queue_records:
            self.settle()

    def vanish(self, identifier: str) -> None:
        """A record that was answered 200 while its dataflow was not warm: nobody hears of it again."""
        self.vanished += 1
        if len(self.vanished_ids) < _VANISHED_KEPT:
            self.vanished_ids.add(identifier)

    def settle(self) -> None:
        """Close the batch under way and the next one, now."""
        for _ in range(2):
            for _ in self.closing():
                pass

    def closing(self) -> Iterator[None]:
        """Close a batch in small steps: each ``next`` looks at some records."""
        if self._under_way is None:
            if not self._waiting:
                return
            self._closing.extend(self._waiting)
            self._waiting = []
            self._under_way = self._close()
        steps = self._under_way
        for _ in steps:
            yield
        if self._under_way is steps:
            self._under_way = None

    def _close(self) -> Iterator[None]:
        now = self._now_ms()
        good = Batch(new_batch_id(now), self.identifier, "success", now, 0)
        bad = Batch(new_batch_id(now), self.identifier, self.readings.failed_status, now, 0)
        flows: set[str] = set()
        while self._closing:
            chunk = [self._closing.popleft() for _ in range(min(_SLICE, len(self._closing)))]
            for waiting in chunk:
                if waiting[1] is None:
                    self.ingested.add(waiting[0])
                else:
                    self._look_at(waiting, now, good, bad)
            for flow_id, count in Counter(one[2] for one in chunk if one[1] is None).items():
                self._pass(flow_id, now, good, count)
            flows.update(one[2] for one in chunk)
            yield
        self._windows += 1
        self._store(now, good, bad, tuple(sorted(flows - {""})))

    def _pass(self, flow_id: str, now: int, good: Batch, count: int) -> None:
        counts = self.hours.setdefault((now // _HOUR * _HOUR, flow_id), Counter())
        counts["received"] += count
        counts["passed"] += count
        self.rows += count
        good.records += count

    def _look_at(self, waiting: Waiting, now: int, good: Batch, bad: Batch) -> None:
        identifier, kept, flow_id, mapping = waiting
        message = orjson.loads(kept)
        outcome = None if self.validate is None else self.validate(message, mapping)
        if outcome is not None and outcome.violations:
            # A raw record has no envelope of its own: its file has it as the body.
            told = message if mapping is None else {"header": {"flowId": flow_id}, "body": message}
            self._fail(identifier, told, outcome, bad)
            counts = self.hours.setdefault((now // _HOUR * _HOUR, flow_id), Counter())
            counts["received"] += 1
            counts["failed"] += 1
            return
        self.ingested.add(identifier)
        self._pass(flow_id, now, good, 1)
        if len(good.rows) < PREVIEW or len(self.preview) < PREVIEW:
            row = orjson.dumps(_entity_of(message) if outcome is None else outcome.entity)
            good.size += len(row)
            if len(good.rows) < PREVIEW:
                good.rows.append(row)
            if len(self.preview) < PREVIEW:
                self.preview.append(row)

    def _fail(self, identifier: str, message: Mapping[str, Any], outcome: Outcome, bad: Batch) -> None:
        form = self.readings.form
        if form == "mixed":
            form = FORMS[self.failed_rows % len(FORMS)]
        kind = "_mapper" if outcome.mapper else "_streamingValidation"
        line = failed_line(message, outcome.violations, form, kind)
        bad.lines.append(line)
        bad.told.append(orjson.dumps([{"code": one.code, "message": one.told} for one in outcome.violations]))
        bad.records += 1
        bad.failed_records += 1
        bad.mapper_failures += outcome.mapper
        bad.size += len(line)
        first = outcome.violations[0]
        words, count = bad.reasons.get(first.code, (first.told, 0))
        bad.reasons[first.code] = words, count + 1
        self.failed.add(identifier)
        self.failed_rows += 1

    def _store(self, now: int, good: Batch, bad: Batch, flows: tuple[str, ...]) -> None:
        partial = self.readings.partial
        together = (
            good.records and bad.records and (partial == "always" or (partial == "mixed" and self._windows % 2 == 0))
        )
        if together:
            good.records += bad.records
            good.failed_records, good.lines, good.told = bad.failed_records, bad.lines, bad.told
            good.reasons = bad.reasons
            good.mapper_failures = bad.mapper_failures
            good.size += bad.size
        for batch in (good,) if together else (good, bad):
            if batch.records:
                batch.flow_ids = flows
                batch.completed = max(now, self._now_ms())
                self.batches[batch.identifier] = batch
                self._kept_lines += len(batch.lines)
                self._with_rows.append(batch)
                if batch is good:
                    self._uncompacted.append(batch.identifier)
        while len(self._with_rows) > _WITH_ROWS:
            self._with_rows.popleft().rows = []
        if self.readings.compaction and len(self._uncompacted) >= _COMPACTED:
            self._compact(now)
        self.expire()

    def _compact(self, now: int) -> None:
        """Replace the last batches by one: who counts all of them counts twice."""
        old = [self.batches[one] for one in self._uncompacted if one in self.batches]
        made = Batch(new_batch_id(now), self.identifier, "success", now, sum(one.passed for one in old), completed=now)
        made.predecessors = tuple(one.identifier for one in old)
        made.rows = [row for one in old for row in one.rows][:PREVIEW]
        for one in old:
            one.successor, one.status = made.identifier, "inactive"
        self.batches[made.identifier] = made
        self._uncompacted = []

    def expire(self) -> None:
        """Forget failed batches beyond their retention, and the oldest of what is too much."""
        oldest = self._now_ms() - self.limits.retention_seconds * 1000
        for batch in [*self.batches.values()]:
            over = self._kept_lines > self.limits.failed_records and batch.lines
            if over or len(self.batches) > self.limits.batches or (batch.failed_records and batch.created <= oldest):
                del self.batches[batch.identifier]
                self._kept_lines -= len(batch.lines)
                self.expired_batches += bool(batch.failed_records)
            elif self._kept_lines <= self.limits.failed_records and batch.created > oldest:
                break

    def summary(self) -> dict[str, Any]:
        """Counts of records, and of distinct ids."""
        return {
            "ingested": self.rows,
            "ingested_ids": len(self.ingested),
            "failed": self.failed_rows,
            "failed_ids": len(self.failed),
            "queued": self.queued,
            "vanished": self.vanished,
            "batches": len(self.batches),
            "expired_batches": self.expired_batches,
        }


def _entity_of(message: Mapping[str, Any]) -> Mapping[str, Any]:
    body = message.get("body")
    entity = body.get("xdmEntity") if isinstance(body, dict) else None
    return entity if isinstance(entity, dict) else message
