"""How the works of a lead end: none goes on beside those of the next."""

import asyncio

import pytest
import structlog
from leading_scene import Scene, Task, virtually

from bridge.model.errors import KafkaError, LeadLost


def test_no_lead_begins_beside_a_work_of_the_lead_before():
    """A work that takes long over its cancellation: the next lead waits for it, that is told and overdue, and it goes on then."""

    async def scenario():
        ends, under_way, most = asyncio.Event(), [], []

        async def lingers(_lead):
            under_way.append(1)
            most.append(len(under_way))
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                await ends.wait()
                raise
            finally:
                under_way.pop()

        task = Task(lingers)
        with structlog.testing.capture_logs() as logs:
            async with Scene(task) as scene:
                scene.assign(1, 0)
                await asyncio.sleep(2)
                scene.assign(2, 0)
                await asyncio.sleep(9)
                assert not scene.leader.leads
                assert "leader_task_does_not_end" not in [one["event"] for one in logs]
                await asyncio.sleep(100)
                assert len(task.runs) == 1
                assert scene.value("bridge_leader_task_overdue_seconds", task="counting") == pytest.approx(111, abs=2)
                assert [one["tasks"] for one in logs if one["event"] == "leader_task_does_not_end"] == [
                    ["leader-counting"]
                ]
                ends.set()
                await asyncio.sleep(2)
                assert scene.leader.leads
                assert len(task.runs) == 2
        assert most == [1, 1]

    virtually(scenario)


def test_resigning_waits_for_works_to_end_within_its_time():
    """What a run does about its cancellation is done before the partitions are given away; and they are, when it takes too long."""

    async def scenario():
        clock, ended = asyncio.get_running_loop().time, []

        async def tidies(_lead):
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0.7)
                ended.append(clock())

        async with Scene(Task(tidies)) as scene:
            for generation, within, takes in ((1, 1.0, 0.7), (2, 0.5, 0.5)):
                scene.assign(generation, 0)
                await asyncio.sleep(2)
                began = clock()
                await scene.leader.resign(within)
                assert clock() - began == pytest.approx(takes, abs=0.01)
                assert len(ended) == 1
                assert not scene.leader.leads
            await asyncio.sleep(1)
            assert len(ended) == 2

    virtually(scenario)


def test_the_end_of_the_process_waits_for_works_before_tasks_are_closed():
    """A run that tidies up still has its connections; one that hangs is not waited for long."""

    async def scenario():
        loop, ended, task = asyncio.get_running_loop(), [], None

        def tidying(seconds):
            async def tidies(_lead):
                try:
                    await asyncio.Event().wait()
                finally:
                    await asyncio.sleep(seconds)
                    ended.append(task.closed)

            return tidies

        for seconds, waited in ((0.5, 0.5), (60, 1.0)):
            task = Task(tidying(seconds))
            async with Scene(task) as scene:
                scene.assign(1, 0)
                await asyncio.sleep(2)
                began = loop.time()
            assert task.closed
            assert loop.time() - began == pytest.approx(waited, abs=0.01)
        assert ended == [False]

    virtually(scenario)


@pytest.mark.parametrize("failure", [TimeoutError, KafkaError, LeadLost])
def test_a_run_that_takes_its_cancellation_for_a_failure_is_not_tried_again(failure):
    """Its lead is over: the next one begins at once and not after the pause of a failed run, and one work runs."""

    async def scenario():
        async def mistakes(_lead):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                raise failure("too late") from None

        task = Task(mistakes)
        async with Scene(task) as scene:
            scene.assign(1, 0)
            await asyncio.sleep(2)
            scene.assign(2, 0)
            await asyncio.sleep(2)
            assert len(task.runs) == 2
            assert sum(one.get_name() == "leader-counting" for one in asyncio.all_tasks()) == 1

    virtually(scenario)
