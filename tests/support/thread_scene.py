"""The Kafka client's thread without a thread of the system, and aiokafka's own fetcher without brokers under what a worker fetches with."""

import asyncio
import contextlib
from types import SimpleNamespace

from aiokafka.consumer.fetcher import Fetcher
from faust.types import TP

from bridge.kafka.consumer.client.aiokafka_client import AiokafkaClient
from bridge.kafka.consumer.client.fetching import Fetching
from bridge.kafka.consumer.consumption import Consumption, Flow
from bridge.kafka.consumer.gate import Gate
from bridge.kafka.consumer.ledger import Ledger
from bridge.kafka.consumer.reading import Reading
from bridge.kafka.consumer.stream.client_thread import ChunkThread
from bridge.telemetry.metrics import Metrics

PARTITIONS = [TP("t", 0), TP("t", 1)]


class IdleClient:
    """aiokafka's own fetcher without brokers, under our client, fetching and consuming; ``asked`` counts the fetches."""

    def __init__(self, *, max_bytes=64_000_000):
        self.fetcher = object.__new__(Fetcher)
        never = asyncio.get_running_loop().create_future()
        self.fetcher.__dict__ |= {
            "_loop": asyncio.get_running_loop(),
            "_records": {},
            "_fetch_waiters": set(),
            "_fetch_max_wait_ms": 1_500,
            "_closed": False,
            "_fetch_task": never,
            "_wait_consume_future": None,
            "_subscriptions": SimpleNamespace(
                reassignment_in_progress=False, fetch_context=contextlib.nullcontext, subscription=None
            ),
        }
        self.asked = 0
        self.client = AiokafkaClient(SimpleNamespace(_fetcher=self.fetcher, _closed=False))
        self.client.touch = self._touched
        self.fetching = Fetching(self.client, asyncio.get_running_loop().time)
        ledger = self.ledger = Ledger()
        gate = self.gate = Gate(
            ledger,
            max_events=1_000,
            max_bytes=max_bytes,
            blocked=lambda: False,
            evidence=lambda _ahead: 0,
            metrics=Metrics(),
        )
        self.consumption = Consumption(
            self.fetching,
            Flow(lambda: set(PARTITIONS), lambda: True, lambda: False),
            ledger=ledger,
            gate=gate,
            finisher=SimpleNamespace(),
            reporting=Reading(Metrics(), lambda: 0.0),
            commit_seconds=1.0,
        )
        self.consumption.assigned(PARTITIONS)

    def _touched(self):
        self.asked += 1

    def receive(self, partition):
        """Records of a partition have come; nobody asks for them here, so that their kind does not matter."""
        self.fetcher._records[partition] = object()
        for waiter in list(self.fetcher._fetch_waiters):
            self.fetcher._notify(waiter)

    async def round(self):
        """One take of what can be handed on, within a second."""
        async for _ in self.consumption.chunks(1.0):
            raise AssertionError("there are no records")


def thread_on(loop, **more):
    """The client's thread with this loop, None before it has started; it is no thread of the system."""
    thread = object.__new__(ChunkThread)
    thread.__dict__ |= {"thread_loop": loop, **more}
    return thread
