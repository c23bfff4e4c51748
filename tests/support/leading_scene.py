"""A leader of a route's tasks on virtual time: its publisher and state in memory, and tasks that a test gives it."""

import asyncio
from dataclasses import dataclass, field

from bridge.kafka.consumer.ledger import Ledger
from bridge.model.errors import KafkaError
from bridge.telemetry.metrics import Metrics
from bridge.testing.virtual_loop import VirtualLoop
from bridge.worker.leading.leader import Leader

TOPIC = "events"
SESSION = 10.0


class Kept:
    """Publisher and state in memory; ``hold`` keeps a write under way until it is set."""

    def __init__(self):
        self.values, self.records, self.away = {}, [], False
        self.hold = asyncio.Event()
        self.hold.set()

    async def read(self):
        """All values."""
        if self.away:
            raise KafkaError("away")
        return dict(self.values)

    async def write(self, values):
        """Some values."""
        if self.away:
            raise KafkaError("away")
        self.values.update(values)

    async def publish(self, records, *, topic=None):  # noqa: ARG002 - there is one topic
        """Keep them."""
        await self.hold.wait()
        self.records += records

    def limit(self, _topic):
        """Any size."""
        return 1_000_000


@dataclass
class Task:
    """Runs ``work``, at once and then ``every`` so many seconds."""

    work: object
    name: str = "counting"
    every: float = 300.0
    off: str = ""
    retry_seconds: float = 60.0
    runs: list = field(default_factory=list)
    closed: bool = False

    async def run(self, lead):
        """One run."""
        self.runs.append(asyncio.get_running_loop().time())
        await self.work(lead)

    def due(self, succeeded, now):
        """Regularly."""
        return now if succeeded is None else succeeded + self.every

    async def aclose(self):
        """Remember it."""
        self.closed = True


class Scene:
    """A leader with its tasks, and what stands around it."""

    def __init__(self, *tasks, kept=None):
        loop = asyncio.get_running_loop()
        self.ledger, self.metrics, self.kept = Ledger(loop.time), Metrics(), kept or Kept()
        self.stopping = False
        self.leader = Leader(
            tasks,
            topic=TOPIC,
            group="group",
            ledger=self.ledger,
            publisher=self.kept,
            state=self.kept,
            metrics=self.metrics,
            session_seconds=SESSION,
            stopping=lambda: self.stopping,
            clock=loop.time,
            wall=loop.time,
        )

    def assign(self, generation, *partitions):
        """Give the worker these partitions."""
        self.ledger.open(generation, {(TOPIC, number): None for number in partitions})

    def value(self, name, **labels):
        """A metric's value; None where it is not there."""
        return self.metrics.registry.get_sample_value(name, labels)

    async def __aenter__(self):
        self._running = asyncio.create_task(self.leader.run())
        return self

    async def __aexit__(self, *_):
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)


async def nothing(_lead):
    """A run without work."""


def virtually(scenario):
    """Run it on virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(scenario())
