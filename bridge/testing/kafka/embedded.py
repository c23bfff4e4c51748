"""An embedded broker that speaks the Kafka protocol: librdkafka's mock cluster, which comes with the confluent-kafka wheel.

It keeps about 5 MB a partition and forgets the rest silently: enough for a demo, never for a promise.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from bridge.model.errors import BridgeError

if TYPE_CHECKING:
    from types import TracebackType

KEPT_BYTES = 5_000_000
"""What the mock cluster keeps of a partition (DESIGN: measured)."""
PARTITIONS = 4
"""Partitions that the mock cluster gives to every topic."""
_PATIENCE_SECONDS = 10.0


class EmbeddedKafka:
    """A context manager; ``bootstrap`` is its address while it is open."""

    def __init__(self, *topics: str) -> None:
        self._topics = topics
        self.bootstrap = ""

    def __enter__(self) -> Self:
        try:
            from confluent_kafka import Producer  # noqa: PLC0415 - an extra that only the demo needs
        except ImportError:
            raise BridgeError(
                "the demo needs the embedded broker, which is not installed",
                hint="pip install 'moengage-aep-bridge[demo]'",
            ) from None
        # The producer owns the cluster: it lives as long as the producer does.
        self._owner = Producer({"test.mock.num.brokers": 1, "log_level": 0})
        brokers = self._owner.list_topics(timeout=_PATIENCE_SECONDS).brokers.values()
        self.bootstrap = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
        for topic in self._topics:
            self.create(topic)
        return self

    def create(self, topic: str) -> None:
        """Make a topic of ``PARTITIONS`` partitions."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline:
            # Asking for a topic's metadata is how the mock cluster is told to make one.
            known = self._owner.list_topics(topic, timeout=_PATIENCE_SECONDS).topics[topic]
            if known.error is None and known.partitions:
                return
            time.sleep(0.05)
        raise BridgeError(f"the embedded broker did not create topic {topic} within {_PATIENCE_SECONDS:.0f} s")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del self._owner
