"""What stands in a test node's ``server.properties``: who it is, where it listens and with which security, and how fast it reacts."""

from __future__ import annotations

import base64
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from bridge.testing.processes import free_port

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bridge.testing.kafka.certificates import Certificates

USERNAME = "bridge"
PASSWORD = "a-secret-for-tests"


@dataclass(frozen=True, slots=True)
class Node:
    """Who a node is in its cluster: stays the same over restarts."""

    id: int
    plain: int
    controller: int
    sasl: int
    ssl: int
    sasl_ssl: int

    @classmethod
    def new(cls, number: int) -> Self:
        """A node with free ports."""
        return cls(number, *(free_port() for _ in range(5)))


def new_id() -> str:
    """An id of a cluster or of a disk, as Kafka's own tools make them."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


def properties_of(
    own: Node, cluster: Sequence[Node], data: Path, certificates: Certificates | None = None
) -> dict[str, str]:
    """Properties of the node ``own``, which keeps its logs in ``data``; with certificates also its secure listeners."""
    copies = len(cluster)
    listeners = {"PLAINTEXT": own.plain, "CONTROLLER": own.controller}
    protocols = {"PLAINTEXT": "PLAINTEXT", "CONTROLLER": "PLAINTEXT"}
    secured: dict[str, str] = {}
    if certificates is not None:
        listeners |= {"SASL": own.sasl, "SSL": own.ssl, "SASLSSL": own.sasl_ssl}
        protocols |= {"SASL": "SASL_PLAINTEXT", "SSL": "SSL", "SASLSSL": "SASL_SSL"}
        secured = _secured(certificates)
    urls = [f"{name}://127.0.0.1:{port}" for name, port in listeners.items()]
    return secured | {
        "process.roles": "broker,controller",
        "node.id": str(own.id),
        "controller.quorum.voters": ",".join(f"{node.id}@127.0.0.1:{node.controller}" for node in cluster),
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listeners": ",".join(urls),
        "advertised.listeners": ",".join(url for url in urls if not url.startswith("CONTROLLER")),
        "listener.security.protocol.map": ",".join(f"{name}:{kind}" for name, kind in protocols.items()),
        "log.dirs": str(data),
        "auto.create.topics.enable": "false",
        "default.replication.factor": str(copies),
        "min.insync.replicas": str(max(1, copies - 1)),
        "offsets.topic.replication.factor": str(copies),
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": str(copies),
        "transaction.state.log.min.isr": str(max(1, copies - 1)),
        "transaction.state.log.num.partitions": "1",
        "share.coordinator.state.topic.replication.factor": str(copies),
        "share.coordinator.state.topic.min.isr": "1",
        # Groups form and break up many times in a test run: no waiting for more members, quick failure detection.
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "1000",
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
        "controller.quorum.election.timeout.ms": "500",
        "controller.quorum.fetch.timeout.ms": "1500",
        # Nobody reads the empty records with which an idle controller shows that it lives; they are a third of what an idle node costs.
        "metadata.max.idle.interval.ms": "5000",
        "controlled.shutdown.enable": "true",
        "log.segment.bytes": "268435456",
        "log.cleaner.enable": "false",
        "num.network.threads": "2",
        "num.io.threads": "4",
        "background.threads": "2",
        "num.recovery.threads.per.data.dir": "2",
    }


def _secured(certificates: Certificates) -> dict[str, str]:
    plain = f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{USERNAME}="{PASSWORD}";'
    scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    settings: dict[str, str] = {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(certificates.broker_bundle),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(certificates.ca),
        "listener.name.ssl.ssl.client.auth": "required",
        "listener.name.saslssl.ssl.client.auth": "none",
    }
    for listener in ("sasl", "saslssl"):
        settings |= {
            f"listener.name.{listener}.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
            f"listener.name.{listener}.plain.sasl.jaas.config": plain,
            f"listener.name.{listener}.scram-sha-256.sasl.jaas.config": scram,
            f"listener.name.{listener}.scram-sha-512.sasl.jaas.config": scram,
        }
    return settings
