"""All that consumes, in one loop, over the real client's side and a stub of the client."""

import asyncio

from stub_client import StubClient

from bridge.kafka.consumer.client.fetching import Fetching
from bridge.kafka.consumer.consumption import Consumption, Flow
from bridge.kafka.consumer.gate import Gate
from bridge.kafka.consumer.ledger import Ledger
from bridge.kafka.consumer.reading import Reading
from bridge.runtime.deadline import Deadline
from bridge.telemetry.metrics import Metrics

P0, P1 = ("t", 0), ("t", 1)


class Finisher:
    """Delivers nothing more at a revoke."""

    asked = 0
    left = 1.0

    async def for_revoke(self):
        """The deadline of the commit that follows."""
        self.asked += 1
        return Deadline.after(asyncio.get_running_loop().time, self.left)

    def given_away(self):
        """Nothing is kept here."""


class ConsumingWorker:
    """All that consumes, in one loop; ``finish`` gives every event of a chunk its verdict.

    ``commit_seconds``: by the loop's clock. No machine is so slow that a commit of the stub takes as long as it says by default.
    """

    def __init__(self, *partitions, max_events=1_000, assigned=True, commit_seconds=3_600.0):
        self.partitions = list(partitions)
        self.client = StubClient(*partitions)
        self.now = 0.0
        self.fetching = Fetching(self.client, lambda: self.now)
        self.ledger = Ledger()
        self.metrics = Metrics()
        self.gate = Gate(
            self.ledger,
            max_events=max_events,
            max_bytes=10_000_000,
            blocked=lambda: False,
            evidence=lambda _ahead: 0,
            metrics=self.metrics,
        )
        self.reading = Reading(self.metrics, lambda: self.now)
        self.finisher = Finisher()
        self.open, self.ending = True, False
        self.consumption = Consumption(
            self.fetching,
            Flow(lambda: self.partitions, lambda: self.open, lambda: self.ending),
            ledger=self.ledger,
            gate=self.gate,
            finisher=self.finisher,
            reporting=self.reading,
            commit_seconds=commit_seconds,
        )
        if assigned:
            self.assign()

    def assign(self):
        """An assignment of its partitions begins, on both sides."""
        self.client_side_assigned()
        self.consumption.assigned(self.partitions)

    def client_side_assigned(self):
        """The client has the assignment, the main loop does not know of it yet."""
        self.client.assign()
        self.fetching.assigned()

    async def round(self):
        """The chunks of one fetch."""
        return [chunk async for chunk in self.consumption.chunks(0.01)]

    def finish(self, chunk):
        """Admit the chunk, and finish every event of it."""
        self.ledger.admit(chunk, len(chunk.records))
        self.ledger.resolve(chunk, len(chunk.records))


async def with_a_new_log_begun():
    """A worker whose partition was cut, and the calls that store something."""
    worker, stores = ConsumingWorker(P0), []
    log = worker.client.logs[P0]
    log.append(10)
    worker.finish((await worker.round())[0])
    assert await worker.consumption.commit()
    log.rows, log.end = log.rows[:4], 4
    await worker.round()
    store = worker.fetching.store
    worker.failing = None

    async def storing(number, offsets, notes):
        stores.append(dict(offsets))
        if worker.failing is not None:
            raise worker.failing
        return await store(number, offsets, notes)

    worker.fetching.store = storing
    return worker, stores
