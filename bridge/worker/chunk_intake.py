"""What the stream does with a chunk: it waits for the state that it builds on, is marked where a process has ended before, and is mapped."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bridge.kafka.consumer.chunk import Chunk
    from bridge.kafka.consumer.gate import Gate
    from bridge.worker.accepted_state.state_keeper import StateKeeper
    from bridge.worker.chunk_mapping import ChunkMapping
    from bridge.worker.restart_memory.marks import RestartMarks


class ChunkIntake:
    """``keeper`` where the route remembers what was accepted. ``broke`` is told of an error, which must not leave the stream."""

    def __init__(
        self,
        mapping: ChunkMapping,
        gate: Gate,
        marks: RestartMarks,
        keeper: StateKeeper | None,
        broke: Callable[[BaseException], None],
    ) -> None:
        self._mapping = mapping
        self._gate = gate
        self._marks = marks
        self._keeper = keeper
        self._broke = broke

    def process(self, chunk: Chunk) -> Awaitable[None] | None:
        """Take it now, or give what is to be awaited for it."""
        keeper = self._keeper
        if keeper is not None and not (chunk.closed or chunk.admitted or keeper.is_ready(chunk)):
            return self._when_ready(chunk, keeper)
        if self._marks.watches(chunk):
            return self._marked(chunk)
        self._now(chunk, frozenset())
        return None

    async def _when_ready(self, chunk: Chunk, keeper: StateKeeper) -> None:
        try:
            await keeper.wait_for(chunk)
        except Exception as error:  # noqa: BLE001 - as below
            self._broke(error)
            return
        if not chunk.closed and (rest := self.process(chunk)) is not None:
            await rest

    async def _marked(self, chunk: Chunk) -> None:
        try:
            hung = await self._marks.before(chunk)
        except Exception as error:  # noqa: BLE001 - as below
            self._broke(error)
            return
        keeper = self._keeper
        if keeper is not None and not (chunk.closed or keeper.is_ready(chunk)):
            # Meanwhile it may have come to be read anew: what is known of a customer is an older state until that has ended.
            await self._when_ready(chunk, keeper)
            return
        self._now(chunk, hung)
        self._marks.after(chunk)

    def _now(self, chunk: Chunk, hung: frozenset[int]) -> None:
        try:
            self._mapping.map_chunk(chunk, hung)
            self._gate.freed()
        except Exception as error:  # noqa: BLE001 - it must not leave the stream; the chunk stays open, nothing is lost
            self._broke(error)
