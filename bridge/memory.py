"""How a worker's memory is kept: by the C library between requests, and out of the garbage collector's sight."""

from __future__ import annotations

import ctypes
import gc

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -2, -3, -8
"""glibc's malloc.h: ``M_TRIM_THRESHOLD``, ``M_TOP_PAD``, ``M_MMAP_THRESHOLD``, ``M_ARENA_MAX``."""


def keep_freed_memory() -> None:
    """Let glibc keep memory between requests, where it would give each freed megabyte back and fault it in again.

    Encoded events and request bodies come and go by the megabyte; without this a tenth of a worker's CPU goes to the
    kernel's clearing of pages. One arena for all threads, as what one thread fetches another frees. Other C libraries
    have no such knobs and are left alone.
    """
    try:
        tune = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return
    tune(_TRIM_THRESHOLD, 64 << 20)
    tune(_TOP_PAD, 4 << 20)
    tune(_MMAP_THRESHOLD, 32 << 20)
    tune(_ARENA_MAX, 1)


def leave_the_living_alone() -> None:
    """What is here already lives as long as the process: not to be looked at again and again. The rest is short-lived."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 10, 10)
