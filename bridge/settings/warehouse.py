"""Settings of a database, warehouse or file as a source: what is read, what a row is, and how far a run goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError
from pydantic import Field, field_validator, model_validator

from bridge.model.errors import SettingsError
from bridge.settings.section import Names, Secret, Section, clean_secret, split, variable

_ANY_TIME = "2026-01-01"


class WarehouseSettings(Section):
    """One query (or table) whose rows become users or events."""

    url: Secret | None = Field(
        None,
        description="Database as a SQLAlchemy URL (postgresql://, mysql://, sqlite:///FILE, duckdb:///FILE, …), or files:"
        " file:///PATH with *.csv, *.ndjson or *.parquet. A user who may only read is enough.",
        examples=["postgresql://reader:change-me@db.example.com/shop"],
    )
    url_file: Path | None = Field(
        None,
        description="File that holds the URL instead (Kubernetes, Vault); read at the start of every run.",
        examples=["/run/secrets/warehouse"],
    )
    table: str | None = Field(
        None, description="Table or view whose rows are read; SCHEMA.TABLE where it needs one.", examples=["crm.users"]
    )
    query: str | None = Field(
        None,
        description="Query whose rows are read instead of a table's: one SELECT. Of files, rows names them.",
        examples=["SELECT id, email, plan FROM users WHERE active"],
    )
    key: Names = Field(
        (),
        description="Column whose value is unique to each row, or several columns. Of users it is the customer id where no"
        " column customer_id is.",
        examples=["id"],
    )
    kind: Literal["users", "events"] = Field(
        "users", description="What a row is: the state of a user, or an event.", examples=["users"]
    )
    mode: Literal["upsert", "insert", "mirror"] | None = Field(
        None,
        description="upsert: new and changed rows; insert: each key once, ever; mirror: upsert, and what is to be told of rows"
        " that are gone. Unset: upsert of users, insert of events.",
        examples=["upsert"],
    )
    cursor: str | None = Field(
        None,
        description="Column that grows whenever a row is changed; a run then reads only rows from the last one on. Unset: every"
        " run reads all rows.",
        examples=["updated_at"],
    )
    lag_seconds: float = Field(
        3_600.0,
        ge=0,
        description="How far before the newest cursor of the run before reading begins, so that rows committed late are found;"
        " of a cursor that is a number it is subtracted as it is.",
        examples=["3600"],
    )
    schedule: str | None = Field(
        None,
        description="When the worker starts a run by itself: a cron expression of five fields, UTC. One run at a time in the"
        " whole deployment.",
        examples=["*/15 * * * *"],
    )
    vanished: Literal["unset", "event"] = Field(
        "unset",
        description="What mirror tells of a row that is gone: every attribute that the mapping set writes is unset (needs"
        " BRIDGE_MOENGAGE__UNSET), or an event is sent. Users are never deleted.",
        examples=["event"],
    )
    vanished_event: str = Field(
        "Row Vanished", min_length=1, description="Name of that event.", examples=["Membership Ended"]
    )
    vanished_share: float = Field(
        0.2,
        ge=0,
        le=1,
        description="Mirror holds back what it would tell of rows that are gone where they are more than this share of all: an"
        " emptied table is mostly an accident.",
        examples=["0.2"],
    )
    time_zone: str = Field(
        "UTC", description="Zone of timestamps that have none; they leave in UTC.", examples=["Europe/Berlin"]
    )
    work_dir: Path | None = Field(
        None,
        description="Folder on a disk for the comparison of large tables (about 100 bytes a row, removed after the run). Unset:"
        " the system's folder for temporary files, or /var/tmp where that one lies in memory.",
        examples=["/srv/bridge/work"],
    )

    _names = field_validator("key", mode="before")(split)

    @field_validator("schedule")
    @classmethod
    def _cron(cls, value: str | None) -> str | None:
        if value is not None:
            from datetime import UTC, datetime  # noqa: PLC0415 - only where there is a schedule

            try:
                next(CronSim(value, datetime.fromisoformat(_ANY_TIME).replace(tzinfo=UTC)))
            except (CronSimError, StopIteration):
                raise ValueError("expected a cron expression of five fields: minute hour day month weekday") from None
        return value

    @field_validator("time_zone")
    @classmethod
    def _zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError("expected the name of a time zone")
        return value

    @field_validator("query", "table", "cursor", mode="before")
    @classmethod
    def _bare(cls, value: Any) -> Any:
        return (value.strip() or None) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _together(self) -> WarehouseSettings:
        if self.table is not None and self.query is not None:
            raise ValueError(
                f"{variable('warehouse', 'table')} and {variable('warehouse', 'query')} exclude each other"
            )
        if self.url is not None and self.url_file is not None:
            raise ValueError(
                f"{variable('warehouse', 'url')} and {variable('warehouse', 'url_file')} exclude each other"
            )
        if self.kind == "events" and self.mode == "mirror":
            raise ValueError(
                f"{variable('warehouse', 'mode')}: mirror is about users; an event that happened cannot vanish"
            )
        return self

    @property
    def way(self) -> Literal["upsert", "insert", "mirror"]:
        """The mode, or what goes without saying for the kind."""
        return self.mode or ("insert" if self.kind == "events" else "upsert")

    @property
    def zone(self) -> ZoneInfo:
        """Zone of timestamps that have none."""
        return ZoneInfo(self.time_zone)

    def read_url(self) -> str:
        """The URL, from the setting or its file. Raises ``SettingsError``."""
        if self.url is not None:
            return self.url.get_secret_value()
        if self.url_file is None:
            raise SettingsError(
                f"{variable('warehouse', 'url')} is not set",
                hint="for example sqlite:///shop.db, postgresql://USER:PASSWORD@HOST/DATABASE or file:///data/users.csv",
            )
        try:
            return str(clean_secret(self.url_file.read_text()))
        except (OSError, UnicodeDecodeError, ValueError) as error:
            said = error.strerror if isinstance(error, OSError) else "it holds no URL"
            raise SettingsError(f"{variable('warehouse', 'url_file')}: {self.url_file}: {said}") from None
