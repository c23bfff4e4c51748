"""A store in memory for the receiver: keeps what it is given, fails or hangs when told to."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from bridge.model.dead_letter import DeadLetter, StoredLetters
from bridge.model.errors import KafkaError
from bridge.settings import ReceiverSettings
from bridge.sources.http.endpoint import Receiver
from bridge.sources.http.listener import Listener
from bridge.sources.moengage.decoder import DECODER
from bridge.sources.moengage.posting import STREAMS
from bridge.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class MemoryStore:
    """Holds records; ``failing`` raises, ``gate`` holds back the confirmation until it is set."""

    event_limit = 1_000_000
    dead_letter_limit = 1_000_000

    def __init__(self) -> None:
        self.events: list[tuple] = []
        self.dead_letters: list[DeadLetter] = []
        self.calls = 0
        self.failing = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def store(self, events, dead_letters) -> StoredLetters:
        """Keep all, or fail as told."""
        self.calls += 1
        await self.gate.wait()
        if self.failing:
            raise KafkaError("away")
        self.events += events
        self.dead_letters += [DeadLetter.from_headers(*record) for record in dead_letters]
        return StoredLetters((), ())


class Served:
    """A receiver that listens, and what is behind it."""

    def __init__(self, store: MemoryStore, receiver: Receiver, listener: Listener, metrics: Metrics) -> None:
        self.store, self.receiver, self.listener, self.metrics = store, receiver, listener, metrics
        self.url = f"http://127.0.0.1:{listener.port}{STREAMS.path}"

    def count(self, name: str, **labels: str) -> float:
        """A metric's value, 0 when there is none yet."""
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


@asynccontextmanager
async def serve(*, clock=time.monotonic, **settings) -> AsyncIterator[Served]:
    """A receiver on any free port of the loopback."""
    made = ReceiverSettings(**{"host": "127.0.0.1", "port": 0, **settings})
    store, metrics = MemoryStore(), Metrics()
    receiver = Receiver(made, store, metrics, STREAMS, DECODER, clock=clock)
    async with Listener(made, receiver) as listener:
        yield Served(store, receiver, listener, metrics)
