"""What ends with the worker, and what ends the worker: an unexpected error, and what is under way when the state is closed."""

import asyncio

from state_doubles import Adding, Scene, assigned
from state_trouble import ToldLog, run_virtually, under_way, waiting_for


def test_an_unexpected_error_ends_the_worker():
    """It is handed on as it is; who waits for the state looks ten times a second, until the chunk is nobody's."""

    async def work():
        scene = Scene(Adding())
        bug = RuntimeError("a bug")
        scene.log.unreadable = [bug]
        await scene.assign(0)
        waiting = waiting_for(scene)
        await asyncio.sleep(1)
        assert scene.broken == [bug]
        assert not waiting.done()
        scene.ledger.close([("events", 0)])
        await asyncio.sleep(0.2)
        assert waiting.done()

    run_virtually(work())


def test_closing_gives_up_what_is_under_way():
    """Reading and writing alike, at once, and whatever goes wrong then is nobody's trouble; nothing begins afterwards."""

    async def work():
        log = ToldLog()
        scene = Scene(Adding(), log)
        await scene.assign(0, 1)
        chunk = await scene.take({"key": "k", "letters": "a"}, {"key": "l", "letters": "a"})
        log.waits.clear()
        scene.keeper.accepted(chunk, [0])
        await scene.settled()
        await scene.keeper.close()
        assert under_way() == []
        log.waits.set()
        writes = log.writes
        scene.keeper.accepted(chunk, [1])
        await scene.settled()
        assert log.writes == writes
        assert scene.ledger.committable() == {}
        await scene.assign(0)
        late = scene.chunk({"key": "k", "letters": "b"})
        await scene.keeper.wait_for(late)
        assert not scene.keeper.is_ready(late)
        assert not scene.broken

    run_virtually(work())


def test_an_error_of_what_is_being_closed_is_nobodys_trouble():
    """A client that is asked to give up may answer with anything."""

    async def work():
        async def reading(since):
            try:
                await asyncio.Event().wait()
            finally:
                raise RuntimeError("the client is closed")
            yield

        scene = await assigned(Adding(), ToldLog(reading))
        waiting = waiting_for(scene)
        await asyncio.sleep(1)
        assert under_way() == ["state-restoring"]
        await scene.keeper.close()
        assert under_way() == []
        await asyncio.sleep(1)
        assert waiting.done()
        assert not scene.broken

    run_virtually(work())
