"""Tells the others, as long as a run lasts, that it lives: from its claim on, as what it begins with may take minutes."""

from __future__ import annotations

import asyncio
import contextlib
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Self

from bridge.model.errors import BridgeError, KafkaError
from bridge.routes.syncing.run_account import ALIVE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.routes.syncing.kept import Kept
    from bridge.routes.syncing.run_account import RunAccount

_BEAT_SECONDS: Final = 5.0


class Pulse:
    """While entered it stores the run's ``account`` again and again. To be entered when the claim has been stored. ``clock`` is monotonic."""

    def __init__(self, kept: Kept, account: RunAccount, clock: Callable[[], float] = time.monotonic) -> None:
        self._kept = kept
        self._account = account
        self._clock = clock
        self._heard_of = clock()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._beat(), name="sync-beat")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(_BEAT_SECONDS)
            began = self._clock()
            self._account.beat = datetime.now(UTC)
            try:
                await self._kept.write(self._account)
            except KafkaError:
                continue  # what that means for the run is asked before each sending
            self._heard_of = began

    def check(self) -> None:
        """Raise ``BridgeError`` where another run may have taken this one for dead."""
        silent = self._clock() - self._heard_of
        if silent >= ALIVE_SECONDS - _BEAT_SECONDS:
            raise BridgeError(
                f"the run could not report for {silent:.0f} s that it lives, so that another one may have begun",
                hint="the state topic has to be writable while a run lasts; what was sent is found by the next run",
            )
