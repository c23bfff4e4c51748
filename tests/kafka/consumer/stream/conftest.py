"""A loop beside that of the test."""

import asyncio
import threading

import pytest


@pytest.fixture
def other_loop():
    """A loop that runs in a thread of its own."""
    loop = asyncio.SelectorEventLoop()
    running = threading.Thread(target=loop.run_forever)
    running.start()
    yield loop
    asyncio.run_coroutine_threadsafe(_ended(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    running.join()
    loop.close()


async def _ended():
    """A task that is left behind, and never ran, would be told as a warning, and so as a failure of whatever test is running then."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
