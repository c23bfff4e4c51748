"""Three nodes of Apache Kafka as one cluster, any of which a test may take away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from bridge.testing.kafka.broker import Broker
from bridge.testing.kafka.certificates import make_certificates
from bridge.testing.kafka.node_properties import Node, new_id

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Cluster:
    """Three nodes: topics get three replicas, and a write needs two of them. With ``secure`` they listen with TLS too."""

    def __init__(
        self, directory: Path, *, size: int = 3, secure: bool = False, properties: Mapping[str, str] | None = None
    ) -> None:
        nodes = [Node.new(number) for number in range(1, size + 1)]
        cluster_id = new_id()
        self.certificates = make_certificates(directory / "tls") if secure else None
        self.brokers = [
            Broker(
                directory / f"node-{node.id}",
                certificates=self.certificates,
                node=node,
                cluster=nodes,
                cluster_id=cluster_id,
                properties=properties,
            )
            for node in nodes
        ]

    @property
    def bootstrap(self) -> str:
        """Addresses of every node, without security."""
        return ",".join(broker.bootstrap for broker in self.brokers)

    @property
    def ssl_bootstrap(self) -> str:
        """Addresses of every node for SSL, which requires a client certificate."""
        return ",".join(broker.ssl_bootstrap for broker in self.brokers)

    def start(self, within: float = 90.0) -> Self:
        """Start every node, and wait until each knows all."""
        for broker in self.brokers:
            broker.start(wait=False)
        for broker in self.brokers:
            broker.wait_ready(within, brokers=len(self.brokers))
        return self

    def stop(self) -> None:
        """End every node; nobody waits for replicas to move."""
        for broker in self.brokers:
            broker.stop(grace=3)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
