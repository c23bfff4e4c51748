"""Dead letters over a topic that a test lets fail, and a chunk to refuse events of."""

import asyncio
from random import Random
from types import SimpleNamespace

from bridge.kafka.consumer.ledger import Ledger
from bridge.kafka.dead_letters.store import DeadLetters
from bridge.model.backoff import Backoff
from bridge.model.errors import KafkaError
from bridge.sources.moengage.decoder import DECODER
from bridge.telemetry.metrics import Metrics


class LetterTopic:
    """Fails ``failures`` times, then stores; confirms when told."""

    def __init__(self, failures=0, limit=1_000_000):
        self.failures, self._limit, self.stored = failures, limit, []
        self.confirm = asyncio.Event()
        self.confirm.set()

    def limit(self, _topic):
        """Largest record in bytes."""
        return self._limit

    async def publish(self, records, *, topic=None):
        """As a publisher does."""
        assert topic == "dead"
        if self.failures:
            self.failures -= 1
            raise KafkaError("away")
        await self.confirm.wait()
        self.stored += records


def letters_over(topic, values, failures=None):
    """Ledger, a chunk of these values, and dead letters that go to the topic."""
    failures = [] if failures is None else failures
    ledger = Ledger()
    ledger.open(1, {("t", 0): None})
    records = [
        SimpleNamespace(
            value=value, key=b"k", timestamp=0, topic="t", partition=0, offset=n, headers=[("own", b"1"), ("bridge.replays", b"2")]
        )
        for n, value in enumerate(values)
    ]  # fmt: skip
    chunk = ledger.register_chunk(("t", 0), 1, records, 1, first=0, last=len(values) - 1)
    chunk.mapping = "abc"
    ledger.admit(chunk, len(values))
    letters = DeadLetters(
        topic, "dead", Metrics(), DECODER, stored=ledger.resolve,
        backoff=Backoff(Random(1), base=0.01, cap=0.01), on_failure=failures.append,
        clock=asyncio.get_running_loop().time,
    )  # fmt: skip
    return ledger, chunk, letters
