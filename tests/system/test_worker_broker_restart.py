"""The worker through a restart of Kafka itself."""

import asyncio

import pytest
from test_worker_delivery import Scene, _until

from bridge.testing.kafka.admin import create_topic
from bridge.testing.kafka.broker import Broker

pytestmark = pytest.mark.kafka


@pytest.fixture
def own_broker(tmp_path):
    """A broker that a test may stop."""
    with Broker(tmp_path / "kafka") as broker:
        yield broker


async def test_a_broker_that_dies_and_comes_back_loses_nothing(own_broker, tmp_path):
    """Kafka is killed while events flow and is back after some seconds: the same worker carries on, nothing is lost."""

    def topic(kind="events", **options):
        return create_topic(own_broker.bootstrap, f"restart.{kind}", **options)

    settings = {"AEP__EVENTS_PER_SECOND": "500", "WORKER__MAX_IN_FLIGHT_EVENTS": "500"}
    async with Scene(own_broker.bootstrap, topic, tmp_path, **settings) as scene:
        await scene.produce(4_000)
        worker = scene.worker()
        await _until(lambda: len(scene.missing) < 3_000, 40, "it has begun")
        kept, _ = await scene.committed()
        own_broker.kill9()
        await asyncio.sleep(6)
        # The emulator answers in this loop meanwhile.
        await asyncio.to_thread(own_broker.start)

        async def committed_again():
            return (await scene.committed())[0] > kept

        await _until(committed_again, 60, "offsets are committed again")
        unkept = scene.sent - len(scene.missing) - kept
        await _until(lambda: not scene.missing, 90, "all events accepted")
        await scene.produce(100)
        await _until(lambda: not scene.missing, 30, "new events flow")
        assert worker.alive, worker.tail()

        async def all_committed():
            done, end = await scene.committed()
            return done == end

        await _until(all_committed, 30, "everything committed")
        assert scene.duplicates <= unkept + 500, "what could not be committed and what was under way, and no more"
