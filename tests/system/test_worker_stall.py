"""The watchdog in a real process: AEP takes connections and requests, says nothing, and no time-out ends the wait."""

import asyncio
import json

import pytest
from test_worker_delivery import Scene, _until

from bridge.testing.processes import get

pytestmark = pytest.mark.kafka


async def test_a_worker_that_stalls_says_where_and_ends_and_the_next_one_loses_nothing(kafka, topic, tmp_path):
    """Nothing finishes though nothing fails: unready and dead, stacks in the log, exit 1, nothing committed that was not done."""
    settings = {"AEP__TIMEOUT_SECONDS": "300", "WORKER__STALL_SECONDS": "4"}
    async with Scene(kafka, topic, tmp_path, **settings) as scene:
        await scene.produce(300)
        worker = scene.worker()
        await _until(lambda: not scene.missing, 40, "the first events")
        scene.emulator.control(hang={"seconds": 120})
        await scene.produce(300)
        await _until(lambda: worker.metric("bridge_delivery_in_flight") >= 1, 20, "a request hangs")
        assert worker.metric("bridge_circuit_open") == 0
        dead = {}
        while worker.alive:
            # It ends within moments of saying so: a probe may come too late, but is never told anything else.
            status, body = await asyncio.to_thread(get, worker.url + "/health/live")
            if status == 503:
                dead |= json.loads(body)["reasons"]
            await asyncio.sleep(0.02)
        assert worker.wait(1) == 1
        assert dead in ({}, {"stalled": "no event finished for 4 s"})
        lines = worker.log_lines()
        [told] = [line for line in lines if line["event"] == "not_alive"]
        assert (told["because"], told["reason"], told["level"]) == ("stalled", "no event finished for 4 s", "error")
        stacks = {line["of"]: line["at"] for line in lines if line["event"] == "stack"}
        assert {"task delivery", "task dead-letters", "thread MainThread"} <= set(stacks)
        assert any("delivery.py" in at and "_carry" in at for at in stacks.values()), "it shows what is waited for"
        ending = next(line for line in lines if line["event"] == "stopped_with_work_left")
        assert ending["why"] == "stalled: no event finished for 4 s"
        assert sum(ending["events_left"].values()) == len(scene.missing) == 300
        assert (await scene.committed()) == (300, 600)
        scene.emulator.control(clear_faults=True)
        scene.worker("next")
        await _until(lambda: not scene.missing, 40, "the next worker delivers what was left")
        assert scene.duplicates == 0
