"""Looks at a running worker once a second, and ends it when its stream has crashed or its work no longer moves."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from bridge.worker.watch.watchdog import Vitals, Watchdog, stacks

if TYPE_CHECKING:
    from bridge.kafka.consumer.lag import LagMeter
    from bridge.telemetry.health import Health

_log = structlog.get_logger(__name__)
_EVERY = 1.0


class Supervised(Protocol):
    """The worker, as far as supervision has to do with it."""

    health: Health

    @property
    def stopping(self) -> bool:
        """Whether its end has begun."""
        ...

    @property
    def joined(self) -> bool:
        """Whether it is a member of the consumer group."""
        ...

    def settled(self) -> None:
        """It is a member for the first time."""
        ...

    def show(self, lag: LagMeter) -> None:
        """Put into metrics and log what may change without an event."""
        ...

    def vitals(self, lag: LagMeter) -> Vitals:
        """What tells whether it gets on, now."""
        ...

    def stop(self, why: str) -> None:
        """End it, for a reason that its operator can read."""
        ...

    def broke(self, error: BaseException) -> None:
        """End it over an error of its own."""
        ...


async def supervise(worker: Supervised, app: Any, lag: LagMeter, stall_seconds: float) -> None:
    """Supervise until cancelled; ``app`` is the worker's Faust, and ``lag`` is measured meanwhile."""
    clock = asyncio.get_running_loop().time
    watchdog = Watchdog(stall_seconds)
    asking = asyncio.create_task(lag.run(), name="lag")
    settled = False
    try:
        while True:
            await asyncio.sleep(_EVERY)
            if worker.joined and not settled:
                # Not after Faust's start(), which does not return before it ends.
                settled = True
                worker.settled()
            worker.show(lag)
            for why in watchdog.check(clock(), worker.vitals(lag)):
                _stalled(worker, why)
            if app.crashed:
                worker.stop(f"the stream crashed: {type(app.crash_reason).__name__}")
            # While the worker stops, the client that is asked may be gone already.
            if asking.done() and not worker.stopping:
                worker.broke(asking.exception() or RuntimeError("lag meter ended"))
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)


def _stalled(worker: Supervised, why: str) -> None:
    if worker.stopping:
        return
    worker.health.fail("stalled", why)
    for name, stack in stacks():
        _log.error("stack", detail="Where a task or thread is.", of=name, at=stack)
    worker.stop(f"stalled: {why}")
