"""A second route beside the one that is broken: another workspace to another AEP, whose flow no fault of the first AEP may stop.

Receiver and brokers are shared, and what happens to them happens to both.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

from counting import is_deliverable
from sender import ChaosSender

from bridge.emulators.adobe import Emulator
from bridge.emulators.adobe.inlet import EXAMPLE
from bridge.testing.numbered_events import uuid_of
from bridge.testing.processes import free_port

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from report import Done

NAME = "calm"
TOPIC, DEAD_LETTERS, GROUP = "chaos.calm", "chaos.calm.dead-letters", "chaos-calm"
PARTITIONS = 2
_ORGANISATION = "76543210FEDCBA9876543210@AdobeOrg"
"""Another than the first route's: of one organisation a 429 pauses every route."""
_CREDENTIALS = ("workspace-calm", "another-password")
_RATE = 50.0
_LAST = 60.0
"""Seconds within which everything that was promised has arrived, once nothing is broken any more."""
_STOPPING = frozenset(
    {"aep_outage", "aep_503", "aep_429_seconds", "aep_429_date", "aep_500", "ims_down", "dns_failure"}
)
"""Faults of the first route's AEP that stop all of its events, and should stop none of this one's."""
_TELLING = 1.5
"""Seconds that such a fault lasts at least so that its route's own flow would show it."""


@dataclass(slots=True)
class SecondRoute:
    """Its own sender, topics, group, worker and emulator; entered before the stage, which takes its settings."""

    rng: random.Random
    emulator: Emulator = field(init=False)
    sender: ChaosSender = field(init=False)
    arrivals: list[float] = field(default_factory=list)
    _task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self.emulator = Emulator(port=free_port(), payloads=0, inlet=replace(EXAMPLE, org_id=_ORGANISATION))
        self.sender = ChaosSender(_CREDENTIALS, _RATE, self.rng, time.monotonic, sizes=(1, 10, 20), at_once=4)
        await self.emulator.start()
        self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.emulator.stop()

    def environment(self) -> dict[str, str]:
        """Settings of a deployment with both routes; the first one's are those of the top level."""
        prefix = f"BRIDGE_ROUTES__{NAME.upper()}__"
        own = {
            "KAFKA__TOPIC": TOPIC,
            "KAFKA__DEAD_LETTER_TOPIC": DEAD_LETTERS,
            "KAFKA__GROUP": GROUP,
            "RECEIVER__USERNAME": _CREDENTIALS[0],
            "RECEIVER__PASSWORD": _CREDENTIALS[1],
        } | {name.removeprefix("BRIDGE_"): value for name, value in self.emulator.environment().items()}
        return {"BRIDGE_ROUTES__DEFAULT__SOURCE": "moengage"} | {prefix + name: value for name, value in own.items()}

    async def finished(self) -> None:
        """Wait until AEP has every event that was promised and that it should get."""
        deadline = time.monotonic() + _LAST
        while missing := self._missing():
            assert time.monotonic() < deadline, f"{len(missing)} events of route {NAME} are not in AEP: {missing[:5]}"
            await asyncio.sleep(0.2)

    def held_up(self, faults: Sequence[Done], began: float) -> list[str]:
        """Faults of the other route's AEP while which nothing of this route arrived."""
        return [
            f"{each.kind} at {each.began:g} s"
            for each in stopping(faults)
            if not any(began + each.began < at < began + each.ended for at in self.arrivals)
        ]

    def _missing(self) -> list[int]:
        there = self.emulator.state.fingerprints
        return [number for number in self.sender.promised if is_deliverable(number) and uuid_of(number) not in there]

    async def _watch(self) -> None:
        seen = 0
        while True:
            if (count := len(self.emulator.state.fingerprints)) != seen:
                seen = count
                self.arrivals.append(time.monotonic())
            await asyncio.sleep(0.05)


def stopping(faults: Sequence[Done]) -> list[Done]:
    """Those that stop the first route, for long enough to tell."""
    return [each for each in faults if each.kind in _STOPPING and each.ended - each.began >= _TELLING]
