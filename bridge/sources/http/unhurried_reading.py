"""From a body to its records; however large it is, other requests and probes of health are answered meanwhile."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from bridge.sources.http.intake import LARGE, BodyReading, BodyRecords, RecordLimits

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from bridge.model.event import Refusal
    from bridge.model.ports import Decoder, EventStore
    from bridge.settings import ReceiverSettings
    from bridge.sources.http.body import Lease

_BECOMES = 4
"""Times ``max_body_bytes`` that the records of one body may weigh: envelope fields are copied to each event."""


class UnhurriedReading:
    """``parsing``: large bodies are parsed one at a time, beside the event loop. ``store`` says how large a record may be."""

    def __init__(
        self,
        settings: ReceiverSettings,
        store: EventStore,
        decoder: Decoder,
        *,
        route: str,
        parsing: asyncio.Semaphore,
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._decoder = decoder
        self._parsing = parsing
        self._now = now
        self._known_limits = RecordLimits(0, 0, settings.max_events, _BECOMES * settings.max_body_bytes, route=route)

    async def read(self, body: bytes, doubt: Refusal | None, lease: Lease) -> BodyRecords:
        """The records of ``body``. Raises ``TooMuch`` and ``NoRoom``."""
        reading = BodyReading(body, self._limits(), self._now(), self._decoder, doubt)
        if len(body) <= LARGE:
            reading.parse()
        else:
            lease.need(reading.parsed_bytes())
            async with self._parsing:
                await asyncio.to_thread(reading.parse)
        before = 0
        for made in reading.slices():
            if before:
                lease.need(before)
                await asyncio.sleep(0)
            before = made
        return reading.intake()

    def _limits(self) -> RecordLimits:
        limits, store = self._known_limits, self._store
        if limits.event != store.event_limit or limits.dead_letter != store.dead_letter_limit:
            limits = replace(limits, event=store.event_limit, dead_letter=store.dead_letter_limit)
            self._known_limits = limits
        return limits
