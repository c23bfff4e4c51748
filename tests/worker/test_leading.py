"""Who leads, when a lead ends, and what becomes of the runs of leader tasks."""

import asyncio

import pytest
import structlog
from leading_scene import SESSION, TOPIC, Kept, Scene, Task, nothing, virtually

from bridge.model.errors import KafkaError, LeadLost


def test_only_the_owner_of_the_first_partition_runs_the_tasks():
    """Without partition 0 nothing runs; with it the task runs at once and then as often as it says; without it again it stops."""

    async def scenario():
        task = Task(nothing)
        async with Scene(task) as scene:
            scene.assign(1, 1, 2)
            await asyncio.sleep(1_000)
            assert not task.runs
            scene.assign(2, 0, 1)
            await asyncio.sleep(1_000)
            assert len(task.runs) == 4
            scene.assign(3, 1)
            await asyncio.sleep(1_000)
            assert len(task.runs) == 4
        assert task.closed

    virtually(scenario)


def test_nothing_is_written_once_the_partition_is_given_away():
    """Between two writes of a run the partition goes: the second write raises, before anything of it is sent."""

    async def scenario():
        wrote, lost = [], []

        async def work(lead):
            await lead.publisher.publish([(b"1", b"", ())])
            wrote.append(1)
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                # As a task that cleans up after its cancellation.
                for write in (
                    lead.publisher.publish([(b"2", b"", ())]),
                    lead.state.write({b"k": b"v"}),
                ):
                    try:
                        await write
                    except LeadLost:
                        lost.append(1)
                raise

        async with Scene(Task(work)) as scene:
            scene.assign(1, 0)
            await asyncio.sleep(2)
            scene.ledger.close([(TOPIC, 0)])
            await asyncio.sleep(2)
            assert (wrote, lost) == ([1], [1, 1])
            assert [key for key, *_ in scene.kept.records] == [b"1"]
            assert b"k" not in scene.kept.values

    virtually(scenario)


def test_resigning_waits_for_what_is_being_written():
    """A write under way ends before the partition is given away, and nothing new begins in the same assignment."""

    async def scenario():
        async def work(lead):
            await lead.publisher.publish([(b"1", b"", ())])

        task = Task(work)
        async with Scene(task) as scene:
            scene.kept.hold.clear()
            scene.assign(1, 0)
            await asyncio.sleep(2)
            asyncio.get_running_loop().call_later(0.5, scene.kept.hold.set)
            await scene.leader.resign(1.0)
            assert scene.kept.records
            await asyncio.sleep(60)
            assert len(task.runs) == 1
            assert not scene.leader.leads
            scene.assign(2, 0)
            await asyncio.sleep(2)
            assert len(task.runs) == 2

    virtually(scenario)


def test_no_lead_begins_while_partitions_are_given_away():
    """Resigned in the very moment of an assignment, before anything has begun: nothing begins until the next one."""

    async def scenario():
        task = Task(nothing)
        async with Scene(task) as scene:
            await asyncio.sleep(0.1)
            scene.assign(1, 0)
            await scene.leader.resign(1.0)
            await asyncio.sleep(30)
            assert not task.runs
            scene.assign(2, 0)
            await asyncio.sleep(2)
            assert len(task.runs) == 1

    virtually(scenario)


def test_a_process_that_stood_still_writes_nothing_until_its_membership_has_been_looked_at():
    """After a standstill longer than half the session the old term writes nothing; it leads again a while later if it still may."""

    async def scenario():
        loop = asyncio.get_running_loop()
        outcome = []

        async def work(lead):
            if not outcome:
                loop._virtual += SESSION  # what SIGSTOP does to a monotonic clock
                try:
                    await lead.publisher.publish([(b"late", b"", ())])
                except LeadLost:
                    outcome.append(loop.time())
                    raise

        task = Task(work)
        async with Scene(task) as scene:
            scene.assign(1, 0)
            await asyncio.sleep(SESSION + 30)
            assert outcome
            assert not scene.kept.records
            assert len(task.runs) == 2
            assert task.runs[1] - outcome[0] >= SESSION / 2

    virtually(scenario)


