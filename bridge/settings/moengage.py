"""Settings of MoEngage as a destination: the workspace, its budgets, and how strictly its rules are held."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from bridge.settings.section import Names, RateShare, Seconds, Secret, Section, User, split

DATA_CENTERS = (1, 2, 3, 4, 5, 6, 101)


class MoEngageSettings(Section):
    """The Data API of one MoEngage workspace."""

    workspace_id: User | None = Field(
        None,
        description="Workspace ID (formerly App ID): MoEngage, Settings > Account > APIs.",
        examples=["VJ0GSMESHMQA3L7WV1EEK3UR"],
    )
    api_key: Secret | None = Field(
        None,
        description="Data API key: the tile Data under Settings > Account > APIs. A new one invalidates the old one immediately.",
        examples=["change-me"],
    )
    api_key_file: Path | None = Field(
        None,
        description="File that holds the key instead (Kubernetes, Vault); read again when MoEngage refuses the key.",
        examples=["/run/secrets/moengage"],
    )
    data_center: int | None = Field(
        None,
        description="Number of the data center, as in the dashboard's address (dashboard-02: 2): 1 to 6, or 101.",
        examples=["2"],
    )
    base_url: str | None = Field(
        None,
        pattern=r"^https?://[^/?#\s]+$",
        description="The API's address instead of that of a data center, without a path: an emulator, a proxy.",
        examples=["http://127.0.0.1:8098"],
    )
    project_code: str | None = Field(
        None,
        pattern=r"^[^\s&?#]+$",
        description="Portfolio: project id that goes with every call; users and events are that project's.",
        examples=["shop"],
    )
    projects: Names = Field(
        (),
        description="Portfolio: names that moe_project_name of an event may have, case included; others are reported and counted.",
        examples=["Shop,Sports"],
    )
    mode: Literal["bulk", "single"] = Field(
        "bulk",
        description="bulk: many elements a request; single: one call an element, which answers for it.",
        examples=["bulk"],
    )
    users_per_minute: int = Field(
        10_000,
        ge=0,
        description="Budget of users per minute of the workspace, shared by all that send to it; 0 turns it off. MoEngage"
        " documents 10,000 and, for bulk calls, 60,000.",
        examples=["10000"],
    )
    events_per_minute: int = Field(
        30_000,
        ge=0,
        description="Budget of events per minute of the workspace; 0 turns it off. MoEngage documents 30,000 and 60,000.",
        examples=["30000"],
    )
    requests_per_second: float = Field(
        500,
        ge=0,
        description="Most requests per second; 1.6 keeps to 100 per minute. 0 turns it off.",
        examples=["500"],
    )
    rate_share: RateShare = Field(
        "auto",
        description="This worker's part of the budgets: by its share of the partitions (auto), or a number N: one part of N.",
        examples=["auto"],
    )
    batch_bytes: int = Field(
        95_000,
        ge=1_000,
        le=100_000,
        description="Largest bulk request in bytes (MoEngage: 100 KB).",
        examples=["95000"],
    )
    batch_elements: int = Field(50, ge=1, le=1_000, description="Most elements in one bulk request.", examples=["50"])
    linger_seconds: Seconds = Field(0.5, description="How long a request waits to be filled.", examples=["0.5"])
    concurrency: int = Field(
        16,
        ge=1,
        description="Most requests under way together in one worker; the number in use adapts.",
        examples=["16"],
    )
    timeout_seconds: Seconds = Field(30, description="How long one request may take.", examples=["30"])
    postponed_tries: int = Field(
        0,
        ge=0,
        description="An element that MoEngage has postponed this many times while it accepted others becomes a dead letter; 0 holds it.",
        examples=["50"],
    )
    ordering: Literal["customer", "none"] = Field(
        "customer", description="customer: what is of one customer is delivered in order.", examples=["customer"]
    )
    coalesce: bool | None = Field(
        None,
        description="Changes of one customer that wait together become one, the last value of each attribute. Unset: true for"
        " routes of the sources adobe and warehouse.",
        examples=["true"],
    )
    nulls: Literal["skip", "clear", "unset"] = Field(
        "skip",
        description="What a null of a user's attribute means: no change, an empty text, or unset (early access). A column"
        " nulls of the mapping set overrides this by row.",
        examples=["skip"],
    )
    unset: bool = Field(
        False, description="The workspace has MoEngage's early-access feature unset_attributes.", examples=["false"]
    )
    objects: bool = Field(
        False,
        description="The workspace takes attributes that are objects, which MoEngage switches on.",
        examples=["false"],
    )
    identifiers: Names = Field(
        (),
        max_length=5,
        description="User attributes by which the workspace's Identity Resolution knows users, five at most. With one of them a user"
        " needs no customer id, nor an event with it among its user_identifiers. Empty: everything needs a customer id.",
        examples=["moe_mobile,email"],
    )
    on_violation: Literal["warn", "reject"] = Field(
        "warn",
        description="What MoEngage would silently cut or drop: send and count it, or make the event a dead letter.",
        examples=["warn"],
    )
    read_back: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of customers whose attributes are read back some time after they were taken, and compared.",
        examples=["0.001"],
    )

    _names = field_validator("projects", "identifiers", mode="before")(split)

    @field_validator("data_center", mode="before")
    @classmethod
    def _number(cls, value: Any) -> Any:
        if value is None:
            return None
        text = str(value).strip().lower().removeprefix("dc").lstrip("-_").lstrip("0")
        if text.isdecimal() and int(text) in DATA_CENTERS:
            return int(text)
        raise ValueError(f"expected one of {', '.join(map(str, DATA_CENTERS))}")

    @field_validator("base_url", mode="before")
    @classmethod
    def _bare(cls, value: Any) -> Any:
        if isinstance(value, str):
            return value.strip().rstrip("/").removesuffix("/v1")
        return value

    @classmethod
    def _part(cls, value: Any) -> Any:
        text = str(value).strip().lower()
        if text == "auto":
            return text
        if text.isdecimal() and int(text) >= 1:
            return int(text)
        raise ValueError("expected auto, or the number of equal parts (1 or more)")

    @property
    def url(self) -> str | None:
        """Where the API listens, without a path; None where neither data center nor address is set."""
        if self.base_url is not None:
            return self.base_url
        return None if self.data_center is None else f"https://api-{self.data_center:02}.moengage.com"
