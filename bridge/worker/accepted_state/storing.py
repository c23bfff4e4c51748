"""Writes what is due into the log of the state, a partition at a time, and says when it is there; tried again without an end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import structlog

from bridge.kafka.producer.refusal import RefusedByKafka
from bridge.model.errors import KafkaError

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.model.accepted_state import Memory
    from bridge.model.backoff import Backoff
    from bridge.telemetry.metrics import Metrics
    from bridge.worker.accepted_state.restoring import Log, Restoring
    from bridge.worker.accepted_state.shelf import Due, Ending, Shelf

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Storing:
    """``end`` does what waits for a value to be stored. ``trouble`` is why nothing can be stored currently, "" when it can."""

    memory: Memory
    log: Log
    restoring: Restoring
    metrics: Metrics
    backoff: Backoff
    end: Callable[[Ending], None]
    start: Callable[[Any, str], asyncio.Task[None]]
    trouble: str = ""
    tasks: dict[Shelf, asyncio.Task[None]] = field(default_factory=dict)

    def wake(self, shelf: Shelf) -> None:
        """Something of the shelf is due."""
        if shelf not in self.tasks:
            self.tasks[shelf] = self.start(self._run(shelf), "state-storing")

    async def _run(self, shelf: Shelf) -> None:
        try:
            await self._store(shelf)
        finally:
            # In the same step as the last look at what is due: what becomes due after it begins another task, or nobody would store it.
            self.tasks.pop(shelf, None)

    async def _store(self, shelf: Shelf) -> None:
        failures = 0
        # What has to be read anew is read also when nothing is due: until then nothing of the partition is mapped.
        while (shelf.due or shelf.outdated or not shelf.ready) and self.restoring.is_current(shelf):
            if not shelf.ready:
                await self.restoring.run([shelf])
                continue
            try:
                await self.log.append(shelf.partition, self._entries(shelf))
            except RefusedByKafka as refused:
                self._refused(shelf, refused)
            except KafkaError as error:
                failures += 1
                self._fails(shelf, error)
                await asyncio.sleep(self.backoff.delay(failures))
            else:
                failures = 0
                self._confirm(shelf)

    def _entries(self, shelf: Shelf) -> list[tuple[bytes, bytes | None]]:
        storing, state, to_stored = shelf.begin_storing(), shelf.state, self.memory.to_stored
        entries: list[tuple[bytes, bytes | None]] = []
        for key, due in storing.items():
            if due.value is None or state is None:
                entries.append((key, None if due.value is None else to_stored(due.value)))
            else:
                entries.append(state.entry(key, to_stored(due.value)))
        entries += shelf.outdated
        return entries

    def _confirm(self, shelf: Shelf) -> None:
        if self.trouble:
            _log.info("state_writable", detail="The route's accepted state can be stored again.", topic=self.log.name)
        self.trouble = ""
        self.metrics.state_writable.set(1)
        storing, shelf.storing, shelf.outdated = shelf.storing, {}, []
        current = self.restoring.is_current(shelf)
        for key, due in storing.items():
            if shelf.state is not None and due.value is not None and current:
                before = shelf.state.stored(key, due.value)
                if before is not None:
                    shelf.outdated.append(before)
            self._end(due)

    def _end(self, due: Due) -> None:
        for ending in due.endings:
            self.end(ending)

    def _fails(self, shelf: Shelf, error: KafkaError) -> None:
        shelf.put_back()
        # What of it is stored is not known, and it may be stored later than what comes next: under another number that does no harm.
        shelf.ready = shelf.state is None
        if not self.trouble:
            _log.error(
                "state_unwritable",
                detail="The route's accepted state cannot be stored; that is retried, and offsets are not committed meanwhile.",
                topic=self.log.name,
                error=str(error),
            )
        self.trouble = str(error)
        self.metrics.state_writable.set(0)

    def _refused(self, shelf: Shelf, refused: RefusedByKafka) -> None:
        """Kafka will never store some of it: their events are delivered, and would hold their partition for ever."""
        _log.error(
            "state_refused",
            detail="Kafka refuses the state of some keys for good; their last stored state stays.",
            topic=self.log.name,
            count=len(refused.refused),
            codes=sorted({each.code for each in refused.refused}),
        )
        self.metrics.state_refused.inc(len(refused.refused))
        storing, shelf.storing, shelf.outdated = shelf.storing, {}, []
        # The others are stored: what is read anew says which.
        shelf.ready = shelf.state is None
        for due in storing.values():
            self._end(due)
