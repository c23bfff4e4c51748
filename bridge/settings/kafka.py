"""Settings of Kafka: brokers, topics, group, security."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from bridge.settings.section import Names, Seconds, Secret, Section, Text, User, refuse_example, split, variable

_TOPIC = r"^[A-Za-z0-9._-]{1,249}$"
_SERVER = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^\s:/]+)(?::\d{1,5})?", flags=re.ASCII)


class KafkaSettings(Section):
    """Where events wait between MoEngage and AEP."""

    bootstrap_servers: Names = Field(
        ("localhost:9092",),
        min_length=1,
        description="Brokers, comma-separated.",
        examples=["kafka-1:9092,kafka-2:9092"],
    )
    topic: str = Field(
        "moengage.events",
        pattern=_TOPIC,
        description="Topic the receiver writes and the worker reads.",
        examples=["moengage.events"],
    )
    group: Text = Field(
        "moengage-aep-bridge",
        min_length=1,
        description="Consumer group of the workers.",
        examples=["moengage-aep-bridge"],
    )
    dead_letter_topic: str = Field(
        "moengage.events.dead-letters",
        pattern=_TOPIC,
        description="Topic for events that were refused for good.",
        examples=["moengage.events.dead-letters"],
    )
    state_topic: str = Field(
        "bridge.state",
        pattern=_TOPIC,
        description="Compacted topic for what the bridge itself has to remember; where it is missing workers run without it.",
        examples=["bridge.state"],
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="Security protocol of the connection to the brokers.", examples=["SASL_SSL"]
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "PLAIN", description="SASL mechanism, with SASL_PLAINTEXT or SASL_SSL.", examples=["SCRAM-SHA-512"]
    )
    sasl_username: User | None = Field(None, description="SASL user.", examples=["bridge"])
    sasl_password: Secret | None = Field(None, description="SASL password.", examples=["change-me"])
    ssl_cafile: Path | None = Field(
        None, description="CA certificates (PEM) that sign the brokers' certificates.", examples=["/etc/bridge/ca.pem"]
    )
    ssl_certfile: Path | None = Field(
        None, description="Client certificate (PEM) for mutual TLS.", examples=["/etc/bridge/client.pem"]
    )
    ssl_keyfile: Path | None = Field(
        None, description="Key of the client certificate (PEM).", examples=["/etc/bridge/client.key"]
    )
    ssl_key_password: Secret | None = Field(None, description="Password of the key.", examples=["change-me"])
    ssl_check_hostname: bool = Field(
        True, description="Check that a broker's certificate names its host.", examples=["true"]
    )
    create_topics: bool = Field(
        False, description="Create missing topics at start; otherwise a missing topic is an error.", examples=["true"]
    )
    partitions: int = Field(6, ge=1, description="Partitions of a topic that is created.", examples=["12"])
    replication_factor: int = Field(
        1, ge=1, description="Replication factor of a topic that is created (3 in production).", examples=["3"]
    )
    dead_letter_retention_days: float = Field(
        30,
        gt=0,
        le=36_500,
        description="How long Kafka keeps dead letters in a topic that is created; a shorter retention of an existing topic is reported.",
        examples=["30"],
    )
    request_timeout_seconds: Seconds = Field(
        30, description="How long one request to a broker may take.", examples=["30"]
    )
    session_timeout_seconds: Seconds = Field(
        8,
        description="After this time without a heartbeat the group gives a worker's partitions to others; brokers allow 6 and more unless configured"
        " otherwise (group.min.session.timeout.ms).",
        examples=["8"],
    )
    commit_interval_seconds: Seconds = Field(
        1.0, description="How often finished offsets are committed.", examples=["1.0"]
    )

    @property
    def heartbeat_seconds(self) -> float:
        """From one heartbeat to the next: so often that a process may be stopped for most of a session, wherever between two."""
        return min(3.0, self.session_timeout_seconds / 8)

    def state_topic_of(self, route: str) -> str:
        """The topic in which a route keeps what its destination has accepted, where its kinds ask for that."""
        return f"{self.state_topic}.{route}"

    _names = field_validator("bootstrap_servers", mode="before")(split)

    @field_validator("bootstrap_servers")
    @classmethod
    def _hosts_and_ports(cls, servers: tuple[str, ...]) -> tuple[str, ...]:
        for server in servers:
            if not _SERVER.fullmatch(server):
                # Other tools take a user and a password there.
                credentials, _, named = server.rpartition("@")
                own = (
                    f"; credentials go to {variable('kafka', 'sasl_username')} and {variable('kafka', 'sasl_password')}"
                )
                raise ValueError(f"{named} is not host:port" + (own if credentials else ""))
        return servers

    @model_validator(mode="after")
    def _topics_differ(self) -> Self:
        # The worker would read its own dead letters, refuse them and write them again, without an end.
        if self.topic == self.dead_letter_topic:
            raise ValueError(
                f"{variable('kafka', 'dead_letter_topic')} must be another than {variable('kafka', 'topic')}"
            )
        if self.state_topic in (self.topic, self.dead_letter_topic):
            raise ValueError(
                f"{variable('kafka', 'state_topic')} must be another than the topics of events and dead letters"
            )
        return self

    @model_validator(mode="after")
    def _key_has_its_certificate(self) -> Self:
        if self.ssl_keyfile is not None and self.ssl_certfile is None:
            raise ValueError(f"{variable('kafka', 'ssl_keyfile')} needs {variable('kafka', 'ssl_certfile')}")
        return self

    @model_validator(mode="after")
    def _sasl_is_complete(self) -> Self:
        if self.security_protocol.startswith("SASL") and (self.sasl_username is None or self.sasl_password is None):
            raise ValueError(
                f"{variable('kafka', 'security_protocol')}={self.security_protocol} needs"
                f" {variable('kafka', 'sasl_username')} and {variable('kafka', 'sasl_password')}"
            )
        if self.security_protocol.startswith("SASL"):
            refuse_example(variable("kafka", "sasl_password"), self.sasl_password)
        return self
