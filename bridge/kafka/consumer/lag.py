"""Lag as it is: end offsets less committed offsets, for the partitions this worker owns."""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING, Any, Protocol

import structlog
from aiokafka.errors import KafkaError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from bridge.kafka.consumer.chunk import Partition
    from bridge.kafka.consumer.client.kafka_client import Offsets
    from bridge.kafka.consumer.ledger import Ledger
    from bridge.telemetry.metrics import Metrics

_log = structlog.get_logger(__name__)
_PATIENCE = 10.0
_LOOK_SECONDS = 2.0


class OffsetSource(Protocol):
    """Asks the brokers (:class:`bridge.kafka.consumer.stream.transport.ChunkConsumer`)."""

    async def offsets(self, partitions: Sequence[Any]) -> Mapping[Any, Offsets]:
        """Where these partitions stand."""
        ...

    async def refresh(self) -> None:
        """Look for a topic that is not there (yet)."""
        ...

    async def look_back(self) -> None:
        """While nothing is assigned: whether what was assigned before has gone with its topic."""
        ...


def lag_of(first: int, committed: int | None, end: int) -> int:
    """Records that are still to be acknowledged; a group without a commit starts at the first record there is."""
    return max(0, end - max(first, committed or 0))


class LagMeter:
    """Asks every ``interval`` seconds, and shows in the metrics only what is known.

    ``total`` and ``lags`` (by partition) are None until the first answer, while the brokers do not answer, and while this is no
    ``joined`` member of the group. ``absent`` says that the topic is not there: then it is looked for every two seconds.
    ``unreadable`` gives the partitions that cannot be read on.
    """

    def __init__(
        self,
        source: OffsetSource,
        ledger: Ledger,
        metrics: Metrics,
        *,
        interval: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
        joined: Callable[[], bool] = lambda: True,
        absent: Callable[[], bool] = lambda: False,
        unreadable: Callable[[], Collection[Partition]] = tuple,
    ) -> None:
        self._source = source
        self._ledger = ledger
        self._metrics = metrics
        self._interval = interval
        self._shown: set[Partition] = set()
        self._before: Mapping[Any, Offsets] = {}
        self._clock = clock
        self._joined = joined
        self._absent = absent
        self._unreadable = unreadable
        self._looked = clock()
        self._answered = clock()
        self.total: int | None = None
        self.lags: Mapping[Partition, int] | None = None

    @property
    def movable(self) -> bool:
        """Whether anything waits in a partition that can be read on: what cannot is told elsewhere, and no restart mends it."""
        unreadable = self._unreadable()
        return any(lag for partition, lag in (self.lags or {}).items() if partition not in unreadable)

    @property
    def silent(self) -> float:
        """Seconds since the brokers answered last."""
        return self._clock() - self._answered

    @property
    def unanswered(self) -> bool:
        """Whether the brokers owe an answer for so long that neither a rebalance nor a new leader explains it.

        Told by the time since the last answer, as the client itself goes on trying and reports nothing meanwhile.
        """
        return self.silent >= _PATIENCE

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            partitions = tuple(self._ledger.committed())
            try:
                async with asyncio.timeout(max(10.0, self._interval)):
                    offsets = await self._source.offsets(partitions) if partitions else {}
                    if not partitions:
                        await self._look_for_topic()
            except (KafkaError, TimeoutError, AssertionError) as error:
                # aiokafka asserts that a partition is assigned; during a rebalance it may not be.
                self.total = self.lags = None
                if self.unanswered:
                    self._hide(set(self._shown))
                    self._metrics.event_age_seconds.set(math.nan)
                _log.debug(
                    "lag_unknown",
                    detail="The brokers do not answer with end offsets, so the lag is unknown; it is asked for again.",
                    error=type(error).__name__,
                )
            else:
                self._answered = self._clock()
                if self._joined():
                    self._show(offsets)
                else:
                    self.total = self.lags = None
                    self._hide(set(self._shown))
                    self._metrics.event_age_seconds.set(math.nan)
            # Until there is something to ask about, look often: an operator waits for the first figure.
            await asyncio.sleep(self._interval if partitions else min(0.2, self._interval))

    async def _look_for_topic(self) -> None:
        if self._clock() - self._looked < _LOOK_SECONDS:
            return
        self._looked = self._clock()
        await self._source.look_back()
        if self._absent():
            await self._source.refresh()

    def _hide(self, partitions: set[Partition]) -> None:
        """A figure of before is none of now."""
        for topic, number in partitions:
            self._metrics.kafka_lag.remove(topic, str(number))
        self._shown -= partitions

    def _lag(self, partition: Partition, found: Offsets) -> int:
        # Offsets of a transaction's markers are no records: read to the end, nothing open and nothing to commit, twice in a
        # row as what was just read may not be written down yet.
        read = found.position is not None and found.position >= found.end
        idle = read and not self._ledger.span(partition) and partition not in self._ledger.committable()
        if idle and self._before.get(partition) == found:
            return 0
        # What is deleted unread is no lag, and what the worker still holds of deleted records is.
        return lag_of(found.first, found.committed, found.end) if found.waiting is None else found.waiting

    def _show(self, offsets: Mapping[Any, Offsets]) -> None:
        lags = {partition: self._lag(partition, found) for partition, found in offsets.items()}
        self._before = offsets
        self._hide(self._shown - set(lags))  # another worker shows it now
        for (topic, number), lag in lags.items():
            self._metrics.kafka_lag.labels(topic, str(number)).set(lag)
        self._shown = set(lags)
        self.total, self.lags = sum(lags.values()), lags
        # A worker that has finished nothing yet knows only what waits: whatever was acknowledged before is older still.
        newest = self._ledger.newest or self._ledger.oldest
        age = max(0.0, time.time() - newest) if self.total and newest else 0.0
        self._metrics.event_age_seconds.set(age if lags else math.nan)
