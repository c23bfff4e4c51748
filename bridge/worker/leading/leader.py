"""What one worker does for all of its route: the owner of the topic's first partition leads, and runs the route's leader tasks.

Kafka's own group decides who leads, so that there is one leader at a time and another one soon after it is gone. A lead ends
before the partition is another worker's: what is being written is waited for, and nothing more is begun. A process that was
stopped for a while (a debugger, a machine that was frozen) cannot know whether it still leads, and waits until its membership
has been looked at. Tasks run beside the stream and have no part in readiness: a run that fails is told and tried again.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Final

import structlog

from bridge.model.errors import BridgeError, LeadLost
from bridge.runtime.deadline import Deadline
from bridge.worker.leading.run_notes import RunNotes
from bridge.worker.leading.term import Term, begun_term

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bridge.kafka.consumer.ledger import Ledger
    from bridge.model.ports import LeaderTask, Publisher, StateStore
    from bridge.telemetry.metrics import Metrics

_log = structlog.get_logger(__name__)
_TICK: Final = 0.5
_LONGEST_RETRY: Final = 5
"""Times a task's first pause after a failed run."""
_REMIND_SECONDS: Final = 3600.0
_END_SECONDS: Final = 1.0
"""For works that were cancelled, at the end of the process."""
_LONG_SECONDS: Final = 10.0
"""After which a work that was cancelled and goes on is told: no lead begins beside it."""


