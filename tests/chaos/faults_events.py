"""What an event can do to those who map it: hold a process for good, or try to."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from counting import is_deliverable
from faults import fault

from bridge.testing.numbered_events import uuid_of

if TYPE_CHECKING:
    from faults import Planned
    from stage import Stage

_LONGEST = 240.0
"""Seconds after which the event is left alone: reading may have stood still, as AEP was away."""


@fault("process", 90, 110, spares=False, brief=False, once=True)
async def event_hangs_workers(stage: Stage, _: Planned) -> None:
    """A regex without an end over one event holds each worker that maps it, until it is a dead letter."""
    async with stage.topic_stays:
        chosen, deadline = _choose(stage), time.monotonic() + _LONGEST
        try:
            while time.monotonic() < deadline:
                await asyncio.sleep(0.5)
                if uuid_of(chosen) in stage.hung:
                    break
                if chosen in stage.expired or chosen in stage.given_up():
                    # Nobody can map it any more: it was deleted, or never came to Kafka.
                    chosen = _choose(stage)
        finally:
            stage.hanging_file.unlink()


@fault("process", 3, 5, spares=False)
async def event_backtracks(stage: Stage, planned: Planned) -> None:
    """A text over which a regular expression of the mapping set would backtrack for days: that event alone is refused."""
    async with stage.topic_stays:
        chosen = next(number for number in range(stage.next_number() + 50, 1 << 40) if is_deliverable(number))
        stage.backtracking.add(chosen)
        deadline = time.monotonic() + _LONGEST
        while uuid_of(chosen) not in stage.unmapped and time.monotonic() < deadline:
            if chosen in stage.expired or chosen in stage.given_up():
                return
            await asyncio.sleep(0.2)
        await asyncio.sleep(planned.seconds)


def _choose(stage: Stage) -> int:
    chosen = next(number for number in range(stage.next_number() + 50, 1 << 40) if is_deliverable(number))
    stage.hanging.add(chosen)
    stage.hanging_file.write_text(uuid_of(chosen), encoding="utf-8")
    return chosen
