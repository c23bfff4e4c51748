"""Every setting of the bridge, in one model; the only reader of the environment.

Sources, strongest first: the environment (``BRIDGE_KAFKA__TOPIC``), a ``.env`` file, ``bridge.toml`` (``[kafka] topic``),
the defaults here. An unknown or wrong key stops the start with its name, what was expected and an example.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from bridge import shipped
from bridge.errors import SettingsError

PREFIX = "BRIDGE_"
ENV_FILE = ".env"
TOML_FILE = "bridge.toml"
_HEX64 = "0123456789abcdef" * 4
_EGRESS_NAME = re.compile(r"moengage|dc-0[1-6]")

Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0)]
Names = Annotated[tuple[str, ...], NoDecode]
"""Comma-separated in the environment, a list in TOML."""


def _split(value: Any) -> Any:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _object(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise ValueError("expected a JSON object") from None


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class KafkaSettings(_Section):
    """Where events wait between MoEngage and AEP."""

    bootstrap_servers: Names = Field(
        ("localhost:9092",), description="Brokers, comma-separated.", examples=["kafka-1:9092,kafka-2:9092"]
    )
    topic: str = Field(
        "moengage.events", description="Topic the receiver writes and the worker reads.", examples=["moengage.events"]
    )
    group: str = Field(
        "moengage-aep-bridge", description="Consumer group of the workers.", examples=["moengage-aep-bridge"]
    )
    dead_letter_topic: str = Field(
        "moengage.events.dead-letters",
        description="Topic for events that were refused for good.",
        examples=["moengage.events.dead-letters"],
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How to speak to the brokers.", examples=["SASL_SSL"]
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "PLAIN", description="SASL mechanism, with SASL_PLAINTEXT or SASL_SSL.", examples=["SCRAM-SHA-512"]
    )
    sasl_username: str | None = Field(None, description="SASL user.", examples=["bridge"])
    sasl_password: SecretStr | None = Field(None, description="SASL password.", examples=["change-me"])
    ssl_cafile: Path | None = Field(
        None, description="CA certificates (PEM) that sign the brokers'.", examples=["/etc/bridge/ca.pem"]
    )
    ssl_certfile: Path | None = Field(
        None, description="Client certificate (PEM) for mutual TLS.", examples=["/etc/bridge/client.pem"]
    )
    ssl_keyfile: Path | None = Field(
        None, description="Key of the client certificate (PEM).", examples=["/etc/bridge/client.key"]
    )
    ssl_key_password: SecretStr | None = Field(None, description="Password of the key.", examples=["change-me"])
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
    request_timeout_seconds: Seconds = Field(
        30, description="How long one request to a broker may take.", examples=["30"]
    )
    session_timeout_seconds: Seconds = Field(
        45, description="After this silence the group takes a worker's partitions away.", examples=["45"]
    )
    commit_interval_seconds: Seconds = Field(
        1.0, description="How often finished offsets are committed.", examples=["1.0"]
    )

    _names = field_validator("bootstrap_servers", mode="before")(_split)

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
        return self


class MappingSettings(_Section):
    """Which mapping set turns an event into an ExperienceEvent."""

    path: Path = Field(
        Path("mappings/moengage_events.csv"),
        validate_default=True,
        description="Mapping set, CSV or Data Prep JSON.",
        examples=["mappings/moengage_events.csv"],
    )
    tenant: str = Field(
        "_yourorgname",
        pattern=r"^_[A-Za-z0-9_]+$",
        description="AEP tenant namespace: {tenant} in a destination.",
        examples=["_yourorgname"],
    )
    primary_identity: Names = Field(
        ("lumaCrmId", "Email", "Phone", "moengageUserId", "ECID"),
        min_length=1,
        description="Identity namespaces by priority: the first with a valid value is primary. The first name is also the"
        " namespace of the customer id ({primary_identity} in a mapping set). An event in which none of them is valid is rejected.",
        examples=["lumaCrmId,Email"],
    )
    placeholders: Annotated[dict[str, str], NoDecode] = Field(
        default_factory=dict,
        description="More {name} placeholders for mapping sets, as JSON.",
        examples=['{"brand": "luma"}'],
    )
    schema_: Path | None = Field(
        None,
        alias="schema",
        description="XDM schema (JSON) to coerce to and to check against.",
        examples=["mappings/moengage_events.schema.json"],
    )
    strict: bool = Field(
        False, description="A source attribute that is missing is an error, not null.", examples=["false"]
    )
    tests: Path | None = Field(
        None,
        description="Golden cases that a changed mapping must pass before the worker takes it.",
        examples=["mappings/tests"],
    )
    reload_seconds: float = Field(
        5.0, ge=0, description="How often the worker looks for a changed mapping file; 0 never.", examples=["5"]
    )
    event_bytes: int = Field(
        10_000,
        ge=0,
        description="XDM JSON above this is silently dropped by Profile: warn and count; 0 turns the check off.",
        examples=["10000"],
    )
    oversize: Literal["warn", "drop", "reject"] = Field(
        "warn",
        description="What to do with an event above event_bytes: warn, drop the paths of oversize_drop, or dead-letter.",
        examples=["warn"],
    )
    oversize_drop: Names = Field(
        ("{tenant}.userAttributesJson", "{tenant}.deviceAttributesJson", "{tenant}.eventAttributesJson"),
        description="Optional XDM paths that may be dropped, largest first, until the event fits.",
        examples=["{tenant}.userAttributesJson"],
    )

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
    _names = field_validator("primary_identity", "oversize_drop", mode="before")(_split)
    _placeholders = field_validator("placeholders", mode="before")(_object)

    @field_validator("path", "schema_", "tests")
    @classmethod
    def _shipped_or_own(cls, path: Path | None) -> Path | None:
        return None if path is None else shipped.find(path)


class AepSettings(_Section):
    """The streaming connection (HTTP API inlet) of Adobe Experience Platform."""

    endpoint: str | None = Field(
        None,
        pattern=r"^https?://[^/\s]+/collection/[^/?\s]+$",
        description="The inlet's URL as AEP shows it.",
        examples=[f"https://dcs.adobedc.net/collection/{_HEX64}"],
    )
    payload: Literal["xdm", "raw"] = Field(
        "xdm", description="xdm: the bridge maps; raw: the dataflow in AEP maps (needs flow_id).", examples=["xdm"]
    )
    auth: Literal["oauth", "none"] = Field(
        "oauth", description="none for inlets created without authentication.", examples=["oauth"]
    )
    org_id: str | None = Field(
        None,
        pattern=r"^[^@\s]+@AdobeOrg$",
        description="IMS organisation.",
        examples=["0123456789ABCDEF01234567@AdobeOrg"],
    )
    schema_id: str | None = Field(
        None,
        description="$id of the XDM schema.",
        examples=["https://ns.adobe.com/yourorgname/schemas/0123456789abcdef"],
    )
    dataset_id: str | None = Field(
        None, description="Dataset that takes the events.", examples=["0123456789abcdef01234567"]
    )
    flow_id: str | None = Field(
        None, description="Dataflow that binds schema and dataset.", examples=["01234567-89ab-cdef-0123-456789abcdef"]
    )
    sandbox: str = Field("prod", description="Sandbox name (header x-sandbox-name).", examples=["prod"])
    batch_bytes: int = Field(
        1_000_000,
        ge=1_000,
        le=1_048_576,
        description="Largest request body in bytes (AEP refuses more than 1 MB).",
        examples=["1000000"],
    )
    batch_events: int = Field(10_000, ge=1, description="Most events in one request.", examples=["10000"])
    linger_seconds: Seconds = Field(0.5, description="How long a request waits to be filled.", examples=["0.5"])
    concurrency: int = Field(
        16,
        ge=1,
        description="Ceiling of requests under way at once in one worker; the number in use adapts below it.",
        examples=["16"],
    )
    requests_per_second: float = Field(
        1_000, ge=0, description="Rate limit of requests per organisation; 0 turns it off.", examples=["1000"]
    )
    events_per_second: float = Field(
        10_000, ge=0, description="Rate limit of events per organisation; 0 turns it off.", examples=["10000"]
    )
    rate_share: int = Field(
        1, ge=1, description="How many workers share the two rate limits: each takes its part.", examples=["2"]
    )
    timeout_seconds: Seconds = Field(30, description="How long one request may take.", examples=["30"])
    ordering: Literal["none", "key"] = Field(
        "none", description="key: events of one Kafka key are delivered in order.", examples=["none"]
    )

    @field_validator("endpoint", mode="before")
    @classmethod
    def _inlet(cls, value: Any) -> Any:
        if isinstance(value, str):
            if "/collection/batch/" in value:
                raise ValueError("this is the batch endpoint; give the inlet's own, without /batch: the bridge adds it")
            if "?" in value:
                raise ValueError("give the inlet's URL without ? and what follows")
            return value.strip().rstrip("/")
        return value


class OauthSettings(_Section):
    """OAuth server-to-server credentials of Adobe IMS."""

    token_url: str = Field(
        "https://ims-na1.adobelogin.com/ims/token/v3",
        pattern=r"^https?://",
        description="Token endpoint.",
        examples=["https://ims-na1.adobelogin.com/ims/token/v3"],
    )
    client_id: str | None = Field(
        None, description="Client id of the credential.", examples=["0123456789abcdef0123456789abcdef"]
    )
    client_secret: SecretStr | None = Field(
        None, description="Client secret; two, comma-separated, while rotating.", examples=["p8e-change-me"]
    )
    client_secret_file: Path | None = Field(
        None,
        description="File that holds the secret(s) instead (Kubernetes, Vault); read again when credentials are refused.",
        examples=["/run/secrets/ims"],
    )
    scopes: Names = Field(
        ("openid", "AdobeID", "read_organizations", "additional_info.projectedProductContext", "session"),
        description="Scopes, comma-separated, from the Developer Console project.",
        examples=["openid,AdobeID,read_organizations,additional_info.projectedProductContext,session"],
    )

    _names = field_validator("scopes", mode="before")(_split)


class ReceiverSettings(_Section):
    """The HTTP endpoint that MoEngage Streams posts to."""

    host: str = Field("0.0.0.0", description="Address to listen on.", examples=["0.0.0.0"])  # noqa: S104 - a receiver is reached from outside
    port: Port = Field(8080, description="Port to listen on.", examples=["8080"])
    auth: Literal["none", "basic", "header"] = Field(
        "none", description="What MoEngage was told to send.", examples=["basic"]
    )
    username: str | None = Field(None, description="User for basic.", examples=["moengage"])
    password: SecretStr | None = Field(None, description="Password for basic.", examples=["change-me"])
    header_name: str = Field(
        "X-Api-Key", pattern=r"^[A-Za-z0-9_-]+$", description="Header for header.", examples=["X-Api-Key"]
    )
    header_value: SecretStr | None = Field(None, description="Value for header.", examples=["change-me"])
    max_body_bytes: int = Field(
        10_000_000, ge=1_000, description="Largest body, also after gzip is undone.", examples=["10000000"]
    )
    max_in_flight_bytes: int = Field(
        256_000_000,
        ge=1_000_000,
        description="Bodies held in memory at once; above it new requests get 503.",
        examples=["256000000"],
    )
    confirm_timeout_seconds: Seconds = Field(
        10, description="How long Kafka may take to confirm a request's events before it gets 503.", examples=["10"]
    )
    read_timeout_seconds: Seconds = Field(
        20, description="How long a client may take to send its body.", examples=["20"]
    )
    max_connections: int = Field(
        10_000, ge=1, description="Connections open at once; one more is answered 503 and closed.", examples=["10000"]
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
    trusted_proxies: int = Field(
        0,
        ge=0,
        description="How many proxies stand before the receiver: allow_from then looks at X-Forwarded-For.",
        examples=["1"],
    )
    tls_certfile: Path | None = Field(
        None, description="Certificate chain (PEM): listen with TLS.", examples=["/etc/bridge/receiver.pem"]
    )
    tls_keyfile: Path | None = Field(
        None,
        description="Key of the certificate (PEM), if not in the same file.",
        examples=["/etc/bridge/receiver.key"],
    )
    tls_key_password: SecretStr | None = Field(None, description="Password of the key.", examples=["change-me"])
    tls_client_cafile: Path | None = Field(
        None,
        description="CA (PEM) of client certificates: demand one (mutual TLS).",
        examples=["/etc/bridge/clients.pem"],
    )

    _names = field_validator("allow_from", mode="before")(_split)

    @field_validator("allow_from")
    @classmethod
    def _addresses(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if not _EGRESS_NAME.fullmatch(name.lower()):
                ip_network(name, strict=False)
        return names

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
        if self.auth == "basic" and (not self.username or not self.password or ":" in self.username):
            raise ValueError(
                f"{variable('receiver', 'auth')}=basic needs {variable('receiver', 'username')} (without a colon) and"
                f" {variable('receiver', 'password')}"
            )
        if self.auth == "header" and not self.header_value:
            raise ValueError(f"{variable('receiver', 'auth')}=header needs {variable('receiver', 'header_value')}")
        return self


class WorkerSettings(_Section):
    """How the worker bounds its memory and its stops."""

    drain_seconds: Seconds = Field(
        20, description="Budget to finish, commit and leave the group after SIGTERM or a revoke.", examples=["20"]
    )
    max_in_flight_events: int = Field(
        50_000,
        ge=100,
        description="Events between fetch and acknowledgement; above it partitions pause.",
        examples=["50000"],
    )
    max_in_flight_bytes: int = Field(
        64_000_000, ge=1_000_000, description="The same in bytes of Kafka records.", examples=["64000000"]
    )
    stall_seconds: float = Field(
        300,
        ge=0,
        description="Lag, AEP healthy, yet nothing resolved for so long: unready, dump tasks, exit for a restart; 0 never.",
        examples=["300"],
    )


class TelemetrySettings(_Section):
    """What operators look at."""

    host: str = Field("127.0.0.1", description="Address of /metrics and /health.", examples=["127.0.0.1"])
    port: Port = Field(9464, description="Port of /metrics and /health; 0 takes any free one.", examples=["9464"])
    log_format: Literal["console", "json"] = Field("console", description="Form of log lines.", examples=["json"])
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least level that is logged.", examples=["info"]
    )


class Settings(BaseSettings):
    """All sections; ``load_settings`` builds it and turns every complaint into a :class:`~bridge.errors.SettingsError`."""

    kafka: KafkaSettings = KafkaSettings()
    mapping: MappingSettings = MappingSettings()
    aep: AepSettings = AepSettings()
    oauth: OauthSettings = OauthSettings()
    receiver: ReceiverSettings = ReceiverSettings()
    worker: WorkerSettings = WorkerSettings()
    telemetry: TelemetrySettings = TelemetrySettings()

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        env_file=ENV_FILE,
        env_file_encoding="utf-8",
        # A .env file serves other programs too; unknown names of ours are refused by load_settings.
        dotenv_filtering="only_existing",
        # An empty variable is an unset one: compose files hand over what is not set as "".
        env_ignore_empty=True,
        toml_file=TOML_FILE,
        extra="forbid",
        frozen=True,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic's
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order of the sources; the TOML file is the weakest."""
        return init_settings, env_settings, dotenv_settings, TomlConfigSettingsSource(settings_cls)


