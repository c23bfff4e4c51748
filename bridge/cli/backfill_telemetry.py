"""What an operator sees of a backfill that watches: metrics and health, on a port of its own."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from bridge.telemetry.health import Health, TelemetryServer
from bridge.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from bridge.model.errors import BridgeError
    from bridge.routes.backfilling import AddressAccount
    from bridge.settings import TelemetrySettings
    from bridge.sources.moengage.export_filling import Tally

_GRACE_SECONDS: Final = 300.0
"""So much beyond its time a look may come to its end, and it is ready all the same."""


class BackfillTelemetry:
    """Of ``route``, whose addresses are looked at every ``interval`` seconds."""

    def __init__(self, route: str, interval: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.metrics = Metrics(route)
        self.health = Health()
        self._interval = interval
        self._clock = clock
        self._moved = clock()
        self._place: tuple[str, int] = ("", 0)
        self._failure: str | None = None
        self.metrics.backfill_overdue_seconds.set_function(self._overdue)
        self.health.watch("backfill", self._trouble)

    def reading(self, tally: Tally) -> None:
        """Some of an object may have been read."""
        if (place := (tally.file, tally.position)) != self._place:
            self._place, self._moved = place, self._clock()

    def looked(self, addresses: Sequence[AddressAccount], error: BridgeError | None) -> None:
        """A look has come to its end, or to its ``error``."""
        self.metrics.backfill_objects.inc(sum(each.read for each in addresses))
        if error is not None:
            self._failure = f"the last look failed: {error}"
            return
        self._failure, self._moved = None, self._clock()
        self.metrics.backfill_unread_objects.set(sum(len(each.failed) + each.encrypted for each in addresses))

    @asynccontextmanager
    async def served(self, settings: TelemetrySettings, port: int) -> AsyncIterator[None]:
        """Served on that port of the settings' address. ``BridgeError`` where it is taken."""
        async with TelemetryServer(settings.model_copy(update={"port": port}), self.metrics, self.health):
            yield

    def _overdue(self) -> float:
        return max(0.0, self._clock() - self._moved - self._interval)

    def _trouble(self) -> str | None:
        if self._failure is not None:
            return self._failure
        overdue = self._overdue()
        return (
            f"nothing has been read or listed for {overdue + self._interval:.0f} s"
            if overdue > _GRACE_SECONDS
            else None
        )
