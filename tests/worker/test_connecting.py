"""A worker that waits for its brokers says what it waits for, and hears of its stop meanwhile."""

import asyncio

import pytest
from virtual_time import in_virtual_time

from bridge.model.errors import KafkaError
from bridge.telemetry.health import Health
from bridge.worker.lifetime.opening import connect


class _Publisher:
    """One whose connection is made, or fails, as told."""

    def __init__(self):
        self.trouble, self.made = "not connected yet", asyncio.get_running_loop().create_future()

    async def connected(self):
        """As the publisher's."""
        await asyncio.shield(self.made)


def _waiting(publisher, stop, health):
    return asyncio.create_task(connect(publisher, stop, health))


@in_virtual_time
async def test_the_reason_is_told_within_a_second():
    """Not yet at first, then in the words of each attempt, and nothing any more once the brokers have answered."""
    publisher, health = _Publisher(), Health()
    waiting = _waiting(publisher, asyncio.Event(), health)
    await asyncio.sleep(0.1)
    assert health.unready() == {"kafka": "not connected yet"}
    for trouble in ("not connected: refused", "not connected: silent"):
        publisher.trouble = trouble
        await asyncio.sleep(1)
        assert health.unready() == {"kafka": trouble}
    publisher.made.set_result(None)
    assert await waiting is True
    assert health.unready() == {}


@in_virtual_time
async def test_a_stop_ends_the_waiting():
    """At once, however long it has waited."""
    stop = asyncio.Event()
    waiting = _waiting(_Publisher(), stop, Health())
    await asyncio.sleep(5.5)
    stop.set()
    began = asyncio.get_running_loop().time()
    assert await waiting is False
    assert asyncio.get_running_loop().time() == began


@in_virtual_time
async def test_what_is_missing_for_good_is_raised():
    """A topic, or a setting, that no waiting repairs."""
    publisher = _Publisher()
    waiting = _waiting(publisher, asyncio.Event(), Health())
    await asyncio.sleep(1.5)
    publisher.made.set_exception(KafkaError("no such topic"))
    with pytest.raises(KafkaError, match="no such topic"):
        await waiting
