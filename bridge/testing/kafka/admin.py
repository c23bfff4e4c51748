"""Topics of a test's cluster, made as a test wants them, with an admin client that does not chatter."""

from __future__ import annotations

import itertools
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

_MARK = "file.delete.delay.ms"
"""A topic's setting that changes nothing a test could see."""
_marks = itertools.count(60_001)


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
    # As long as the broker itself may take for it, and not the ten seconds of other requests.
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
    """Change a topic's configuration, ``max_message_bytes="1000"``, and wait until the topic's one broker goes by it."""
    admin = admin_client(bootstrap)
    _set(admin, name, {key.replace("_", "."): value for key, value in config.items()})
    # A broker shows a change before it has told its logs, and takes the next change only afterwards.
    _set(admin, name, {_MARK: str(next(_marks))})


def _set(admin: AdminClient, name: str, config: Mapping[str, str]) -> None:
    """Change it, and wait until it is shown."""
    entries = [ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET) for key, value in config.items()]
    resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries)
    admin.incremental_alter_configs([resource])[resource].result(20)
    asked = ConfigResource(ResourceType.TOPIC, name)
    deadline = time.monotonic() + 20
    while True:
        shown = admin.describe_configs([asked])[asked].result(20)
        if all(shown[key].value == value for key, value in config.items()):
            return
        if time.monotonic() > deadline:
            raise AssertionError(f"{name} does not get {dict(config)}: {shown}")
        time.sleep(0.02)
