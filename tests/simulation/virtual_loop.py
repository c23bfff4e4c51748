"""An event loop on virtual time whose order is chosen by a seed, and the processes that live in it and can be killed."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
from contextvars import ContextVar, copy_context
from heapq import heappop, heappush
from itertools import count

BEGIN = 1_000_000.0
"""Virtual seconds at which a run begins."""
_STEPS_AT_ONCE = 20_000
"""Steps without time passing that no honest work takes."""

PROCESS: ContextVar[SimulatedProcess | None] = ContextVar("simulated_process", default=None)


class HotLoopError(AssertionError):
    """Work goes round without time passing."""


class SimulatedProcess:
    """What can be killed and stopped as a whole: everything that is scheduled from within :meth:`run`."""

    def __init__(self, loop, name):
        self.name, self.dead, self.paused = name, False, False
        self.code = None
        self.stopped_seconds = 0.0
        self._since = 0.0
        self._loop = loop
        self._stash = []
        self._context = copy_context()
        self._context.run(PROCESS.set, self)

    def spawn(self, work):
        """Run a coroutine as a task of this process."""
        return self._context.run(self._loop.create_task, work)

    def kill(self, code=-9):
        """End it as ``kill -9`` does: nothing of it ever runs again."""
        self.dead, self.code = True, code if self.code is None else self.code
        self._stash.clear()

    def pause(self):
        """Stop it as SIGSTOP does."""
        if not self.paused:
            self.paused, self._since = True, self._loop.time()

    def resume(self):
        """Let it go on, with everything at once that became due meanwhile."""
        if self.paused:
            self.stopped_seconds += self._loop.time() - self._since
        self.paused = False
        stash, self._stash = self._stash, []
        if not self.dead:
            self._loop._ready.extend(stash)

    def keep(self, handle):
        """Hold what became due while it is stopped."""
        self._stash.append(handle)


_numbers = count()


class _Task(asyncio.Task):
    """A task whose place in a set depends on nothing but when it was made."""

    def __init__(self, *args, **kwargs):
        self._number = next(_numbers)
        super().__init__(*args, **kwargs)

    def __hash__(self):
        return self._number

    def __eq__(self, other):
        return self is other


class SimulatedLoop(asyncio.BaseEventLoop):
    """Runs one callback after the other; of those that are ready ``random`` picks one with the chance ``disorder``, else the oldest.

    ``after_step`` is called after each. Time passes only when nothing is ready.
    """

    def __init__(self, random, disorder, after_step):
        super().__init__()
        self._random, self._disorder, self._after_step = random, disorder, after_step
        self._now = BEGIN
        self._ready = []
        self._number = count()
        self.steps = 0
        self.made = []
        self.set_task_factory(self._make)
        self.errors = []
        self._outside = copy_context()
        self.set_exception_handler(lambda _loop, context: self.errors.append(context))

    def _make(self, loop, work, **kwargs):
        task = _Task(work, loop=loop, **kwargs)
        task._log_destroy_pending = False
        self.made.append(task)
        if len(self.made) > 50_000:
            self.made = [each for each in self.made if not each.done()]
        return task

    def outside(self, delay, callback, *args):
        """Call back in so many seconds, whatever becomes of the process that asks."""
        return self.call_at(self._now + delay, callback, *args, context=self._outside)

    def fail(self, error):
        """End the run over this error, whoever would swallow it."""
        self.errors.append({"exception": error})

    def time(self):
        """Virtual seconds."""
        return self._now

    def call_at(self, when, callback, *args, context=None):
        """As the base's, on a heap that compares numbers."""
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heappush(self._scheduled, (when, next(self._number), handle))
        return handle

    def call_later(self, delay, callback, *args, context=None):
        """As the base's."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def _write_to_self(self):
        """There is no selector to wake."""

    def _process_events(self, event_list):
        """There are no events from outside."""

    def run_in_executor(self, executor, func, *args):
        """Threads have an order of their own, which no seed chooses."""
        raise AssertionError("the simulated worker must not use threads")

    def _run_once(self):
        ready, scheduled, draw = self._ready, self._scheduled, self._random.random
        dead_end = self.steps + _STEPS_AT_ONCE
        while not self._stopping:
            if not ready:
                while scheduled and scheduled[0][2]._cancelled:
                    heappop(scheduled)
                if not scheduled:
                    raise AssertionError("nothing is left to do, and the run is not over")
                self._now = max(self._now, scheduled[0][0])
                dead_end = self.steps + _STEPS_AT_ONCE
            now = self._now
            while scheduled and scheduled[0][0] <= now:
                handle = heappop(scheduled)[2]
                if not handle._cancelled:
                    ready.append(handle)
            if not ready:
                continue
            at = int(draw() * len(ready)) if self._disorder and len(ready) > 1 and draw() < self._disorder else 0
            handle = ready.pop(at)
            if handle._cancelled:
                continue
            process = handle._context.get(PROCESS)
            if process is not None:
                if process.dead:
                    continue
                if process.paused:
                    process.keep(handle)
                    continue
            self.steps += 1
            if self.steps > dead_end:
                raise HotLoopError(f"{_STEPS_AT_ONCE} steps without time passing; the last is {handle!r}")
            handle._run()
            self._after_step(process)

    def shut_down(self):
        """Drop everything. What coroutines do at their end has no effect any more, whatever it is."""
        before, sys.unraisablehook = sys.unraisablehook, lambda _unraisable: None
        try:
            for task in self.made:
                if not task.done():
                    with contextlib.suppress(BaseException):
                        task.get_coro().close()
            self._ready.clear()
            self._scheduled.clear()
            self.made.clear()
            self.close()
            gc.collect()
        finally:
            sys.unraisablehook = before
