"""Several workers and the limits that belong to all of them."""

import asyncio
import json
from functools import partial

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
        before, seconds = len(scene.missing), 5
        await asyncio.sleep(seconds)
        sent = before - len(scene.missing)
        # Not above the limit, and most of it used: each partition has its events.
        assert rate * seconds * 0.5 < sent < rate * (seconds + 1.5)
        assert first.metric('bridge_rate_limited_seconds_total{limit="events"}') > 1
        code, out = await asyncio.to_thread(
            partial(scene.command, "status", "--json", "--seconds", "0", "--url", first.url)
        )
        assert code == 0
        assert json.loads(out)["rate_share"] == 0.5
        second.kill9()
        await _until(lambda: first.metric("bridge_rate_share") == 1.0, 30, "the survivor has all of it")
