"""When is it told that the state cannot be stored, and when that it can be again?"""

import asyncio

import pytest
from state_doubles import Adding, Marking, Scene, assigned
from state_trouble import AWAY, TOO_LARGE, run_virtually, state_metric, told_events, waiting_for
from structlog.testing import capture_logs


def test_a_write_that_is_not_answered_is_told_within_ten_seconds():
    """Brokers that fall silent owe their answer for as long as a request may take; its end is told as that of any other trouble."""

    async def work():
        scene = await assigned(Adding())
        chunk = await waiting_for(scene)
        scene.log.waits.clear()
        with capture_logs() as lines:
            scene.keeper.accepted(chunk, [0])
            for seconds in range(8):
                await asyncio.sleep(1)
                if seconds < 7:
                    scene.keeper.show()
            assert (scene.keeper.trouble(), scene.keeper.held, state_metric(scene, "writable")) == (None, False, 1)
            scene.keeper.show()
            assert scene.keeper.held
            assert (
                scene.keeper.trouble()
                == "the state topic state cannot be written: the brokers have not confirmed it for 8 s"
            )
            assert state_metric(scene, "writable") == 0
            for _ in range(5):
                await asyncio.sleep(1)
                scene.keeper.show()
            assert told_events(lines) == ["state_unwritable"]
            scene.log.waits.set()
            await scene.finished()
        assert told_events(lines) == ["state_unwritable", "state_writable"]
        assert (scene.keeper.trouble(), scene.keeper.held, state_metric(scene, "writable")) == (None, False, 1)

    run_virtually(work())


def test_a_write_that_follows_another_has_its_own_time():
    """What is stored again and again is no trouble, however long there is something to store."""

    async def work():
        scene = await assigned(Marking())
        chunk = await scene.take({"key": "a"}, {"key": "b"}, {"key": "c"})

        async def append(_partition, _entries):
            await asyncio.sleep(6)

        scene.log.append = append
        for number in range(3):
            scene.keeper.accepted(chunk, [number])
            await asyncio.sleep(5)
            scene.keeper.show()
            assert scene.keeper.trouble() is None
        await scene.finished()

    run_virtually(work())


def test_a_write_that_comes_through_ends_the_trouble_while_there_is_more_to_store():
    """What became due meanwhile is stored next, and is no trouble."""

    async def work():
        scene = await assigned(Marking())
        chunk = await scene.take({"key": "a"}, {"key": "b"}, {"key": "c"})
        begun, done = [], []

        async def append(_partition, _entries):
            begun.append(1)
            await asyncio.sleep(3)
            done.append(1)
            if len(done) == 1:
                raise AWAY

        async def until(what, count):
            while len(what) < count:  # noqa: ASYNC110 - virtual time, and a list that a double appends to
                await asyncio.sleep(0.1)

        scene.log.append = append
        scene.keeper.accepted(chunk, [0])
        await until(done, 1)
        assert scene.keeper.trouble()
        scene.keeper.accepted(chunk, [1])
        await until(begun, 2)
        scene.keeper.accepted(chunk, [2])
        await until(begun, 3)
        assert scene.keeper.trouble() is None
        await scene.finished()

    run_virtually(work())


def test_a_partition_that_can_be_written_does_not_end_the_trouble_of_another():
    """Told once, until everything can be stored."""

    async def work():
        scene = Scene(Adding())
        await scene.assign(0, 1)
        chunks = [await scene.take({"key": "k", "letters": "a"}, partition=number) for number in (0, 1)]
        append = scene.log.append

        async def one_fails(partition, entries):
            if partition == 1 and broken:
                raise AWAY
            await append(partition, entries)

        scene.log.append, broken = one_fails, [True]
        with capture_logs() as lines:
            scene.keeper.accepted(chunks[1], [0])
            await scene.settled()
            scene.keeper.accepted(chunks[0], [0])
            await scene.settled()
            assert scene.keeper.trouble() == "the state topic state cannot be written: away"
            assert state_metric(scene, "writable") == 0
            broken.clear()
            await scene.finished()
        assert [line for line in told_events(lines) if "writable" in line] == ["state_unwritable", "state_writable"]
        assert state_metric(scene, "writable") == 1

    run_virtually(work())


@pytest.mark.parametrize("end", ["revoked", "refused"])
def test_a_trouble_ends_with_what_was_to_be_stored(end):
    """Another worker has the partition now, or Kafka has refused it for good: nothing is left that could not be stored."""

    async def work():
        scene = await assigned(Adding() if end == "revoked" else Marking())
        chunk = await scene.take({"key": "k", "letters": "a"})
        scene.log.fails = [AWAY] * 50 if end == "revoked" else [AWAY, TOO_LARGE]
        with capture_logs() as lines:
            scene.keeper.accepted(chunk, [0])
            await scene.settled()
            assert scene.keeper.trouble()
            if end == "revoked":
                scene.ledger.close([("events", 0)])
            await asyncio.sleep(60)
        assert (scene.keeper.trouble(), scene.keeper.held, state_metric(scene, "writable")) == (None, False, 1)
        assert [line for line in told_events(lines) if "writable" in line] == ["state_unwritable", "state_writable"]

    run_virtually(work())
