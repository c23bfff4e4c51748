"""How memory is kept by the C library between requests, given back in the long run, and left alone by the garbage collector."""

from __future__ import annotations

import asyncio
import ctypes
import gc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -2, -3, -8
"""glibc's malloc.h: ``M_TRIM_THRESHOLD``, ``M_TOP_PAD``, ``M_MMAP_THRESHOLD``, ``M_ARENA_MAX``."""


def keep_freed_memory(most: int = 64 << 20) -> None:
    """Let glibc keep memory between requests, where it would give each freed megabyte back and fault it in again.

    ``most`` bytes at the heap's end; what is free between what is in use stays anyhow.

    Encoded events and request bodies come and go by the megabyte; without this a tenth of a worker's CPU goes to the
    kernel's clearing of pages. One arena for all threads, as what one thread fetches another frees. Other C libraries
    have no such knobs and are left alone.
    """
    tune = _of_glibc("mallopt")
    if tune is None:
        return
    tune(_TRIM_THRESHOLD, most)
    tune(_TOP_PAD, 4 << 20)
    tune(_MMAP_THRESHOLD, 32 << 20)
    tune(_ARENA_MAX, 1)


def give_back() -> None:
    """Free what only refers to itself, then return to the system what is free in the C library's heap, also between what is in use.

    An error that is kept in a frame it was raised in is such a ring, with all that the frame holds. By its own count the collector
    would come for it in many minutes, as a worker makes few objects that it looks at, or in hours if it has lived through a
    round. What :func:`freeze_startup_objects` has set aside costs nothing here.

    Left alone a heap only ever grows: each backlog and each fault leaves it as large as it once had to be, and free space
    that is cut up by what lives on is seldom whole enough for the next. Takes some milliseconds, and a page fault for each
    page that is wanted again.
    """
    gc.collect()
    trim = _of_glibc("malloc_trim")
    if trim is not None:
        trim(0)


async def give_back_regularly(every: float = 30.0) -> None:
    """:func:`give_back` at a fixed interval, until cancelled: too seldom to cost, often enough to stay as small as the work."""
    while True:
        await asyncio.sleep(every)
        give_back()


def _of_glibc(name: str) -> Callable[..., int] | None:
    try:
        found: Callable[..., int] = getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError, TypeError):
        return None
    return found


def freeze_startup_objects(young: int | None = 50_000) -> None:
    """Exempt the objects of the start, which live as long as the process, from garbage collection.

    ``young``: the number of further objects after which the collector looks for cycles; None keeps its own threshold.
    """
    gc.collect()
    gc.freeze()
    if young is not None:
        gc.set_threshold(young, 10, 10)
