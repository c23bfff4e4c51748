"""How much may be between fetch and acknowledgement: above its bounds partitions pause, and memory stays flat."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bridge.kafka.consumer.chunk import Partition
    from bridge.kafka.consumer.ledger import Ledger
    from bridge.telemetry.metrics import Metrics

FETCH_BYTES = 1_048_576
"""Most bytes that Kafka gives of one partition at once (more only when a single record is larger)."""
_AHEAD = 4
"""Chunks that may wait to be mapped: more would only be read long before, and keep requests from being sent meanwhile."""
_MAX_RUN_AHEAD = 2
"""How far, in multiples of ``max_events``, a partition may run ahead of its oldest unfinished event: that is what a crash repeats."""
_EVIDENCE = 50
"""Records at most, or a part of the bound as for probes, that are read at once beyond the bounds, for evidence."""
_PROBES = 0.1
"""While the destination is away this part of the bounds still fills: probes need more than one event to be telling."""


class Gate:
    """Says which partitions may be fetched from. Bounds are events and bytes of records; ``blocked``: destination away.

    ``evidence``: how many events are wanted of those that would show whose fault it is that what is here fails, if they come of a
    partition that is not too far ahead (False), and if they do (True). ``held`` events are
    postponed for ever while others are taken: they leave the others' room to them, within the bound of bytes.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        max_events: int,
        max_bytes: int,
        blocked: Callable[[], bool],
        evidence: Callable[[bool], int],
        held: Callable[[], int] = lambda: 0,
        metrics: Metrics,
    ) -> None:
        self._ledger = ledger
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._blocked = blocked
        self._evidence = evidence
        self._held = held
        self._little = 0
        self._metrics = metrics
        self._room = asyncio.Event()
        self._shut = 0
        self._turn = 0

    def shut(self) -> None:
        """Admit nothing more: the worker or its assignment is ending."""
        self._shut += 1

    def reopen(self) -> None:
        """Take back one :meth:`shut`."""
        self._shut -= 1

    @property
    def is_shut(self) -> bool:
        """Whether nothing more is to be admitted at all."""
        return self._shut > 0

    @property
    def open(self) -> bool:
        """Whether there is room for more."""
        part = _PROBES if self._blocked() else 1.0
        return (
            self._may_hand_on
            and self._events < self._max_events * part
            and self._ledger.weight < self._max_bytes * part
        )

    @property
    def _may_hand_on(self) -> bool:
        return not self._shut and self._ledger.queued < _AHEAD

    @property
    def _events(self) -> int:
        return self._ledger.events - self._held()

    @property
    def room(self) -> int:
        """How many records more there is room for; a batch record may still hold more events than one."""
        if self._little:
            return min(self._little, max(_EVIDENCE, int(self._max_events * _PROBES)))
        part = _PROBES if self._blocked() else 1.0
        return max(1, int(self._max_events * part) - self._events)

    def admitted(self, partitions: Iterable[Partition]) -> set[Partition]:
        """Those of the partitions that may be fetched from now.

        A partition whose oldest event is held up waits alone once a crash would repeat too much of it, unless evidence is
        wanted of that event: then a little comes of it too. So it is where all that may be here has failed, as far as there is
        room for its bytes. Of many partitions as many take part as have room for a full fetch each, by turns.
        """
        self._little = 0
        self._metrics.in_flight_events.set(self._ledger.events)
        self._metrics.in_flight_bytes.set(self._ledger.weight)
        is_open = self.open
        if not is_open and not (self._may_hand_on and self._ledger.weight < self._max_bytes):
            return set()
        wanted = list(partitions)
        some = [partition for partition in wanted if self._ledger.span(partition) < _MAX_RUN_AHEAD * self._max_events]
        if not is_open or len(some) < len(wanted):
            ahead = is_open or not some
            self._little = self._evidence(ahead)
            if self._little and ahead:
                some = wanted
            elif not self._little and not is_open:
                return set()
        # Evidence of one partition at a time: in a request with what cannot be taken the others' events show nothing.
        most = 1 if self._little else max(1, (self._max_bytes - self._ledger.weight) // FETCH_BYTES)
        self._turn += 1
        turns = deque(some)
        turns.rotate(-self._turn)
        return set(islice(turns, most))

    def freed(self) -> None:
        """A chunk was mapped, or events were acknowledged: there may be room."""
        if not self._room.is_set() and self.open:
            self._room.set()

    async def wait(self, seconds: float) -> bool:
        """Wait until there may be room again; False when there is none after ``seconds``."""
        self._room.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._room.wait()
                return True
        return False