class Leader:
    """Runs the ``tasks`` while the worker owns the first partition of ``topic``.

    ``session_seconds``: how long Kafka keeps a member that it does not hear of. ``stopping``: whether the worker's end has begun.
    ``clock`` is monotonic, ``wall`` seconds since 1970.
    """

    def __init__(
        self,
        tasks: Sequence[LeaderTask],
        *,
        topic: str,
        group: str,
        ledger: Ledger,
        publisher: Publisher,
        state: StateStore,
        metrics: Metrics,
        session_seconds: float,
        stopping: Callable[[], bool],
        clock: Callable[[], float],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._tasks = [task for task in tasks if not task.off]
        self._off = [task for task in tasks if task.off]
        self._place = (topic, 0)
        self._notes = RunNotes(group, metrics, wall)
        self._ledger = ledger
        self._publisher = publisher
        self._state = state
        self._metrics = metrics
        self._standstill = session_seconds / 2
        self._stopping = stopping
        self._clock = clock
        self._wall = wall
        self._turned = clock()
        self._not_before = 0.0
        self._term: Term | None = None
        self._ending: set[asyncio.Task[None]] = set()
        """Works of terms that are over."""
        self._ending_since: float | None = None
        """When the oldest of them was cancelled; None once that was told."""
        self._resigned: int | None = None
        self._due: dict[str, float] = {}
        """Task -> when its next success is due, by the wall clock."""
        for task in self._tasks:
            metrics.leader_overdue_seconds.labels(task.name).set(0)
            metrics.leader_notes_lost.labels(task.name)
            for result in ("done", "failed"):
                metrics.leader_runs.labels(task.name, result)

    @property
    def leads(self) -> bool:
        """Whether a term is under way."""
        return self._term is not None

    def still_leads(self, term: Term) -> bool:
        """Whether a term still holds, as far as this process can know."""
        return (
            term is self._term
            and self._clock() - self._turned <= self._standstill
            and self._generation() == term.generation
        )

    async def run(self) -> None:
        """Lead whenever it is this worker's turn, until cancelled."""
        try:
            while self._tasks or self._off:
                self._turn()
                self._show()
                await asyncio.sleep(_TICK)
        finally:
            if self._term is not None:
                self._end(self._term)
            await self._until_ended(_END_SECONDS)
            for task in self._tasks:
                await task.aclose()

    async def resign(self, within: float) -> None:
        """The partitions are given away: begin nothing more, and wait ``within`` seconds at most for what is being written, and for all works to end."""
        # Also where it has not begun yet: it must not begin while the worker gives its partitions away.
        if (generation := self._generation()) is not None:
            self._resigned = generation
        term = self._term
        if term is None:
            return
        term.over = True
        deadline = Deadline.after(self._clock, within)
        try:
            with contextlib.suppress(TimeoutError):
                async with deadline.timeout():
                    while term.writing:  # noqa: ASYNC110 - bounded, and at the end of a lead only
                        await asyncio.sleep(0.02)
        finally:
            # Also where whoever gives the partitions away has no more time: a term that is over and stays would keep the next from beginning.
            self._end(term)
        await self._until_ended(deadline.left)

    def _generation(self) -> int | None:
        """Of the assignment that holds the first partition; None without it."""
        found = None if self._stopping() else self._ledger.positions().get(self._place)
        return None if found is None or found[0] == self._resigned else found[0]

    def _turn(self) -> None:
        now = self._clock()
        if now - self._turned > self._standstill:
            # Kafka may have given the partition away meanwhile; by then the client has heard of it.
            self._not_before = now + self._standstill
            if self._term is not None:
                self._end(self._term)
        self._turned = now
        if self._term is not None and self._term.over:
            return  # it is being resigned, and what is being written may end
        generation = self._generation() if now >= self._not_before else None
        if self._term is not None and self._term.generation != generation:
            self._end(self._term)
        if self._ending:
            self._tell_ending(now)
        elif self._term is None and generation is not None:
            self._begin(generation)

    def _begin(self, generation: int) -> None:
        for task in self._off:
            _log.info("leader_task_off", detail="This task does not run.", task=task.name, why=task.off)
        self._off = []
        if not self._tasks:
            return
        term = self._term = begun_term(generation, self._publisher, self._state, self.still_leads)
        names = [task.name for task in self._tasks]
        _log.info("leading", detail="This worker has the first partition and runs the route's tasks.", tasks=names)
        self._due = {}
        term.works = [asyncio.create_task(self._work(task, term), name=f"leader-{task.name}") for task in self._tasks]

    def _end(self, term: Term) -> None:
        if term is not self._term:
            return
        term.over = True
        for work in term.works:
            work.cancel()
            self._ending.add(work)
            work.add_done_callback(self._ending.discard)
        self._ending_since = self._clock()
        self._term = None
        _log.info("led", detail="Another worker may run the route's tasks now.")

    async def _until_ended(self, within: float) -> None:
        if self._ending:
            await asyncio.wait(self._ending, timeout=within)

    def _tell_ending(self, now: float) -> None:
        if self._ending_since is not None and now - self._ending_since >= _LONG_SECONDS:
            self._ending_since = None
            _log.error(
                "leader_task_does_not_end",
                detail="It was cancelled and still runs; this worker runs no task before it has ended.",
                tasks=sorted(work.get_name() for work in self._ending),
            )

    def _show(self) -> None:
        now = self._wall()
        for task in self._tasks:
            late = 0.0 if self._term is None and not self._ending else max(0.0, now - self._due.get(task.name, now))
            self._metrics.leader_overdue_seconds.labels(task.name).set(late)

    async def _work(self, task: LeaderTask, term: Term) -> None:
        """Run a task again and again, until the term is over: also where a run takes its cancellation for a failure."""
        while not term.over:
            try:
                await self._runs(task, term)
            except Exception as error:  # noqa: BLE001 - nobody else would hear of it, and the task would never run again
                pause = task.retry_seconds * _LONGEST_RETRY
                self._due.setdefault(task.name, self._wall())
                self._metrics.leader_runs.labels(task.name, "failed").inc()
                self._tell(task, error, type(error).__name__, failures=1, pause=pause)
                await self._pause(pause, term)

    async def _runs(self, task: LeaderTask, term: Term) -> None:
        note = await self._notes.recall(task.name, term.state)
        self._due[task.name] = task.due(note.succeeded, self._wall() if note.succeeded is not None else note.since)
        failures, told, told_at = 0, "", 0.0
        while not term.over:
            await asyncio.sleep(max(0.0, self._due[task.name] - self._wall()))
            try:
                await task.run(term)
            except LeadLost:
                # Where it is only this process that stood still, it goes on.
                await self._pause(self._standstill, term)
            except Exception as error:  # noqa: BLE001 - it must take neither the worker nor the other tasks along
                failures += 1
                self._metrics.leader_runs.labels(task.name, "failed").inc()
                pause = task.retry_seconds * min(2 ** min(failures - 1, 10), _LONGEST_RETRY)
                why = str(error) if isinstance(error, BridgeError) else type(error).__name__
                if why != told or self._clock() - told_at >= _REMIND_SECONDS:
                    told, told_at = why, self._clock()
                    self._tell(task, error, why, failures=failures, pause=pause)
                await self._pause(pause, term)
            else:
                if failures:
                    _log.info("leader_task_works_again", detail="A run has succeeded.", task=task.name, failed=failures)
                failures, told = 0, ""
                self._metrics.leader_runs.labels(task.name, "done").inc()
                now = self._wall()
                self._due[task.name] = task.due(now, now)
                await self._notes.succeeded(task.name, term.state, now)

    async def _pause(self, seconds: float, term: Term) -> None:
        if not term.over:
            await asyncio.sleep(seconds)

    def _tell(self, task: LeaderTask, error: Exception, why: str, *, failures: int, pause: float) -> None:
        ours = isinstance(error, BridgeError)
        (_log.warning if ours else _log.error)(
            "leader_task_failed",
            detail="The task is retried; events are delivered all the same.",
            task=task.name,
            why=why,
            hint=error.hint if isinstance(error, BridgeError) else None,
            failures=failures,
            again_in_seconds=round(pause, 1),
            exc_info=None if ours else error,
        )
