"""How a long-running command lives: uvloop, a first signal that asks it to finish, a second that ends it at once."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
from typing import TYPE_CHECKING

import structlog
import uvloop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

log = structlog.get_logger(__name__)

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -2, -3, -8
"""glibc's malloc.h: ``M_TRIM_THRESHOLD``, ``M_TOP_PAD``, ``M_MMAP_THRESHOLD``, ``M_ARENA_MAX``."""


def keep_freed_memory() -> None:
    """Let glibc keep memory between requests, where it would give each freed megabyte back and fault it in again.

    Encoded events and request bodies come and go by the megabyte; without this a tenth of a worker's CPU goes to the
    kernel's clearing of pages. One arena for all threads, as what one thread fetches another frees. No other C library has these knobs, and none is asked for.
    """
    try:
        tune = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return
    tune(_TRIM_THRESHOLD, 64 << 20)
    tune(_TOP_PAD, 4 << 20)
    tune(_MMAP_THRESHOLD, 32 << 20)
    tune(_ARENA_MAX, 1)


def run_until_stopped(main: Callable[[asyncio.Event], Awaitable[int]]) -> int:
    """Run ``main`` with an event that the first SIGTERM or SIGINT sets; a second one exits at once with 128 + its number."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_main(main))


async def _main(main: Callable[[asyncio.Event], Awaitable[int]]) -> int:
    stop = asyncio.Event()

    def stopping(number: int) -> None:
        if stop.is_set():
            os._exit(128 + number)
        log.info("stopping", signal=signal.Signals(number).name)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, stopping, number)
    return await main(stop)
