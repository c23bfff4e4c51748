"""Fixtures for pytest: a real Apache Kafka, started once a session, and topics of their own for each test.

pytest_plugins = ["bridge.testing.fixtures"]     # in the topmost conftest.py
"""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bridge.testing.kafka.broker import Broker


@pytest.fixture(scope="session")
def kafka_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One node of Apache Kafka with every kind of listener. Skipped with the reason where it cannot run."""
    from bridge.testing.kafka.broker import Broker  # noqa: PLC0415 - what needs no Kafka needs no client of it
    from bridge.testing.kafka.jars import BrokerUnavailableError  # noqa: PLC0415

    try:
        broker = Broker(tmp_path_factory.mktemp("kafka"), secure=True)
    except BrokerUnavailableError as reason:
        pytest.skip(f"not run against a real Kafka: {reason}")
    with broker:
        yield broker


@pytest.fixture(scope="session")
def kafka(kafka_broker: Broker) -> str:
    """Bootstrap address of the session's broker, without security."""
    return kafka_broker.bootstrap


@pytest.fixture
def topic(kafka: str, request: pytest.FixtureRequest) -> Callable[..., str]:
    """Create topics named after the test: ``topic()``, ``topic("dead", partitions=3)``; gives the name."""
    from bridge.testing.kafka.admin import create_topic  # noqa: PLC0415

    test = re.sub(r"[^A-Za-z0-9]+", "-", request.node.name).strip("-")[:60]

    def create(kind: str = "events", *, partitions: int = 6, **config: str) -> str:
        settings = {key.replace("_", "."): value for key, value in config.items()}
        name = f"{test}.{kind}.{uuid.uuid4().hex[:8]}"
        return create_topic(kafka, name, partitions=partitions, config=settings)

    return create
