"""A heap that was large for a while is as small again as what lives in it."""

import gc
import platform
import subprocess
import sys
import weakref

import pytest

from bridge.runtime.heap import give_back

pytestmark = pytest.mark.clock

_BACKLOG_GONE = """
import asyncio, random
from bridge.runtime.heap import give_back_regularly, keep_freed_memory

def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * 4096 >> 20

keep_freed_memory()
before = resident()
dice = random.Random(1)
events = [bytes(dice.randint(600, 2_500)) for _ in range(50_000)]
dice.shuffle(events)
full = resident()
# One in a hundred lives on, anywhere: no run of free memory reaches the end of the heap.
del events[500:]
kept = resident()

async def main():
    giving = asyncio.create_task(give_back_regularly(0.01))
    await asyncio.sleep(0.5)
    giving.cancel()

asyncio.run(main())
print(before, full, kept, resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's heap is given back")
def test_a_backlog_that_is_gone_leaves_the_heap_small():
    """What 50,000 events took is kept when they are freed, and given back by the next turn although some live on."""
    done = subprocess.run([sys.executable, "-c", _BACKLOG_GONE], capture_output=True, text=True, check=True, timeout=60)
    before, full, kept, after = map(int, done.stdout.split())
    assert full - before > 60
    assert kept - before > 60, "freed memory is at hand for the next request"
    assert after - before < 15


class _FailedError(Exception):
    """Of a request."""


def _fail():
    """Keep an error in a variable of the frame that it was raised in."""
    try:
        raise _FailedError  # noqa: TRY301 - the ring is what is wanted
    except _FailedError as error:
        kept = error
        return weakref.ref(kept)


def test_what_only_refers_to_itself_goes_without_waiting_for_the_collectors_count():
    """An error in a ring with its own frame is gone after one turn, also when it has lived through the collector's round before."""
    gc.disable()
    try:
        error = _fail()
        assert error() is not None, "a ring: else the test says nothing"
        give_back()
        assert error() is None
    finally:
        gc.enable()
