"""How a long-running command lives: uvloop, a first signal that asks it to finish, a second that ends it, and an end at any rate."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from typing import TYPE_CHECKING

import structlog
import uvloop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

log = structlog.get_logger(__name__)

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def run_until_stopped(main: Callable[[asyncio.Event], Awaitable[int]]) -> int:
    """Run ``main`` with an event that the first SIGTERM or SIGINT sets; a second one exits at once with 128 + its number."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_main(main))


async def _main(main: Callable[[asyncio.Event], Awaitable[int]]) -> int:
    stop = asyncio.Event()

    def stopping(number: int) -> None:
        if stop.is_set():
            os._exit(128 + number)
        log.info("stopping", detail="A signal asks it to finish what is under way.", signal=signal.Signals(number).name)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, stopping, number)
    return await main(stop)


def cut_off_after(seconds: float) -> None:
    """Leave then even if something in the process hangs: offsets are safe at any moment."""

    def cut_off() -> None:
        log.error("cut_off", detail="It did not stop in time and is ended.")
        os._exit(1)

    timer = threading.Timer(seconds, cut_off)
    timer.daemon = True
    timer.start()