def variable(section: str, key: str) -> str:
    """The environment name of a setting: ``kafka``, ``topic`` -> ``BRIDGE_KAFKA__TOPIC``."""
    return f"{PREFIX}{section}__{key}".upper()


def every_setting() -> dict[str, tuple[str, str, Any]]:
    """Environment name -> (description, example, default) of every setting, in order."""
    found: dict[str, tuple[str, str, Any]] = {}
    for section, outer in Settings.model_fields.items():
        for name, inner in outer.annotation.model_fields.items():  # type: ignore[union-attr]
            example = str((inner.examples or [""])[0])
            found[variable(section, inner.alias or name)] = (
                inner.description or "",
                example,
                inner.get_default(call_default_factory=True),
            )
    return found


def load_settings(**overrides: Any) -> Settings:
    """The settings from environment, ``.env`` and ``bridge.toml``; ``overrides`` (section -> dict) win.

    Raises ``SettingsError``: one line a wrong key, each with what was expected and an example.
    """
    _check_files()
    _refuse_unknown({*os.environ, *dotenv_values(ENV_FILE)})
    try:
        return Settings(**overrides)
    except ValidationError as error:
        raise SettingsError(
            "\n".join(_explain(problem) for problem in error.errors(include_input=False, include_url=False))
        ) from None


