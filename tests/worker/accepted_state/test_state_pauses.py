"""How long is waited after each failure to read or write the state, and when does that begin anew?"""

import asyncio

from state_doubles import Adding, Marking, Scene
from state_trouble import AWAY, ToldLog, delays_of, run_virtually, state_metric, told_events, waiting_for
from structlog.testing import capture_logs


def test_failures_in_a_row_wait_longer_each_time_and_begin_anew():
    """Reading as well as writing; each trouble has a line when it begins and one when it ends."""

    async def work():
        scene = Scene(Adding(), ToldLog())
        delays = delays_of(scene)
        await scene.assign(0)
        scene.log.unreadable = [AWAY] * 3
        with capture_logs() as lines:
            chunk = await waiting_for(scene)
            assert delays == [1, 2, 3]
            assert told_events(lines) == ["state_unreadable", "state_readable"]
            for letters in "bc":
                lines.clear()
                delays.clear()
                scene.log.fails = [AWAY] * 2
                scene.keeper.accepted(chunk, [0])
                await scene.finished()
                assert delays[0] == 1
                assert told_events(lines).count("state_unwritable") == 1
                assert told_events(lines)[-1] == "state_writable"
                assert state_metric(scene, "writable") == 1
                chunk = await scene.take({"key": "k", "letters": letters})

    run_virtually(work())


def test_writes_that_fail_in_a_row_wait_longer_until_one_comes_through():
    """Without anything to read in between."""

    async def work():
        scene = Scene(Marking(), ToldLog())
        delays = delays_of(scene)
        await scene.assign(0)
        chunk = await scene.take({"key": "a"}, {"key": "b"})
        scene.log.fails = [AWAY] * 3
        scene.keeper.accepted(chunk, [0])
        await asyncio.sleep(1.5)
        scene.keeper.accepted(chunk, [1])
        await scene.finished()
        assert delays == [1, 2, 3]
        scene.log.waits.clear()
        chunk = await scene.take({"key": "c"}, {"key": "d"})
        scene.keeper.accepted(chunk, [0])
        await scene.settled()
        scene.keeper.accepted(chunk, [1])
        scene.log.waits.set()
        await scene.finished()
        assert scene.log.writes == 3

    run_virtually(work())


def test_failures_count_from_the_last_write_that_came_through():
    """Also when the next one was waiting already."""

    async def work():
        scene, written = Scene(Marking(), ToldLog()), []
        delays = delays_of(scene)
        await scene.assign(0)
        chunk = await scene.take({"key": "a"}, {"key": "b"})

        async def append(_partition, entries):
            written.append([key for key, _ in entries])
            await asyncio.sleep(0.25)
            if len(written) == 2:
                raise AWAY

        scene.log.append = append
        for number in (0, 1):
            scene.keeper.accepted(chunk, [number])
            await scene.settled()
        await scene.finished()
        assert written == [[b"a"], [b"b"], [b"b"]]
        assert delays == [1]

    run_virtually(work())
