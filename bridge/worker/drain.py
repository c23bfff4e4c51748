"""Bringing what is under way to an end within one budget: before partitions are given away, and before the worker stops."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.delivery.delivery import Delivery
    from bridge.kafka.consumer.chunk import Chunk
    from bridge.kafka.consumer.ledger import Ledger
    from bridge.kafka.dead_letters.store import DeadLetters
    from bridge.runtime.deadline import Deadline, StopBudget

_PATIENCE = 3.0
"""Seconds that a stopping worker waits for a destination that is away or postpones what is left: that will not change within the
budget."""


@dataclass(slots=True)
class Drain:
    """Waits until every event under way has its verdict. ``budget``: for the worker's end.

    ``waits``: whether events wait for what this worker cannot bring about, beside destination and dead letters.
    ``revoke_budget`` is less than the session timeout, so that the group does not take this worker for dead meanwhile.
    """

    ledger: Ledger
    delivery: Delivery[Chunk]
    letters: DeadLetters
    clock: Callable[[], float]
    budget: StopBudget
    revoke_budget: StopBudget
    stopping: bool = False
    waits: Callable[[], bool] = lambda: False

    async def for_revoke(self) -> Deadline:
        """Before partitions are given away; the deadline of the commit that follows.

        While the destination is away, or postpones all that is left, there is nothing to wait for. A worker that stops has its
        own deadline.
        """
        deadline = self.revoke_budget.deadline(self.clock)
        if not self.stopping:
            await self._until(deadline.earlier(self.revoke_budget.commit), patience=0.0)
            self.delivery.linger()
        return deadline

    def given_away(self) -> None:
        """Drop what could not be finished of partitions that are another worker's now: their chunks are closed."""
        self.delivery.forget_gone()
        self.letters.forget_closed()

    async def for_stop(self, deadline: Deadline) -> bool:
        """Before the worker stops; whether nothing is left. Nothing may be admitted any more."""
        self.stopping = True
        return await self._until(deadline.earlier(self.budget.commit), patience=_PATIENCE)

    async def _until(self, deadline: Deadline, *, patience: float) -> bool:
        self.delivery.flush()
        blocked_since: float | None = None
        while self.ledger.events and (now := self.clock()) < deadline.at:
            blocked = self.delivery.blocked or not self.letters.writable or self.waits() or self._only_postponed()
            blocked_since = (blocked_since or now) if blocked else None
            if blocked_since is not None and now - blocked_since >= patience:
                break
            await asyncio.sleep(0.02)
        return not self.ledger.events

    def _only_postponed(self) -> bool:
        """Whether what is left will not change: dead letters on their way to the topic will."""
        return self.ledger.events <= self.delivery.events and self.delivery.only_postponed
