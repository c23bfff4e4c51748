"""One time of leading: what its tasks may write with, and whether they still may."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bridge.model.errors import LeadLost

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping, Sequence

    from bridge.model.ports import Publisher, StateStore
    from bridge.model.record import Record


@dataclass(eq=False, slots=True)
class Term:
    """A ``Lead``. ``over`` once nothing more may be written; ``writing`` counts what is being written.

    ``holds``: whether it still holds, as far as this process can know.
    """

    generation: int
    publisher: Publisher
    state: StateStore
    holds: Callable[[Term], bool]
    over: bool = False
    writing: int = 0
    works: list[asyncio.Task[None]] = field(default_factory=list)

    def check(self) -> None:
        """Raise ``LeadLost`` when another worker may lead."""
        if self.over or not self.holds(self):
            raise LeadLost("another worker may lead by now")


def begun_term(generation: int, publisher: Publisher, state: StateStore, holds: Callable[[Term], bool]) -> Term:
    """A term whose every write asks first whether it is over."""
    guarded = _Guarded(publisher, state)
    guarded.term = Term(generation, guarded, guarded, holds)
    return guarded.term


class _Guarded:
    """The publisher and the state of a term."""

    def __init__(self, publisher: Publisher, state: StateStore) -> None:
        self._publisher = publisher
        self._state = state
        self.term: Term | None = None

    async def publish(self, records: Sequence[Record], *, topic: str | None = None) -> None:
        """As the publisher."""
        with self._writing():
            await self._publisher.publish(records, topic=topic)

    def limit(self, topic: str) -> int:
        """As the publisher."""
        return self._publisher.limit(topic)

    async def read(self) -> Mapping[bytes, bytes]:
        """As the state."""
        return await self._state.read()

    async def write(self, values: Mapping[bytes, bytes]) -> None:
        """As the state."""
        with self._writing():
            await self._state.write(values)

    @contextlib.contextmanager
    def _writing(self) -> Any:
        term = self.term
        if term is None:
            raise LeadLost("the lead has not begun")
        term.check()
        term.writing += 1
        try:
            yield
        finally:
            term.writing -= 1
