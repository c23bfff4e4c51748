"""Settings of Adobe Experience Platform: the streaming connection and the credentials for it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from bridge.settings.section import Names, RateShare, Seconds, Secret, Section, Text, bare, split

_BETWEEN_SCOPES = re.compile(r"[\s,;\"']+")
_HEX64 = "0123456789abcdef" * 4


class AepSettings(Section):
    """The streaming connection (HTTP API inlet) of Adobe Experience Platform."""

    endpoint: str | None = Field(
        None,
        pattern=r"^https?://[^/\s]+/collection/[^/?\s]+$",
        description="URL of the inlet, as AEP shows it.",
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
    schema_id: Text | None = Field(
        None,
        description="$id of the XDM schema.",
        examples=["https://ns.adobe.com/yourorgname/schemas/0123456789abcdef"],
    )
    dataset_id: Text | None = Field(
        None, description="Dataset that takes the events.", examples=["0123456789abcdef01234567"]
    )
    flow_id: Text | None = Field(
        None, description="Dataflow that binds schema and dataset.", examples=["01234567-89ab-cdef-0123-456789abcdef"]
    )
    sandbox: Text = Field("prod", description="Sandbox name (header x-sandbox-name).", examples=["prod"])
    platform_url: str = Field(
        "https://platform.adobe.io",
        pattern=r"^https?://[^/\s?]+/?$",
        description="Adobe's platform APIs, which setup asks, and workers for what AEP refuses later.",
        examples=["https://platform.adobe.io"],
    )
    failed_batches_seconds: float = Field(
        300,
        ge=0,
        description="How often one worker fetches what AEP refused after its 200, as dead letters; 0 turns it off.",
        examples=["300"],
    )
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
        description="Most requests under way together in one worker; the number in use adapts below it.",
        examples=["16"],
    )
    requests_per_second: float = Field(
        1_000, ge=0, description="Rate limit of requests per organisation; 0 turns it off.", examples=["1000"]
    )
    events_per_second: float = Field(
        10_000, ge=0, description="Rate limit of events per organisation; 0 turns it off.", examples=["10000"]
    )
    rate_share: RateShare = Field(
        "auto",
        description="This worker's part of the two rate limits: by its share of the partitions (auto), or a number N: one part of N.",
        examples=["auto"],
    )
    timeout_seconds: Seconds = Field(30, description="How long one request may take.", examples=["30"])
    postponed_tries: int = Field(
        0,
        ge=0,
        description="An event that AEP has postponed this many times while it accepted others becomes a dead letter; 0 holds it and alarms.",
        examples=["50"],
    )
    ordering: Literal["none", "key"] = Field(
        "none", description="key: events of one Kafka key are delivered in order.", examples=["none"]
    )

    @classmethod
    def _part(cls, value: Any) -> Any:
        text = str(value).strip().lower()
        if text == "auto":
            return text
        if text.isdecimal() and int(text) >= 1:
            return int(text)
        raise ValueError("expected auto, or the number of equal parts (1 or more)")

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


class OauthSettings(Section):
    """OAuth server-to-server credentials of Adobe IMS."""

    token_url: Text = Field(
        "https://ims-na1.adobelogin.com/ims/token/v3",
        pattern=r"^https?://",
        description="Token endpoint.",
        examples=["https://ims-na1.adobelogin.com/ims/token/v3"],
    )
    client_id: Text | None = Field(
        None, description="Client id of the credential.", examples=["0123456789abcdef0123456789abcdef"]
    )
    client_secret: Secret | None = Field(
        None, description="Client secret; two, comma-separated, while rotating.", examples=["p8e-change-me"]
    )
    client_secret_file: Path | None = Field(
        None,
        description="File that holds the secret(s) instead (Kubernetes, Vault); read again when credentials are refused.",
        examples=["/run/secrets/ims"],
    )
    technical_account_id: Text | None = Field(
        None,
        description="Technical account of the credential; MoEngage asks for it, the bridge itself does not need it.",
        examples=["0123456789ABCDEF01234567@techacct.adobe.com"],
    )
    scopes: Names = Field(
        ("openid", "AdobeID", "read_organizations", "additional_info.projectedProductContext", "session"),
        description="Scopes, with commas or blanks between, from the Developer Console project.",
        examples=["openid,AdobeID,read_organizations,additional_info.projectedProductContext,session"],
    )

    @field_validator("scopes", mode="before")
    @classmethod
    def _by_commas_or_blanks(cls, value: Any) -> Any:
        # OAuth's own separator is a blank, Adobe's a comma; no scope has either in it, nor quotes.
        given = split(value) if isinstance(value, str) and value.lstrip().startswith("[") else value
        if not isinstance(given, str | list | tuple) or not all(isinstance(part, str) for part in given):
            return given
        parts = _BETWEEN_SCOPES.split(given if isinstance(given, str) else " ".join(given))
        return tuple(dict.fromkeys(filter(None, map(bare, parts))))
