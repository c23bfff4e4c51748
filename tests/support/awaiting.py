"""Waiting in a coroutine for what another task, thread or process brings about."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_WITHIN = 30.0
"""Seconds: after them it will not come any more, on however busy a machine."""


async def until(condition: Callable[[], object]) -> None:
    """Let the loop turn until it is true; ``TimeoutError`` when it never is."""
    async with asyncio.timeout(_WITHIN):
        while not condition():  # noqa: ASYNC110 - it is the state that is watched
            await asyncio.sleep(0.01)
