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
    loop.call_soon_threadsafe(loop.stop)
    running.join()
    loop.close()
