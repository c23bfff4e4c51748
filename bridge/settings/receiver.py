"""Settings of the receiver: where it listens, whom it lets in, what it bears."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from bridge.settings.section import Names, Port, Seconds, Secret, Section, Text, User, refuse_example, split, variable

_EVERYWHERE = "0.0.0.0"  # nosec B104 # noqa: S104 - a receiver is reached from outside
_HOST = re.compile(r"[A-Za-z0-9.-]+(?::[0-9]+)?")
_EGRESS_NAME = re.compile(r"moengage|dc-0[1-6]")


class ReceiverSettings(Section):
    """The HTTP endpoint that MoEngage Streams posts to."""

    host: Text = Field(_EVERYWHERE, description="Address to listen on.", examples=[_EVERYWHERE])
    port: Port = Field(8080, description="Port to listen on.", examples=["8080"])
    public_url: str | None = Field(
        None,
        description="Where senders reach the receiver from outside: https, the host, a port if it is not 443, and what a proxy puts"
        " before the receiver's paths. setup tells it to Adobe and to MoEngage.",
        examples=["https://bridge.example.com"],
    )
    auth: Literal["none", "basic", "header", "oauth"] | None = Field(
        None,
        description="What MoEngage was told to send: basic, header, oauth (a token that it fetches from the receiver), or none to take events from anybody. Unset, the receiver"
        " starts on a loopback address only.",
        examples=["basic"],
    )
    username: User | None = Field(None, description="User for basic.", examples=["moengage"])
    password: Secret | None = Field(None, description="Password for basic.", examples=["change-me"])
    header_name: str = Field(
        "X-Api-Key", pattern=r"^[A-Za-z0-9_-]+$", description="Header for header.", examples=["X-Api-Key"]
    )
    header_value: Secret | None = Field(None, description="Value for header.", examples=["change-me"])
    client_id: User | None = Field(
        None,
        description="OAuth client id for oauth: the sender fetches a token at its path with /token.",
        examples=["moengage"],
    )
    client_secret: Secret | None = Field(None, description="OAuth client secret for oauth.", examples=["change-me"])
    token_seconds: int = Field(
        3_600, ge=60, description="Lifetime of a token that the receiver issues, in seconds.", examples=["3600"]
    )
    max_body_bytes: int = Field(
        10_000_000, ge=1_000, description="Largest body, also after gzip is undone.", examples=["10000000"]
    )
    max_events: int = Field(
        10_000,
        ge=1,
        description="Most events in one body; MoEngage sends 100. A body that would become more is answered 413.",
        examples=["10000"],
    )
    max_in_flight_bytes: int = Field(
        256_000_000,
        ge=1_000_000,
        description="Bytes of all bodies held in memory together; above it new requests get 503.",
        examples=["256000000"],
    )
    confirm_timeout_seconds: Seconds = Field(
        10, description="How long Kafka may take to confirm a request's events before it gets 503.", examples=["10"]
    )
    read_timeout_seconds: Seconds = Field(
        20, description="How long a client may take to send the head of a request, and its body.", examples=["20"]
    )
    max_connections: int = Field(
        10_000,
        ge=1,
        description="Most connections open together; one more is answered 503 and closed.",
        examples=["10000"],
    )
    max_connections_per_address: int = Field(
        5_000,
        ge=0,
        description="Connections from one address, proxies of trusted_proxies excepted; 0 sets no bound.",
        examples=["5000"],
    )
    requests_per_second: float = Field(
        0, ge=0, description="Rate limit of requests, beyond it 429; 0 turns it off.", examples=["50"]
    )
    allow_from: Names = Field(
        (),
        description="Addresses that may post: IPs, CIDRs, dc-01 to dc-06, or moengage for every published egress address"
        " of MoEngage; empty allows all.",
        examples=["moengage,10.0.0.0/8"],
    )
    trusted_proxies: Annotated[int | tuple[str, ...], NoDecode] = Field(
        0,
        description="Proxies before the receiver whose X-Forwarded-For (or Forwarded) allow_from looks at: their addresses or CIDRs, or how"
        " many there are where nobody can reach the receiver without them.",
        examples=["10.0.0.0/8"],
    )
    tls_certfile: Path | None = Field(
        None, description="Certificate chain (PEM): listen with TLS.", examples=["/etc/bridge/receiver.pem"]
    )
    tls_keyfile: Path | None = Field(
        None,
        description="Key of the certificate (PEM), if not in the same file.",
        examples=["/etc/bridge/receiver.key"],
    )
    tls_key_password: Secret | None = Field(None, description="Password of the key.", examples=["change-me"])
    tls_client_cafile: Path | None = Field(
        None,
        description="CA (PEM) of client certificates: demand one (mutual TLS).",
        examples=["/etc/bridge/clients.pem"],
    )

    _names = field_validator("allow_from", mode="before")(split)

    @field_validator("header_value")
    @classmethod
    def _one_line(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and any(letter < " " or letter == "\x7f" for letter in value.get_secret_value()):
            raise ValueError("no header can have this value: expected one line, without control characters")
        return value

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _count_or_networks(cls, value: Any) -> Any:
        if isinstance(value, str) and value.strip().isdecimal():
            value = int(value)
        if isinstance(value, int):
            if isinstance(value, bool) or value < 0:
                raise ValueError("expected the number of proxies, or their addresses or CIDRs")
            return value
        return split(value)

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: int | tuple[str, ...]) -> int | tuple[str, ...]:
        for name in () if isinstance(value, int) else value:
            ip_network(name, strict=False)
        return value

    @field_validator("public_url")
    @classmethod
    def _reachable(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value.strip())
        here = parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1")
        if not _HOST.fullmatch(parts.netloc) or not (parts.scheme == "https" or here) or parts.query or parts.fragment:
            raise ValueError(
                "expected an address with https, such as https://bridge.example.com; http for this machine only"
            )
        return value.strip().rstrip("/")

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches the address."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host.lower() == "localhost"

    @field_validator("allow_from")
    @classmethod
    def _addresses(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if not _EGRESS_NAME.fullmatch(name.lower()):
                ip_network(name, strict=False)
        return names

    @model_validator(mode="after")
    def _one_body_has_room(self) -> Self:
        if self.max_in_flight_bytes < self.max_body_bytes:
            raise ValueError(
                f"{variable('receiver', 'max_in_flight_bytes')} must not be less than"
                f" {variable('receiver', 'max_body_bytes')}: a larger body would get 503 each time"
            )
        return self

    @model_validator(mode="after")
    def _tls_is_complete(self) -> Self:
        if self.tls_certfile is None and (self.tls_keyfile is not None or self.tls_client_cafile is not None):
            raise ValueError(
                f"{variable('receiver', 'tls_keyfile')} and {variable('receiver', 'tls_client_cafile')} need"
                f" {variable('receiver', 'tls_certfile')}"
            )
        return self

    @model_validator(mode="after")
    def _credentials_are_there(self) -> Self:
        password, value = variable("receiver", "password"), variable("receiver", "header_value")
        if self.auth == "basic":
            if not self.username or not self.password or ":" in self.username:
                raise ValueError(
                    f"{variable('receiver', 'auth')}=basic needs {variable('receiver', 'username')} (without a colon) and"
                    f" {password}"
                )
            refuse_example(password, self.password)
        if self.auth == "oauth":
            secret = variable("receiver", "client_secret")
            if not self.client_id or not self.client_secret:
                raise ValueError(
                    f"{variable('receiver', 'auth')}=oauth needs {variable('receiver', 'client_id')} and {secret}"
                )
            refuse_example(secret, self.client_secret)
        if self.auth == "header":
            if not self.header_value:
                raise ValueError(f"{variable('receiver', 'auth')}=header needs {value}")
            refuse_example(value, self.header_value)
        return self
