"""Settings of the mapping: which set, which schema, which identities, and how large an event may be."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator
from pydantic_settings import NoDecode

from bridge import shipped
from bridge.settings.schema_tenant import only_tenant
from bridge.settings.section import Names, Section, json_object, split

TENANT = r"^_[A-Za-z0-9_]+$"
"""What AEP calls a tenant's namespace."""


SHIPPED_SET = Path("mappings/moengage_events.csv")
SHIPPED_SCHEMA = Path("mappings/moengage_events.schema.json")
NO_SCHEMA = Path("none")
"""BRIDGE_MAPPING__SCHEMA of who wants no schema where one would be the default."""


class MappingSettings(Section):
    """Which mapping set turns an event into an ExperienceEvent."""

    path: Path = Field(
        SHIPPED_SET,
        validate_default=True,
        description="Mapping set, CSV or Data Prep JSON.",
        examples=["mappings/moengage_events.csv"],
    )
    tenant: str = Field(
        "_yourorgname",
        pattern=TENANT,
        description="AEP tenant namespace: {tenant} in a destination. Default for a schema of your own: the only one it has.",
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
        description="XDM schema (JSON) to which values are coerced and against which events are checked; none for no schema. Default for the shipped mapping"
        " set: the schema that ships with it.",
        examples=["mappings/moengage_events.schema.json"],
    )
    on_invalid: Literal["drop", "reject"] = Field(
        "drop",
        description="What happens to a value that the schema refuses: drop the smallest optional field around it and count it, or"
        " reject the event. A column on_invalid of the mapping set overrides this by row.",
        examples=["drop"],
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
        5.0,
        ge=0,
        description="How often the worker looks for a changed mapping file. It uses a change that two looks have found the same, so"
        " after up to twice this time. 0 never.",
        examples=["5"],
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

    model_config = ConfigDict(populate_by_name=True)

    @model_validator(mode="after")
    def _tenant_of_the_schema(self) -> Self:
        if "tenant" not in self.model_fields_set and self.schema_ is not None and self.schema_ != NO_SCHEMA:
            self.__dict__["tenant"] = only_tenant(self.schema_) or self.tenant
        return self

    _names = field_validator("primary_identity", "oversize_drop", mode="before")(split)
    _placeholders = field_validator("placeholders", mode="before")(json_object)

    @field_validator("path", "schema_", "tests")
    @classmethod
    def _shipped_or_own(cls, path: Path | None) -> Path | None:
        return path if path is None or path == NO_SCHEMA else shipped.find(path)

    @property
    def schema_path(self) -> Path | None:
        """The schema's file: as set, or the one that ships with the shipped mapping set; None for none."""
        if self.schema_ is not None:
            return None if self.schema_ == NO_SCHEMA else self.schema_
        return shipped.find(SHIPPED_SCHEMA) if shipped.find(SHIPPED_SET).resolve() == self.path.resolve() else None
