"""The worker when its brokers are gone: it says so soon, and stops cleanly and in time all the same."""

import asyncio
import time

import pytest
from test_worker_delivery import Scene, _ended, _until

from bridge.testing.kafka.admin import create_topic
from bridge.testing.kafka.broker import Broker
from bridge.testing.processes import get

pytestmark = pytest.mark.kafka
_NOISE = ("Traceback", "Event loop is closed", "never awaited", "was destroyed", "cutting off")


@pytest.fixture
def own_broker(tmp_path):
    """A broker that a test may stop."""
    with Broker(tmp_path / "kafka") as broker:
        yield broker


def _noise(worker):
    return [line for line in worker.tail(1_000_000).splitlines() if any(word in line for word in _NOISE)]


async def test_brokers_that_vanish_are_told_soon_and_do_not_hold_up_the_end(own_broker, tmp_path):
    """Killed brokers: unready within seconds. After the session is over it joins in vain; SIGTERM ends it without a traceback."""

    def topic(kind="events", **options):
        return create_topic(own_broker.bootstrap, f"vanish.{kind}", **options)

    async with Scene(own_broker.bootstrap, topic, tmp_path) as scene:
        await scene.produce(100)
        worker = scene.worker()
        await _until(lambda: not scene.missing, 40, "the first events")
        own_broker.kill9()
        await _until(lambda: "brokers" in get(worker.url + "/health/ready")[1], 15, "unready because of the brokers")
        await asyncio.sleep(10)
        began = time.monotonic()
        worker.terminate()
        await _ended(worker, 20)
        assert time.monotonic() - began < 5 + 5 + 2
        assert not _noise(worker)


async def test_a_start_that_hangs_does_not_hold_up_the_end(own_broker, tmp_path):
    """Brokers that hold connections and say nothing while the consumer starts: SIGTERM ends it without a traceback."""

    def topic(kind="events", **options):
        return create_topic(own_broker.bootstrap, f"silent.{kind}", **options)

    async with Scene(own_broker.bootstrap, topic, tmp_path) as scene:
        await scene.produce(10)
        worker = scene.worker()
        while "kafka_connected" not in worker.tail():  # noqa: ASYNC110 - the log of another process
            await asyncio.sleep(0.02)
        own_broker.pause()
        try:
            await asyncio.sleep(4)
            assert worker.alive
            began = time.monotonic()
            worker.terminate()
            await _ended(worker, 20)
            assert time.monotonic() - began < 5 + 5 + 2
            assert not _noise(worker)
        finally:
            own_broker.resume()
        scene.worker("next")
        await _until(lambda: not scene.missing, 60, "the next worker delivers")
