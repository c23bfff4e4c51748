"""How the reading of objects goes: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bridge.cli.app import words

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.progress import Progress, TaskID

    from bridge.model.dead_letter import DeadLetter
    from bridge.routes.backfilling import AddressAccount
    from bridge.sources.moengage.export_filling import Tally

_TELL_SECONDS = 10.0
"""Between two lines where no bar can be drawn."""


class BackfillScreen:
    """Watches the objects of one address after another; ``on_refused`` is called for each line that is no event.

    ``on_reading`` is called whenever some more of an object may have been read.
    """

    def __init__(
        self,
        on_refused: Callable[[str, int, DeadLetter], None],
        on_reading: Callable[[Tally], None] | None = None,
    ) -> None:
        self._on_refused = on_refused
        self._on_reading = on_reading
        self._bar: tuple[Progress, TaskID] | None = None
        self._account: AddressAccount | None = None
        self._size = self._bytes = 0
        self._begun = self._told = time.monotonic()

    def begin(self, screen: Progress, task: TaskID) -> None:
        """Of another address."""
        self._bar = (screen, task)
        self._size = self._bytes = 0
        self._begun = self._told = time.monotonic()

    def listed(self, account: AddressAccount, size: int) -> None:
        """The address holds ``size`` bytes to be read."""
        self._account, self._size = account, size

    def refused(self, name: str, line: int, letter: DeadLetter) -> None:
        """A line is no event."""
        self._on_refused(name, line, letter)

    def reading(self, tally: Tally) -> None:
        """Show how far an object has been read."""
        if self._on_reading is not None:
            self._on_reading(tally)
        account, now = self._account, time.monotonic()
        if account is None or self._bar is None:
            return
        if tally.complete:
            self._bytes += tally.position
        at = self._bytes if tally.complete else self._bytes + tally.position
        # An object that has ended is in the account already.
        ended = tally.complete
        events = account.events + (0 if ended else tally.events)
        objects = account.before + account.read + (1 if ended else 0)
        rate = events / max(now - self._begun, 0.001)
        told = f"{objects:,} of {account.found:,} objects, {events:,} events, {rate:,.0f} events/s"
        screen, task = self._bar
        screen.update(task, total=self._size, completed=at, told=told)
        if not words.is_terminal and now - self._told >= _TELL_SECONDS:
            self._told = now
            share = 100 * at / self._size if self._size else 100
            words.print(f"{account.url}: {told}, {share:.0f} %", markup=False, soft_wrap=True)
