"""What the state topic keeps of leader tasks: when they have succeeded last, and since when they wait."""

import asyncio

import pytest
import structlog
from leading_scene import TOPIC, Kept, Scene, Task, nothing, virtually


def test_the_next_leader_knows_when_a_run_succeeded_last():
    """Overdue counts from the last success of whichever worker led, and is 0 on a worker that does not lead."""

    async def scenario():
        kept = Kept()
        async with Scene(Task(nothing), kept=kept) as first:
            first.assign(1, 0)
            await asyncio.sleep(2)

        async def hangs(_lead):
            await asyncio.Event().wait()

        await asyncio.sleep(3_600)
        async with Scene(Task(hangs), kept=kept) as second:
            assert second.value("bridge_leader_task_overdue_seconds", task="counting") == 0
            second.assign(1, 0)
            await asyncio.sleep(2)
            assert second.value("bridge_leader_task_overdue_seconds", task="counting") == pytest.approx(3_300, abs=5)

    virtually(scenario)


class Patient(Task):
    """Waits a minute before its first run, as fetching failed batches does."""

    def due(self, succeeded, now):
        """Regularly; a minute after a start of which nothing is known."""
        return now + 60 if succeeded is None else succeeded + self.every


@pytest.mark.parametrize("away", [False, True])
def test_leads_that_are_shorter_than_a_first_pause_get_on(away):
    """Two workers lead in turn for 50 s each: the pause of a task counts on from the first lead, also without the state topic."""

    async def scenario():
        kept, tasks = Kept(), [Patient(nothing), Patient(nothing)]
        kept.away = away
        async with Scene(tasks[0], kept=kept) as one, Scene(tasks[1], kept=kept) as two:
            for turn in range(12):
                lead, idle = (one, two) if turn % 2 == 0 else (two, one)
                lead.assign(turn + 1, 0)
                await asyncio.sleep(50)
                lead.ledger.close([(TOPIC, 0)])
                assert not idle.leader.leads
                runs = sorted(tasks[0].runs + tasks[1].runs)
                if turn == 1 and not away:
                    assert runs == [pytest.approx(1_060, abs=1)]
        if away:
            assert len(runs) >= 2, "each worker knows by itself alone since when it waits"
        else:
            assert runs == [pytest.approx(1_060, abs=1), pytest.approx(1_360, abs=1)], (
                "and the interval, over leads as well"
            )

    virtually(scenario)


@pytest.mark.parametrize(
    "stored", [b"{", b"[]", b"null", b"{}", b'{"succeeded": "1"}', b'{"succeeded": null}', b'{"waiting_since": true}']
)
def test_a_note_that_is_none_is_told_and_replaced(stored):
    """Counted and in the log, once; the task runs as one that never has, and the next leader knows."""

    async def scenario():
        kept, task = Kept(), Task(nothing)
        kept.values[b"leader/group/counting"] = stored
        with structlog.testing.capture_logs() as logs:
            async with Scene(task, kept=kept) as scene:
                assert scene.value("bridge_leader_task_notes_lost_total", task="counting") == 0
                scene.assign(1, 0)
                await asyncio.sleep(2)
                scene.assign(2, 0)
                await asyncio.sleep(2)
                assert scene.value("bridge_leader_task_notes_lost_total", task="counting") == 1
        assert [(one["task"], one["log_level"]) for one in logs if one["event"] == "leader_task_note_lost"] == [
            ("counting", "warning")
        ]
        assert len(task.runs) == 1
        assert kept.values[b"leader/group/counting"] == b'{"succeeded":1000.0}'

    virtually(scenario)


def test_what_a_clock_that_was_ahead_has_noted_puts_nothing_off_for_long():
    """A success, or a wait, of tomorrow counts as of now."""

    async def scenario():
        for note in (b'{"succeeded":90000}', b'{"waiting_since":90000}'):
            kept, task = Kept(), Patient(nothing)
            kept.values[b"leader/group/counting"] = note
            async with Scene(task, kept=kept) as scene:
                scene.assign(1, 0)
                await asyncio.sleep(301)
                assert task.runs

    virtually(scenario)


def test_a_state_topic_that_is_away_is_told_and_not_written_over():
    """Reading and writing are told once each; what was stored stays, and is used by the next lead."""

    async def scenario():
        kept, task = Kept(), Task(nothing)
        kept.values[b"leader/group/counting"] = b'{"succeeded":999.0}'
        kept.away = True
        with structlog.testing.capture_logs() as logs:
            async with Scene(task, kept=kept) as scene:
                scene.assign(1, 0)
                await asyncio.sleep(700)
                assert len(task.runs) == 3
                assert kept.values == {b"leader/group/counting": b'{"succeeded":999.0}'}
                kept.away = False
                await asyncio.sleep(300)
                assert kept.values == {b"leader/group/counting": b'{"succeeded":1900.0}'}
                kept.away = True
                await asyncio.sleep(300)
        told = [(one["event"], one["why"]) for one in logs if one["event"].startswith("leader_task_no")]
        assert told == [
            ("leader_task_note_lost", "away"),
            ("leader_task_not_noted", "away"),
            ("leader_task_not_noted", "away"),
        ]

    virtually(scenario)
