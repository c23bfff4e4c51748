"""How a replay goes: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time

from bridge.cli.app import words
from bridge.cli.terminal import say

_TELL_SECONDS = 10.0
"""Between two lines where no bar can be drawn."""


class ReplayScreen:
    """Entered for each part of the work."""

    def __enter__(self) -> None:
        from bridge.cli.sync.commands import progress

        self._begun = self._told = time.monotonic()
        self._bar = progress()
        self._bar.start()
        self._task = self._bar.add_task("", total=None, told="")

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def tell(self, what: str, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` records are done."""
        now = time.monotonic()
        rate = done / max(now - self._begun, 0.001)
        told = f"{done:,} of {total:,} records, {rate:,.0f}/s" if total else ""
        self._bar.update(self._task, description=what, total=total or None, completed=done, told=told)
        if not words.is_terminal and now - self._told >= _TELL_SECONDS:
            self._told = now
            say(f"{what}: {told}")
