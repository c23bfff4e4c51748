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

_LOOK_SECONDS = 0.02


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
    admin.create_topics([wanted], operation_timeout=20)[name].result(30)
    deadline = time.monotonic() + 20
    while True:
        known = admin.list_topics(name, timeout=10).topics[name].partitions
        if len(known) == partitions and all(partition.leader >= 0 for partition in known.values()):
            return name
        if time.monotonic() > deadline:
            raise AssertionError(f"{name} has no leaders: {known}")
        time.sleep(_LOOK_SECONDS)


def alter_topic(bootstrap: str, name: str, **config: str) -> None:
    """Change a topic's configuration, ``max_message_bytes="1000"``, and wait until the brokers know it."""
    wanted = {key.replace("_", "."): value for key, value in config.items()}
    entries = [ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET) for key, value in wanted.items()]
    resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries)
    admin = admin_client(bootstrap)
    admin.incremental_alter_configs([resource])[resource].result(20)
    # The controller has it once this is answered; the brokers, which tell it to others, a moment later.
    asked = ConfigResource(ResourceType.TOPIC, name)
    deadline = time.monotonic() + 20
    while True:
        known = admin.describe_configs([asked])[asked].result(20)
        if all(known[key].value == value for key, value in wanted.items()):
            return
        if time.monotonic() > deadline:
            raise AssertionError(f"{name} does not have {wanted}")
        time.sleep(_LOOK_SECONDS)
