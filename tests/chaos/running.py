"""What a run waits for: something new at AEP, no lag, and the return of what AEP refuses later."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from bridge.testing.numbered_events import uuid_of

if TYPE_CHECKING:
    from sender import ChaosSender
    from stage import Stage

_RECOVERY = 60.0
"""Seconds within which new events flow after the last fault: the longest pauses between probes are 30 s."""
_DRAIN = 180.0
_COME_BACK = 120.0


async def something_new(stage: Stage, within: float) -> float | None:
    """Seconds until AEP has a new event; None when other faults keep it from that for so long."""
    count, began = len(stage.emulator.state.fingerprints), time.monotonic()
    while (waited := time.monotonic() - began) < within:
        if len(stage.emulator.state.fingerprints) > count:
            return round(waited, 2)
        await asyncio.sleep(0.05)
    return None


async def fresh_event_arrives(stage: Stage, sender: ChaosSender) -> float:
    """Seconds until AEP has an event that was posted, and answered 200, after now."""
    first, began = sender.next, time.monotonic()
    while time.monotonic() - began < _RECOVERY:
        if any(uuid_of(n) in stage.emulator.state.fingerprints for n in range(first, sender.next)):
            return round(time.monotonic() - began, 2)
        await asyncio.sleep(0.1)
    raise AssertionError(f"no new event reached AEP within {_RECOVERY:g} s after the last fault")


async def drained(stage: Stage) -> float:
    """Seconds until the group has committed everything there is."""
    began = time.monotonic()
    while stage.progress is None or stage.progress.lag or stage.progress_at < began:
        await asyncio.sleep(0.2)
        if time.monotonic() - began > _DRAIN:
            workers = "\n\n".join(role.process.tail(30) for role in stage.roles.values())
            raise AssertionError(f"after {_DRAIN:g} s without faults there is still lag: {stage.progress}\n{workers}")
    return round(time.monotonic() - began, 2)


async def came_back(stage: Stage) -> float:
    """Seconds until everything that AEP accepted is in its dataset, or back as a dead letter."""
    began = time.monotonic()
    stage.emulator.control(platform={"settle": True})
    while stage.dataset.queued or (missing := [one for one in stage.dataset.failed if one not in stage.came_back]):
        await asyncio.sleep(0.5)
        if time.monotonic() - began > _COME_BACK:
            raise AssertionError(
                f"after {_COME_BACK:g} s these were refused later and are in no dead letter: {missing[:5]}"
            )
    return round(time.monotonic() - began, 2)
