"""What is remembered of the batches that were read, and what happens where it is lost, late or cannot be kept?"""

from __future__ import annotations

from collections import Counter

import pytest
import structlog
from failed_batches_scene import HOUR, LeadTime, failed_batch

from bridge.model.errors import KafkaError
from bridge.routes.failed_batches_progress import Progress


async def test_a_progress_that_cannot_be_understood_is_told_and_replaced(scene):
    """Counted and one line; the last day's batches are read anew, nothing is stored twice, and the next leader goes on from there."""
    failed_batch(scene.emulator, "a", "b")
    await scene.run()
    (key,) = [key for key in scene.kafka.values if key.startswith(b"failed-batches/")]
    good, scene.kafka.values[key] = scene.kafka.values[key], b'{"done":[1]}'
    failed_batch(scene.emulator, "c")
    with structlog.testing.capture_logs() as logs:
        await scene.run()
        await scene.run()
    assert [one["log_level"] for one in logs if one["event"] == "failed_batches_progress_lost"] == ["error"]
    lost = "bridge_leader_task_notes_lost_total"
    assert scene.metrics.registry.get_sample_value(lost, {"task": "failed_batches"}) == 1
    assert scene.kafka.ids() == Counter(["a", "b", "c"])
    assert set(Progress.from_bytes(scene.kafka.values[key]).done) > set(Progress.from_bytes(good).done)


async def test_without_a_state_topic_it_works_and_says_so(scene):
    """Neither read nor written: letters are stored once all the same, told by what lies in the dead-letter topic."""

    async def fails(*_):
        raise KafkaError("no such topic: bridge.state", hint="make it")

    scene.kafka.read = scene.kafka.write = fails
    failed_batch(scene.emulator, "a")
    with structlog.testing.capture_logs() as logs:
        for _ in range(2):
            await scene.run()
    assert scene.kafka.ids() == Counter(["a"])
    assert {one["hint"] for one in logs if one["event"] == "failed_batches_not_noted"} == {"make it"}


async def test_after_days_away_it_goes_on_where_it_was(scene):
    """A leader that begins three days later looks from where the last one was, not at the last day alone."""
    await scene.run()
    failed_batch(scene.emulator, "a")
    scene.later(72 * HOUR)
    await scene.run()
    assert scene.kafka.ids() == Counter(["a"])
    # The day before the batch is looked through in steps, the last minutes first.
    assert scene.kafka.windows == [0, 0, 0, 6, 18]


async def test_a_state_that_cannot_be_read_at_first_is_not_written_over(scene):
    """What was refused days ago, while nobody led, is fetched as soon as the state tells of it."""
    await scene.run()
    failed_batch(scene.emulator, "a")
    scene.later(72 * HOUR)
    failed_batch(scene.emulator, "b")
    task, lead, read = scene.task(), LeadTime(scene.kafka), scene.kafka.read

    async def fails():
        raise KafkaError("in time")

    scene.kafka.read = fails
    await task.run(lead)
    scene.kafka.read = read
    await task.run(lead)
    await task.aclose()
    assert scene.kafka.ids() == Counter(["a", "b"])


def test_progress_is_stored_and_read_again():
    """What is not ours is an error, and no progress; what is done is forgotten with its time; what is pending holds it."""
    progress = Progress(since=100, done={"b1": 150, "b2": 300}, read_of={"b3": 7})
    assert Progress.from_bytes(progress.to_bytes()) == progress
    for nothing in (None, b""):
        assert Progress.from_bytes(nothing) == Progress()
    for other in (b"[]", b"{no", b'{"done":[1]}', b'{"since":"x"}', b'{"since":null}'):
        with pytest.raises(ValueError, match=r"."):
            Progress.from_bytes(other)
    day = 24
    assert not progress.move(now=120, back=day, most=1_000, pending=[100])
    assert progress.move(now=400, back=day, most=1_000, pending=[200])
    assert (progress.since, progress.done) == (200, {"b2": 300})
    assert progress.move(now=2_000, back=day, most=1_000, pending=[200])
    assert (progress.since, progress.done) == (1_976, {})


def test_progress_stays_small():
    """Of very many batches the oldest are left behind."""
    progress = Progress()
    for number in range(6_000):
        progress.finish(f"01HZX{number:021d}", number)
    assert len(progress.done) == 5_000
    assert progress.since == 1_000
    assert len(progress.to_bytes()) < 300_000
