"""Joins the state of a route with the worker: events are prepared from it, and it is stored before their offsets may be committed.

One rule for all: a change is stored once every element of its event is accepted. One refused element keeps it from that, whatever became of
the others: the dead letter, sent again, makes the whole change. What the memory wants remembered of a refusal is stored before the dead letter.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, Protocol

from bridge.model.backoff import Backoff
from bridge.worker.accepted_state.fenced_state import FencedState
from bridge.worker.accepted_state.restoring import Restoring
from bridge.worker.accepted_state.shelf import Ending, Shelf, Unfinished
from bridge.worker.accepted_state.storing import Storing
from bridge.worker.event_places import row_and_part

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from random import Random

    from bridge.kafka.consumer.chunk import Chunk
    from bridge.kafka.consumer.ledger import Ledger
    from bridge.model.accepted_state import Change, Consumed, Memory
    from bridge.model.event import Event, LeftOut
    from bridge.model.verdicts import Rejected
    from bridge.telemetry.metrics import Metrics
    from bridge.worker.accepted_state.restoring import Log

_LOOK_SECONDS: Final = 0.1
_PATIENCE_SECONDS: Final = 2.0
"""Reading that takes no longer is no reason not to be ready."""


class LetterQueue(Protocol):
    """Takes refused events (:class:`bridge.kafka.dead_letters.store.DeadLetters`)."""

    def put(self, chunk: Chunk, row: int, part: int | None, rejected: Rejected, attempts: int) -> None:
        """One event, or a record as a whole."""
        ...


class StateKeeper:
    """``finished`` is told of events of a chunk that have come to their end. ``is_ours`` as in :class:`Restoring`."""

    def __init__(
        self,
        memory: Memory,
        log: Log,
        ledger: Ledger,
        letters: LetterQueue,
        metrics: Metrics,
        *,
        finished: Callable[[Chunk, int], Any],
        is_ours: Callable[[], Awaitable[bool]],
        on_failure: Callable[[BaseException], None],
        random: Random,
        clock: Callable[[], float],
    ) -> None:
        self._memory = memory
        self._log = log
        self._ledger = ledger
        self._letters = letters
        self._metrics = metrics
        self._finished = finished
        self._on_failure = on_failure
        self._clock = clock
        self._partitions = 0
        self._generation: int | None = None
        self._shelves: dict[int, Shelf] = {}
        self._written = Shelf(None, 0, None, ready=True)
        """Where everything goes that is only written."""
        backoff = Backoff(random, cap=5.0)
        self._restoring = Restoring(log, is_ours, self._is_current, backoff, random, clock)
        self._storing = Storing(memory, log, self._restoring, metrics, backoff, self._end, self._start, clock)
        self._restorer: asyncio.Task[None] | None = None
        self._closed = False
        metrics.state_writable.set(1)

    # The way in: what is mapped.

    async def open(self) -> None:
        """Find the topic; errors as :meth:`Log.open`."""
        self._partitions = await self._log.open()

    def is_ready(self, chunk: Chunk) -> bool:
        """Whether the chunk may be mapped now."""
        if not self._memory.joins:
            return True
        shelf = self._shelves.get(chunk.partition[1])
        return shelf is not None and shelf.generation == chunk.generation and shelf.ready

    async def wait_for(self, chunk: Chunk) -> None:
        """Wait until the state of the chunk's partition is there, or the chunk is nobody's any more."""
        while not (chunk.closed or self._closed or self.is_ready(chunk)):
            if chunk.generation != self._generation:
                self._begin(chunk.generation)
            if self._restorer is None or self._restorer.done():
                await asyncio.sleep(_LOOK_SECONDS)
            else:
                await asyncio.wait({self._restorer}, timeout=_LOOK_SECONDS)

    def _begin(self, generation: int) -> None:
        """The shelves of another assignment; what was known of a partition is read on from where it was left."""
        before, self._shelves, self._generation = self._shelves, {}, generation
        for place in self._ledger.committed():
            known = before[place[1]].state if place[1] in before else None
            state = known or FencedState(self._memory.from_stored, self._partitions)
            self._shelves[place[1]] = Shelf(place, generation, state)
        self._restorer = self._start(self._restoring.run(list(self._shelves.values())), "state-restoring")

    def _is_current(self, shelf: Shelf) -> bool:
        if self._closed:
            return False
        if shelf.place is None:
            return True
        return self._shelves.get(shelf.place[1]) is shelf and self._ledger.holds(shelf.place, shelf.generation)

    def prepare(self, chunk: Chunk, event: Event, record: Consumed) -> tuple[Event, Unfinished | None]:
        """The event as it is to be mapped, and what its elements' verdicts decide about."""
        shelf = self._shelves[chunk.partition[1]] if self._memory.joins else self._written
        event, change = self._memory.prepare(event, record, shelf.recall)
        return event, None if change is None else Unfinished(shelf, change)

    def rehearse(self, event: Event, record: Consumed) -> Event:
        """The event as it would be mapped, were nothing known."""
        return self._memory.prepare(event, record, lambda _key: None)[0]

    def without_event(self, record: Consumed, outcome: Rejected | LeftOut) -> Unfinished | None:
        """What is to be remembered where decoding gave no event."""
        change = None if self._memory.joins else self._memory.without_event(record, outcome)
        return None if change is None else Unfinished(self._written, change, final=True)

    def mapped(self, event: Unfinished, elements: int) -> None:
        """``elements`` of the event are sent; on what was refused already nothing builds."""
        event.left = elements
        if elements and not event.refused:
            event.shelf.advance(event)

    def tally(self) -> None:
        """Once a chunk."""
        self._memory.tally()

    def forget(self) -> None:
        """After a rehearsal."""
        self._memory.forget()

    # The way out: what became of it.

    def accepted(self, chunk: Chunk, places: Sequence[int]) -> None:
        """The destination has accepted these elements of the chunk."""
        if chunk.closed:
            return
        events, free = chunk.unfinished, 0
        for at in places:
            event: Unfinished | None = events[at]
            if event is None:
                free += 1
                continue
            event.held += 1
            event.left -= 1
            if not event.left:
                self._ended(chunk, event)
        if free:
            self._finished(chunk, free)

    def rejected(self, chunk: Chunk, at: int, rejected: Rejected, attempts: int) -> None:
        """It refuses one element for good."""
        event: Unfinished | None = chunk.unfinished[at]
        if event is not None:
            event.refused = True
            event.left -= 1
        self.refuse(chunk, chunk.places[at], rejected, attempts, event)
        if event is not None and not event.left:
            self._ended(chunk, event)

    def refuse(self, chunk: Chunk, place: int, rejected: Rejected, attempts: int, event: Unfinished | None) -> None:
        """A dead letter of the event at this place, behind what is to be remembered of it."""
        change: Change | None = None
        if event is not None:
            change = event.change if event.final else self._memory.refused(event.change, rejected)
        if event is None or change is None:
            self._letters.put(chunk, *row_and_part(place), rejected, attempts)
        else:
            self._due(event.shelf, change, Ending(chunk, letter=(place, rejected, attempts)))

    def note(self, chunk: Chunk, event: Unfinished) -> None:
        """Store the change of what a rule has left out: it counts as one event of the chunk."""
        self._due(event.shelf, event.change, Ending(chunk, 1))

    def _ended(self, chunk: Chunk, event: Unfinished) -> None:
        if event.refused:
            event.shelf.settle(event)
            if event.held:
                self._finished(chunk, event.held)
        else:
            self._due(event.shelf, event.change, Ending(chunk, event.held, event=event))

    def _due(self, shelf: Shelf, change: Change, ending: Ending) -> None:
        if shelf.is_stored(change.key, change.value):
            self._end(ending)
        else:
            shelf.put(change.key, change.value, ending)
            self._storing.wake(shelf)

    def _end(self, ending: Ending) -> None:
        chunk = ending.chunk
        if ending.event is not None:
            ending.event.shelf.settle(ending.event)
        if chunk.closed:
            return
        if ending.letter is not None:
            place, rejected, attempts = ending.letter
            self._letters.put(chunk, *row_and_part(place), rejected, attempts)
        if ending.events:
            self._finished(chunk, ending.events)

    def forget_closed(self) -> None:
        """Drop what waits to be written for partitions that are another worker's now; shelves that join end with their assignment."""
        self._written.forget_closed()

    # Looking after it.

    @property
    def held(self) -> bool:
        """Whether events wait for the state, and not for the destination."""
        return bool(self._storing.trouble) or self._restoring.reading > 0

    def keeps(self, chunk: Chunk) -> bool:
        """Whether events of the chunk wait for the state to be stored."""
        shelf = self._shelves.get(chunk.partition[1]) if self._memory.joins else self._written
        return shelf is not None and shelf.keeps(chunk)

    def trouble(self) -> str | None:
        """Why the worker is not ready."""
        restoring = self._restoring
        if self._storing.trouble:
            return f"the state topic {self._log.name} cannot be written: {self._storing.trouble}"
        if restoring.trouble:
            return f"the state topic cannot be read: {restoring.trouble}"
        if restoring.reading and self._clock() - restoring.since > _PATIENCE_SECONDS:
            return f"the state of {restoring.reading} partitions is being read: {restoring.records:,} records so far"
        return None

    def show(self) -> None:
        """Into metrics and log what may change without an event; to be called every second."""
        self._storing.look()
        states = [shelf.state for shelf in self._shelves.values() if shelf.state is not None]
        self._metrics.state_keys.set(sum(map(len, states)))
        self._metrics.state_bytes.set(sum(state.size for state in states))
        self._metrics.state_restoring.set(self._restoring.reading)

    async def close(self) -> None:
        """Give up what is under way: it is not committed, and comes again."""
        self._closed = True
        tasks = [*self._storing.tasks.values(), *([self._restorer] if self._restorer is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, work: Any, name: str) -> asyncio.Task[None]:
        def ended(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and (error := task.exception()) is not None and not self._closed:
                self._on_failure(error)

        task: asyncio.Task[None] = asyncio.create_task(work, name=name)
        task.add_done_callback(ended)
        return task