def _check_files() -> None:
    for name in (ENV_FILE, TOML_FILE):
        path = Path(name)
        if not path.is_file():
            continue
        try:
            text = path.read_text(encoding="utf-8")
            if name == TOML_FILE:
                tomllib.loads(text)
        except OSError as error:
            raise SettingsError(f"{name} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise SettingsError(f"{name} is not UTF-8 text") from None
        except tomllib.TOMLDecodeError as error:
            raise SettingsError(f"{name} is not TOML: {error}") from None


def _refuse_unknown(names: set[str]) -> None:
    known = every_setting()
    unknown = {name for name in map(str.upper, names) if name.startswith(PREFIX) and name not in known}
    if unknown:
        raise SettingsError("\n".join(map(_unknown, sorted(unknown))))


def _unknown(name: str) -> str:
    import difflib  # noqa: PLC0415 - only on the way to an error

    known = every_setting()
    # Where the section is right only its own keys are meant; names share so much that anything else looks near.
    section = [other for other in known if other.startswith(name.partition("__")[0] + "__")]
    near = difflib.get_close_matches(name, section or known, n=1, cutoff=0.7)
    return f"{name}: no such setting" + (f"; did you mean {near[0]}?" if near else "; .env.example names every setting")


def _explain(problem: Any) -> str:
    parts = [str(part) for part in problem["loc"]]
    name = PREFIX + "__".join(parts[:2]).upper()
    message = str(problem["msg"]).removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        return _unknown(name)
    if len(parts) == 1:
        # What concerns several keys names them itself.
        return message if message.startswith(PREFIX) else f"[{parts[0]}] in {TOML_FILE} must be a section of keys"
    setting = every_setting().get(name)
    return f"{name}: {message}" + (f"; for example {name}={setting[1]}" if setting else "")
