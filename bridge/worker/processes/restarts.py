"""When a worker process that has ended is started again, and when to give up. Pure; the caller brings the time in seconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bridge.model.backoff import Backoff


@dataclass(slots=True)
class Restarts:
    """Counts how the processes of a group fare.

    A process that has never joined the consumer group has failed at its start. When one fails so ``attempts`` times in
    a row while none of the group is joined, starting it again would only loop: what is wrong is wrong for all.
    As long as another works, it is tried again for ever, further and further apart.
    """

    backoff: Backoff
    attempts: int = 3
    steady_seconds: float = 60.0
    """Once it has been joined for this many seconds a process counts as sound: its next failure is a first one."""
    _joined: dict[int, float] = field(default_factory=dict)
    _failures: dict[int, int] = field(default_factory=dict)
    _failed_starts: dict[int, int] = field(default_factory=dict)

    def joined(self, number: int, now: float) -> None:
        """A process is a member of the consumer group."""
        self._joined[number] = now
        self._failed_starts.clear()

    def ended(self, number: int, now: float) -> float | None:
        """Seconds until it is to be started again; None to give up."""
        since = self._joined.pop(number, None)
        if since is None:
            self._failed_starts[number] = self._failed_starts.get(number, 0) + 1
            if not self._joined and self._failed_starts[number] >= self.attempts:
                return None
        elif now - since >= self.steady_seconds:
            self._failures[number] = 0
        self._failures[number] = self._failures.get(number, 0) + 1
        return self.backoff.delay(self._failures[number])
