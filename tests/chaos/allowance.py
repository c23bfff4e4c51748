"""How many events may come to an end twice: what was under way, and not known to be done, each time something broke."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bridge.emulators.adobe import Emulator

_AROUND = 2.0
"""Seconds around a rebalance in which what is not committed is looked at: samples are half a second apart or more."""
_ASSIGNED = b'"partitions_assigned"'


@dataclass(frozen=True, slots=True)
class Glimpse:
    """What AEP had and the group had not committed, and how many events AEP had taken in all by then."""

    uncommitted: int = 0
    taken: int = 0


@dataclass(slots=True)
class Allowance:
    """``outstanding`` counts the events that neither AEP nor the dead letters have, ``posted`` those in posts that are not
    answered yet, ``capacity`` those that requests to AEP can hold at one moment. ``logs`` are the workers'.
    """

    emulator: Emulator
    outstanding: Callable[[], int]
    posted: Callable[[], int]
    capacity: Callable[[], int]
    logs: Callable[[], Sequence[Path]]
    glimpse: Glimpse = Glimpse()
    _repeats: list[tuple[str, int]] = field(default_factory=list)
    _samples: list[tuple[float, int]] = field(default_factory=list)
    _assigned: list[float] = field(default_factory=list)

    def repeat(self, why: str, events: int) -> None:
        """So many events may come again, because an answer about them is lost."""
        self._repeats.append((why, events))

    def requests_are_cut(self, why: str) -> None:
        """Every request to AEP that is under way may have been processed, and loses its answer."""
        self.repeat(why, self._in_requests())

    def confirmations_are_cut(self, why: str) -> None:
        """Every post that is under way may be stored, unconfirmed, and stored again by the receiver's Kafka client."""
        self.repeat(why, self.posted())

    def sample(self) -> None:
        """Note how much is not committed now: by the last glimpse, and what was accepted since then."""
        since = self.emulator.state.events - self.glimpse.taken
        self._samples.append((time.monotonic(), self.glimpse.uncommitted + since + self._in_requests()))

    def rebalances(self) -> list[float]:
        """When partitions were handed out (in seconds of the monotonic clock), by what the workers logged."""
        # All members hear of one rebalance at about the same time.
        times = self._assigned
        return [at for at, before in zip(times, [0.0, *times], strict=False) if at - before > 1.0]

    def repeatable(self) -> dict[str, int]:
        """Events that may have come to an end more than once, by what was under way when something broke.

        At each rebalance, what AEP had and the group had not committed, and what was on its way; and what is known of
        lost answers.
        """
        found = Counter(rebalances=0)
        for why, events in self._repeats:
            found[why] += events
        for at in self.rebalances():
            around = (events for when, events in self._samples if abs(when - at) < _AROUND)
            found["rebalances"] += max(around, default=0)
        return dict(found)

    async def watch_assignments(self) -> None:
        """Read what workers append to their logs; a line counts when it is seen, as their clocks may jump."""
        read: dict[Path, int] = {}
        while True:
            for log in self.logs():
                if log.exists() and log.stat().st_size > read.get(log, 0):
                    with log.open("rb") as lines:
                        lines.seek(read.get(log, 0))
                        fresh = lines.read()
                    # The end may be half a line.
                    whole = fresh[: fresh.rfind(b"\n") + 1]
                    read[log] = read.get(log, 0) + len(whole)
                    self._assigned += [time.monotonic()] * whole.count(_ASSIGNED)
            await asyncio.sleep(0.2)

    def _in_requests(self) -> int:
        return min(self.outstanding(), self.capacity())
