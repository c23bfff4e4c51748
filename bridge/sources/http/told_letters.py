"""Says in the log what became dead letters at the receiver: at once, and then once a minute, by code."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import structlog

from bridge.model.verdicts import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from bridge.model.dead_letter import DeadLetter

log = structlog.get_logger(__name__)

TOLD_SECONDS = 60.0


class ToldLetters:
    """Counts events by code until they are told. Nothing that a body holds is.

    ``clock`` gives monotonic seconds; ``of_route`` names the route in log lines, where there are several.
    """

    def __init__(self, clock: Callable[[], float], of_route: Mapping[str, str]) -> None:
        self._clock = clock
        self._of_route = of_route
        self._untold: Counter[str] = Counter()
        self._cut = 0
        self._told_at: float | None = None
        self._due: asyncio.TimerHandle | None = None

    def stored(self, letters: Iterable[DeadLetter], cut: int) -> None:
        """These are stored, ``cut`` of them with their beginning alone; from a running loop."""
        for letter in letters:
            self._untold[letter.code] += letter.events
        self._cut += cut
        passed = TOLD_SECONDS if self._told_at is None else self._clock() - self._told_at
        if passed >= TOLD_SECONDS:
            self.tell()
        elif self._due is None:
            self._due = asyncio.get_running_loop().call_later(TOLD_SECONDS - passed, self.tell)

    def tell(self) -> None:
        """Tell now what has not been told: a line a code."""
        if self._due is not None:
            self._due.cancel()
            self._due = None
        if not self._untold:
            return
        for code, count in self._untold.most_common():
            log.warning(
                "dead_letters_stored",
                detail="Events were refused for good and are stored as dead letters.",
                stage=str(Stage.RECEIVE),
                code=code,
                count=count,
                **self._of_route,
            )
        if self._cut:
            log.error(
                "dead_letters_cut",
                detail="They are larger than their topic accepts, so only their beginning is stored; replay refuses them.",
                stage=str(Stage.RECEIVE),
                count=self._cut,
                **self._of_route,
            )
        self._untold.clear()
        self._cut = 0
        self._told_at = self._clock()
