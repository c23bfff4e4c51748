"""A chunk waits for the state that it builds on, and for nothing older than that."""

import asyncio
from types import SimpleNamespace

from bridge.worker.chunk_intake import ChunkIntake


class Keeper:
    """Ready, or being read anew."""

    def __init__(self):
        self.ready = asyncio.Event()
        self.ready.set()

    def is_ready(self, _chunk):
        """Whether it may be mapped."""
        return self.ready.is_set()

    async def wait_for(self, _chunk):
        """Until it may."""
        await self.ready.wait()


class Marks:
    """Writes a chunk down, in which ``meanwhile`` happens the first time."""

    def __init__(self, meanwhile):
        self._meanwhile, self.after_ = [meanwhile], []

    def watches(self, _chunk):
        """Every one."""
        return True

    async def before(self, _chunk):
        """It is written."""
        if self._meanwhile:
            self._meanwhile.pop()()
        await asyncio.sleep(0)
        return frozenset()

    def after(self, chunk):
        """It is mapped."""
        self.after_.append(chunk)


async def test_a_state_that_is_read_anew_while_a_chunk_is_written_down_is_waited_for():
    """What is known of a customer is an older state while that lasts: events would leave with less than was accepted."""
    keeper, mapped, broken = Keeper(), [], []
    chunk = SimpleNamespace(closed=False, admitted=False)
    marks = Marks(keeper.ready.clear)
    intake = ChunkIntake(
        SimpleNamespace(map_chunk=lambda chunk, _hung: mapped.append((chunk, keeper.is_ready(chunk)))),
        SimpleNamespace(freed=lambda: None),
        marks,
        keeper,
        broken.append,
    )
    taking = asyncio.ensure_future(intake.process(chunk))
    await asyncio.sleep(0.01)
    assert not mapped
    keeper.ready.set()
    await taking
    assert mapped == [(chunk, True)]
    assert marks.after_ == [chunk]
    assert not broken
