"""From the URL of the settings to what is read, with the query checked before anything is connected; and whether it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from bridge.model.errors import BridgeError, SettingsError
from bridge.model.trial import Trial
from bridge.sources.warehouse.databases.select_only import EXTRA, check_select
from bridge.sources.warehouse.rows import RowForm

if TYPE_CHECKING:
    from bridge.settings import WarehouseSettings
    from bridge.sources.warehouse.databases.reading import RowSource


def open_source(settings: WarehouseSettings) -> RowSource:
    """What the settings name; connected when it is first read. Raises ``BridgeError``, also for a query that may not run."""
    url = settings.read_url()
    scheme = urlsplit(url).scheme.partition("+")[0].lower()
    files = scheme in ("", "file")
    if settings.table is None and settings.query is None and not files:
        raise SettingsError(
            "neither BRIDGE_WAREHOUSE__TABLE nor BRIDGE_WAREHOUSE__QUERY is set",
            hint="name the table, or write the query",
        )
    if files and settings.table is not None:
        raise SettingsError(
            "BRIDGE_WAREHOUSE__TABLE is set, but the URL names files", hint="leave it out, or write a query of rows"
        )
    if settings.query is not None:
        check_select(settings.query, "duckdb" if files else {"postgres": "postgresql"}.get(scheme, scheme))
    try:
        if files or scheme == "duckdb":
            from bridge.sources.warehouse.databases.local_files import open_local  # noqa: PLC0415 - an extra

            return open_local(url, settings)
        from bridge.sources.warehouse.databases.database import Database  # noqa: PLC0415 - an extra

        return Database(url, settings)
    except ModuleNotFoundError as error:
        raise BridgeError(f"the library {error.name} is not installed", hint=_how(error.name, scheme)) from None


def try_source(settings: WarehouseSettings) -> Trial:
    """Whether what the settings name answers, and has the columns of key and cursor; no row is read. Blocks while it connects."""
    try:
        source = open_source(settings)
        try:
            columns = source.columns()
        finally:
            source.close()
        RowForm(columns, key=settings.key, users=settings.kind == "users", zone=settings.zone, cursor=settings.cursor)
    except BridgeError as error:
        return Trial(ok=False, words=str(error), todo=error.hint or "")
    cursor = f", cursor {settings.cursor}" if settings.cursor is not None else ""
    return Trial(
        ok=True, words=f"answers; {settings.way} of {len(columns)} columns, key {', '.join(settings.key)}{cursor}"
    )


_EXTRAS: Final = {
    "snowflake": "snowflake-sqlalchemy",
    "bigquery": "sqlalchemy-bigquery",
    "redshift": "sqlalchemy-redshift redshift-connector",
    "databricks": "databricks-sqlalchemy",
    "trino": "trino",
    "clickhouse": "clickhouse-connect",
    "oracle": "oracledb",
    "mssql": "pyodbc",
}


def _how(_module: str | None, scheme: str) -> str:
    return f"pip install {_EXTRAS[scheme]}" if scheme in _EXTRAS else EXTRA