def test_a_failing_run_is_counted_tried_again_and_told_once():
    """An hour of failures: counted, tried more and more seldom but within its interval, told once, overdue grows; then all is well."""

    async def scenario():
        away = [True]

        async def work(_lead):
            if away[0]:
                raise KafkaError("AEP is away", hint="wait")

        task = Task(work)
        with structlog.testing.capture_logs() as logs:
            async with Scene(task) as scene:
                scene.assign(1, 0)
                await asyncio.sleep(3_500)
                failed = scene.value("bridge_leader_task_runs_total", task="counting", result="failed")
                assert 10 <= failed == len(task.runs) <= 16
                assert scene.value("bridge_leader_task_overdue_seconds", task="counting") == pytest.approx(3_500, abs=2)
                assert [one["hint"] for one in logs if one["event"] == "leader_task_failed"] == ["wait"]
                away[0] = False
                await asyncio.sleep(301)
                assert scene.value("bridge_leader_task_runs_total", task="counting", result="done") >= 1
                assert scene.value("bridge_leader_task_overdue_seconds", task="counting") == 0
                assert sum(one["event"] == "leader_task_works_again" for one in logs) == 1

    virtually(scenario)


def test_an_unexpected_error_takes_neither_the_worker_nor_the_other_tasks_along():
    """One task raises what nobody expects; the other goes on, and the error is in the log without its message."""

    async def scenario():
        async def broken(_lead):
            raise RuntimeError("an event's value")

        other = Task(nothing, name="other")
        with structlog.testing.capture_logs() as logs:
            async with Scene(Task(broken), other) as scene:
                scene.assign(1, 0)
                await asyncio.sleep(700)
        assert len(other.runs) == 3
        told = [one for one in logs if one["event"] == "leader_task_failed"]
        assert [(one["log_level"], one["why"]) for one in told] == [("error", "RuntimeError")]

    virtually(scenario)


def test_a_hanging_run_is_overdue():
    """A run that never returns shows as overdue, as nothing fails."""

    async def scenario():
        async def hangs(_lead):
            await asyncio.Event().wait()

        async with Scene(Task(hangs)) as scene:
            scene.assign(1, 0)
            await asyncio.sleep(1_300)
            assert scene.value("bridge_leader_task_overdue_seconds", task="counting") == pytest.approx(1_300, abs=2)

    virtually(scenario)


def test_a_task_that_is_off_says_why_once():
    """A task that cannot run is told by the leader, once, and has no metrics that could raise an alarm."""

    async def scenario():
        with structlog.testing.capture_logs() as logs:
            async with Scene(Task(nothing, off="no dataset is set")) as scene:
                scene.assign(1, 0)
                await asyncio.sleep(10)
                scene.assign(2, 0)
                await asyncio.sleep(10)
                assert scene.value("bridge_leader_task_overdue_seconds", task="counting") is None
        assert [one["why"] for one in logs if one["event"] == "leader_task_off"] == ["no dataset is set"]

    virtually(scenario)


def test_the_lead_ends_with_the_worker():
    """A worker that has begun to stop leads no more, though the partition is still its own."""

    async def scenario():
        task = Task(nothing)
        async with Scene(task) as scene:
            scene.assign(1, 0)
            await asyncio.sleep(10)
            scene.stopping = True
            await asyncio.sleep(1_000)
            assert len(task.runs) == 1

    virtually(scenario)


def test_a_task_that_does_not_know_when_it_is_due_is_told_and_tried_again():
    """An error outside of a run: nobody else would hear of it, and the task would never run again."""
    asked = []

    class Undecided(Task):
        def due(self, succeeded, now):
            """Not at first."""
            asked.append(now)
            if len(asked) == 1:
                raise RuntimeError("no such day")
            return super().due(succeeded, now)

    async def scenario():
        task = Undecided(nothing)
        async with Scene(task) as scene:
            with structlog.testing.capture_logs() as logs:
                scene.assign(1, 0)
                await asyncio.sleep(100)
                assert scene.value("bridge_leader_task_overdue_seconds", task="counting") > 90
                assert scene.value("bridge_leader_task_runs_total", task="counting", result="failed") == 1
                await asyncio.sleep(600)
            assert task.runs
            assert [one["why"] for one in logs if one["event"] == "leader_task_failed"] == ["RuntimeError"]

    virtually(scenario)


def test_a_lead_whose_resigning_is_cut_off_is_over_and_another_one_begins():
    """A write that hangs while the partitions are given away, in less time than it was promised."""

    async def scenario():
        kept = Kept()
        kept.hold.clear()

        async def writes(lead):
            await lead.publisher.publish([b"one"])

        task = Task(writes)
        async with Scene(task, kept=kept) as scene:
            scene.assign(1, 0)
            await asyncio.sleep(2)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    await scene.leader.resign(60)
            assert not scene.leader.leads
            kept.hold.set()
            scene.assign(2, 0)
            await asyncio.sleep(2)
            assert scene.leader.leads
            assert len(task.runs) == 2

    virtually(scenario)
