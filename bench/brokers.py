"""The Kafka of a run: a real Apache Kafka, or for a quick one the demo's embedded broker, which needs no Java."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from bench.records import records
from bench.stage import OTHERS, on
from bridge.testing.kafka.embedded import KEPT_BYTES, PARTITIONS, EmbeddedKafka

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

EMBEDDED_PARTITIONS = PARTITIONS
_OUTSTANDING_BYTES = KEPT_BYTES * 4 // 5
"""The embedded broker forgets silently what is more than 5 MB back in a partition; so much may be under way, were it all in one."""


class NoRealBrokerError(Exception):
    """A real Kafka cannot run here; the message says what is missing."""


@contextlib.contextmanager
def real_broker(where: Path, topics: Mapping[str, int]) -> Iterator[str]:
    """Address of an Apache Kafka with these topics (name -> partitions), on the cores that are not measured."""
    from bridge.testing.kafka.admin import create_topic
    from bridge.testing.kafka.broker import Broker
    from bridge.testing.kafka.jars import BrokerUnavailableError

    with on(OTHERS):
        try:
            broker = Broker(where / "kafka")
        except BrokerUnavailableError as error:
            raise NoRealBrokerError(str(error)) from None
        with broker:
            for name, partitions in topics.items():
                create_topic(broker.bootstrap, name, partitions=partitions)
            yield broker.bootstrap


@contextlib.contextmanager
def embedded_broker(topics: Sequence[str]) -> Iterator[EmbeddedKafka]:
    """Librdkafka's mock cluster with these topics; each has ``EMBEDDED_PARTITIONS`` partitions."""
    with on(OTHERS), EmbeddedKafka(*topics) as kafka:
        yield kafka


class Feed:
    """Writes records into a topic as they are delivered: never more ahead than the embedded broker keeps."""

    def __init__(self, bootstrap: str, topic: str, count: int) -> None:
        from confluent_kafka import Producer

        self._producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, "log_level": 0})
        self._topic = topic
        self._records = records(count)
        self.ahead = 0
        """Bytes written beyond what has arrived."""
        self._sizes: list[int] = []

    def go_on(self, arrived: int) -> None:
        """``arrived`` events have reached the sink."""
        self.ahead = sum(self._sizes[arrived:])
        while self.ahead < _OUTSTANDING_BYTES and (record := next(self._records, None)) is not None:
            key, value = record
            self._producer.produce(self._topic, value, key=key)
            self._sizes.append(len(value))
            self.ahead += len(value)
        self._producer.poll(0)
