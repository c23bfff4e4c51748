"""What SIGTERM and SIGINT mean to every long-running command, and how its event loop runs.

The first asks it to finish what is under way. A second one ends the process immediately with 128 + its number; a process that
has a parent does not heed it, since a terminal or a supervisor may signal each process of a group while the parent does too:
the parent decides about haste. In either case a bound of its own ends it should something hang (:func:`cut_off_after`).
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from typing import TYPE_CHECKING, Any, Final

import structlog
import uvloop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_log = structlog.get_logger(__name__)

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class StopSignals:
    """The handler of both signals; call it with a signal's number, or :meth:`install` it in the running loop.

    ``begin`` is called with the name of the first signal, unless ``stopping`` says that the end has begun already. ``has_parent``:
    a second signal is not heeded. ``hurry`` is called before a second signal ends the process through ``leave``, and gives what
    to add to its log line.
    """

    def __init__(
        self,
        begin: Callable[[str], None],
        stopping: Callable[[], bool],
        *,
        has_parent: bool = False,
        hurry: Callable[[], dict[str, Any]] = dict,
        leave: Callable[[int], Any] = os._exit,
    ) -> None:
        self._begin = begin
        self._stopping = stopping
        self._has_parent = has_parent
        self._hurry = hurry
        self._leave = leave

    def __call__(self, number: int) -> None:
        """A signal has arrived."""
        name = signal.Signals(number).name
        if not self._stopping():
            self._begin(name)
        elif not self._has_parent:
            _log.warning("leaving_at_once", detail="A second signal ends it immediately.", signal=name, **self._hurry())
            self._leave(128 + number)


def install(handler: Callable[[int], None]) -> None:
    """From now on the running loop calls ``handler`` with the number of each SIGTERM and SIGINT."""
    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, handler, int(number))


def stop_event() -> asyncio.Event:
    """An event of the running loop that the first SIGTERM or SIGINT sets; a second one ends the process."""
    stop = asyncio.Event()

    def begin(name: str) -> None:
        _log.info("stopping", detail="A signal asks the process to finish what is under way.", signal=name)
        stop.set()

    install(StopSignals(begin, stop.is_set))
    return stop


def run_until_stopped(main: Callable[[asyncio.Event], Awaitable[int]]) -> int:
    """Run ``main`` on uvloop with the event of :func:`stop_event`; its result is the exit code."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_main(main))


async def _main(main: Callable[[asyncio.Event], Awaitable[int]]) -> int:
    return await main(stop_event())


def cut_off_after(seconds: float) -> None:
    """End the process after ``seconds`` even if something in it hangs: offsets are safe at any moment."""

    def cut_off() -> None:
        _log.error("cut_off", detail="It did not stop in time and is ended.")
        os._exit(1)

    timer = threading.Timer(seconds, cut_off)
    timer.daemon = True
    timer.start()
