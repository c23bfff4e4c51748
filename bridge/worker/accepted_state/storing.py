"""Writes what is due into the log of the state, a partition at a time, and says when it is there; tried again without an end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

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
_SILENT_SECONDS: Final = 8.0
"""Seconds for which a writing may be unanswered before that is told: what a new leader takes is no reason."""


@dataclass(slots=True)
class Storing:
    """``end`` does what waits for a value to be stored. ``clock``: monotonic seconds.

    ``trouble``: by shelf why nothing of it can be stored currently. ``since``: when the writing began that is under way.
    """

    memory: Memory
    log: Log
    restoring: Restoring
    metrics: Metrics
    backoff: Backoff
    end: Callable[[Ending], None]
    start: Callable[[Any, str], asyncio.Task[None]]
    clock: Callable[[], float]
    troubles: dict[Shelf, str] = field(default_factory=dict)
    since: dict[Shelf, float] = field(default_factory=dict)
    tasks: dict[Shelf, asyncio.Task[None]] = field(default_factory=dict)

    @property
    def trouble(self) -> str:
        """Why something cannot be stored currently, "" when everything can."""
        return next(iter(self.troubles.values()), "")

    def look(self) -> None:
        """Tell of what is neither stored nor refused for long: brokers that fall silent owe their answer for as long as a request may take."""
        for shelf, since in self.since.items():
            seconds = self.clock() - since
            if seconds >= _SILENT_SECONDS and shelf not in self.troubles:
                self._begin_trouble(shelf, f"the brokers have not confirmed it for {seconds:.0f} s")

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
            # What is another worker's by now, or was refused for good, is no trouble of this one.
            self._end_trouble(shelf)

    async def _store(self, shelf: Shelf) -> None:
        failures = 0
        # What has to be read anew is read also when nothing is due: until then nothing of the partition is mapped.
        while (shelf.due or shelf.outdated or not shelf.ready) and self.restoring.is_current(shelf):
            if not shelf.ready:
                await self.restoring.run([shelf])
                continue
            try:
                entries = self._entries(shelf)
                self.since[shelf] = self.clock()
                try:
                    await self.log.append(shelf.partition, entries)
                finally:
                    del self.since[shelf]
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
        self._end_trouble(shelf)
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
        self._begin_trouble(shelf, str(error))

    def _begin_trouble(self, shelf: Shelf, why: str) -> None:
        if not self.troubles:
            _log.error(
                "state_unwritable",
                detail="The route's accepted state cannot be stored; that is retried, and offsets are not committed meanwhile.",
                topic=self.log.name,
                error=why,
            )
        self.troubles[shelf] = why
        self.metrics.state_writable.set(0)

    def _end_trouble(self, shelf: Shelf) -> None:
        if self.troubles.pop(shelf, None) is None or self.troubles:
            return
        _log.info("state_writable", detail="The route's accepted state can be stored again.", topic=self.log.name)
        self.metrics.state_writable.set(1)

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
