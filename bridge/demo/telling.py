"""Tells a story while it is played: a snapshot at each look, every phase once, until nothing is under way any more."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from bridge.model.errors import BridgeError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine

P = TypeVar("P")
S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Look(Generic[P, S]):
    """What was found by ``at`` (monotonic seconds): ``shown`` gives the snapshot of it in a phase, ``settled`` says whether all is done."""

    at: float
    shown: Callable[[P], S]
    settled: bool


async def tell_story(
    play: Callable[[], Coroutine[Any, Any, None]],
    look: Callable[[], Awaitable[Look[P, S]]],
    phases: list[P],
    *,
    last: P,
    every: float,
    settle_seconds: float,
    rest: float = 0.0,
) -> AsyncIterator[S]:
    """A snapshot every ``every`` seconds, and one of the phase ``last`` at the end; ``play`` appends to ``phases`` as it goes.

    ``rest``: seconds after the end of the play before which nothing counts as settled. Raises ``BridgeError`` when it has not
    settled ``settle_seconds`` after that end.
    """
    played_at: float | None = None
    acting = asyncio.create_task(play())
    try:
        while True:
            if acting.done():
                acting.result()
                played_at = played_at or time.monotonic()
            found = await look()
            # A phase may pass between two looks, and none may be left out of the story.
            passed = phases[:-1]
            del phases[:-1]
            for phase in (*passed, phases[0]):
                yield found.shown(phase)
            if played_at is not None and found.settled and found.at >= played_at + rest:
                yield found.shown(last)
                return
            if played_at is not None and found.at - played_at > settle_seconds:
                raise BridgeError(f"not everything arrived within {settle_seconds:.0f} s: {found.shown(phases[0])}")
            await asyncio.sleep(every)
    finally:
        acting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await acting
