"""Topics of a test's cluster, made as a test wants them, with an admin client that does not chatter."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def admin_client(bootstrap: str) -> AdminClient:
    """An admin client that keeps what it thinks of broken connections to itself."""
    quiet: Callable[[object], None] = lambda _error: None  # noqa: E731
    return AdminClient({"bootstrap.servers": bootstrap, "error_cb": quiet, "log_level": 0, "socket.timeout.ms": 10_000})


def create_topic(
    bootstrap: str, name: str, *, partitions: int = 6, replication: int = 1, config: Mapping[str, str] | None = None
) -> str:
    """Create a topic, wait until the cluster knows its partitions' leaders, and give its name."""
    admin = admin_client(bootstrap)
    wanted = NewTopic(name, partitions, replication, config=dict(config or {}))
    admin.create_topics([wanted], request_timeout=60, operation_timeout=60)[name].result(90)
    deadline = time.monotonic() + 60
    while True:
        known = admin.list_topics(name, timeout=10).topics[name].partitions
        if len(known) == partitions and all(partition.leader >= 0 for partition in known.values()):
            return name
        if time.monotonic() > deadline:
            raise AssertionError(f"{name} has no leaders: {known}")
        time.sleep(0.02)


def alter_topic(bootstrap: str, name: str, **config: str) -> None:
    """Change a topic's configuration: ``max_message_bytes="1000"``."""
    entries = [
        ConfigEntry(key.replace("_", "."), value, incremental_operation=AlterConfigOpType.SET)
        for key, value in config.items()
    ]
    resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries)
    admin = admin_client(bootstrap)
    admin.incremental_alter_configs([resource])[resource].result(20)
