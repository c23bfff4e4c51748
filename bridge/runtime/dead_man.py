"""Ends a process whose event loop no longer turns, also while something holds the interpreter's lock.

What holds the lock (a match of a regular expression, a call into C) stops every thread of Python, so no timer of Python's could
act and no signal is heard. faulthandler's own thread needs no lock: it writes where each thread is (files and lines, no values)
to stderr and ends the process with exit code 1, unless the event loop has put it off meanwhile.
"""

from __future__ import annotations

import asyncio
import faulthandler
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from typing import TextIO

_STDERR: Final = 2
_EVERY: Final = 1.0


class DeadMansSwitch:
    """While entered, the process ends when its event loop has not turned for ``seconds``; 0 for never. One a process.

    ``file`` takes the stacks, as a descriptor or an open file; it has to stay open.
    """

    def __init__(self, seconds: float, file: int | TextIO = _STDERR) -> None:
        self._seconds = seconds
        self._file = file
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if self._seconds:
            self.put_off()
            self._task = asyncio.create_task(self._run(), name="dead-mans-switch")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            faulthandler.cancel_dump_traceback_later()

    def put_off(self, most: float | None = None) -> None:
        """Begin to count anew; with ``most`` the process ends after that many seconds, if that is sooner."""
        if self._seconds:
            seconds = self._seconds if most is None else min(most, self._seconds)
            faulthandler.dump_traceback_later(seconds, exit=True, file=self._file)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(min(_EVERY, self._seconds / 4))
            self.put_off()
