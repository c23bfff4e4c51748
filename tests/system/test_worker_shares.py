"""Several workers and the limits that belong to all of them."""

import asyncio
import time

import pytest
from test_worker_delivery import Scene, _until

pytestmark = pytest.mark.kafka


async def test_workers_share_the_rate_limits_by_their_partitions(kafka, topic, tmp_path):
    """Two workers have half of the limit each, together they keep it; when one is killed the other has all of it."""
    rate = 400
    async with Scene(kafka, topic, tmp_path, AEP__EVENTS_PER_SECOND=str(rate), AEP__BATCH_EVENTS="20") as scene:
        first, second = scene.worker("first"), scene.worker("second")

        def shares():
            return [worker.metric("bridge_rate_share") for worker in (first, second)]

        await _until(lambda: shares() == [0.5, 0.5], 40, "half each")
        await scene.produce(6_000)
        await _until(lambda: len(scene.missing) < 5_800, 20, "events flow")
        most = 0.0
        for _ in range(3):
            before, began = len(scene.missing), time.monotonic()
            await asyncio.sleep(3)
            sent, seconds = before - len(scene.missing), time.monotonic() - began
            assert sent < rate * (seconds + 1.5), "never above the limit"
            most = max(most, sent / seconds)
        # Each partition has its events; a machine that is busy with others for seconds takes from some of the time, not from all.
        assert most > rate * 0.5, "most of it is used"
        assert first.metric('bridge_rate_limited_seconds_total{limit="events"}') > 1
        assert (await scene.told("status", "--json", "--seconds", "0", "--url", first.url))["rate_share"] == 0.5
        second.kill9()
        await _until(lambda: first.metric("bridge_rate_share") == 1.0, 30, "the survivor has all of it")
