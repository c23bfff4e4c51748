"""Databases through SQLAlchemy: one read-only transaction, a cursor on the server's side, a bounded number of rows in memory.

Without ``stream_results`` a driver fetches the whole result before it gives the first row. What a session may do is narrowed where the
database has a way: a read-only transaction (PostgreSQL, MySQL, MariaDB), a read-only file (SQLite).
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from bridge.model.errors import BridgeError, SettingsError
from bridge.sources.warehouse.databases.reading import BATCH_ROWS, RowBatch
from bridge.sources.warehouse.keys import typed_keys
from bridge.sources.warehouse.rows import place_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy.engine import Connection, CursorResult, Engine
    from sqlalchemy.sql import Select

    from bridge.settings import WarehouseSettings

_DRIVERS: Final = {
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
}
_CONNECT_SECONDS: Final = 15
_COLON: Final = re.compile(r"(?<![:\w\\]):(?=\w)")
"""What SQLAlchemy would take for the name of a parameter; a query has none."""
_MYSQL_TIMESTAMP: Final = 7
"""The protocol's number of the type; DATETIME has another, and no zone."""
_MANY: Final = 500
"""Keys asked for at once."""
_exact_json = partial(json.loads, parse_float=Decimal)


class Database:
    """A :class:`bridge.sources.warehouse.databases.reading.RowSource`."""

    def __init__(self, url: str, settings: WarehouseSettings) -> None:
        self._settings = settings
        self._engine = _engine(url)
        self._backend = self._engine.dialect.name
        self._connection: Connection | None = None
        self._columns: Sequence[str] = ()

    def columns(self) -> Sequence[str]:
        """Of the table or the query, as the database spells them."""
        if not self._columns:
            for batch in self._read(self._selection().limit(0)):
                self._columns = batch.columns
        return self._columns

    def batches(self, since: Any = None) -> Iterator[RowBatch]:
        """All rows, or those from ``since`` on and those without a cursor."""
        if since is None or self._settings.cursor is None:
            yield from self._read(self._everything())
            return
        cursor: sa.ColumnClause[Any] = sa.column(self._name(self._settings.cursor, "BRIDGE_WAREHOUSE__CURSOR"))
        yield from self._read(self._selection().where(sa.or_(cursor >= since, cursor.is_(None))))

    def by_key(self, keys: Sequence[str]) -> Iterator[RowBatch]:
        """Rows with these keys."""
        names = [self._name(name, "BRIDGE_WAREHOUSE__KEY") for name in self._settings.key]
        sample = next(
            (
                batch.rows[0]
                for batch in self._read(sa.select(*map(sa.column, names)).select_from(self._from()).limit(1))
                if batch.rows
            ),
            None,
        )
        if sample is None:
            return
        wanted = typed_keys(keys, sample)
        for start in range(0, len(wanted), _MANY):
            some = wanted[start : start + _MANY]
            if len(names) == 1:
                condition: Any = sa.column(names[0]).in_([key[0] for key in some])
            else:
                condition = sa.or_(
                    *(
                        sa.and_(*(sa.column(name) == part for name, part in zip(names, key, strict=True)))
                        for key in some
                    )
                )
            yield from self._read(self._selection().where(condition))

    def close(self) -> None:
        """End the transaction and the connection."""
        if self._connection is not None:
            self._connection.close()
        self._engine.dispose()

    def _everything(self) -> Any:
        # A query runs as it is written: inside another one not every database takes its ORDER BY or WITH.
        query = self._settings.query
        return self._selection() if query is None else sa.text(_COLON.sub(r"\:", query.rstrip().rstrip(";")))

    def _selection(self) -> Select[Any]:
        return sa.select(sa.literal_column("*")).select_from(self._from())

    def _from(self) -> Any:
        query, name = self._settings.query, self._settings.table or ""
        if query is not None:
            inner = _COLON.sub(r"\:", query.rstrip().rstrip(";"))
            return sa.text(f"(\n{inner}\n) {'' if self._backend == 'oracle' else 'AS '}bridge_rows")
        schema, _, table = name.rpartition(".")
        return sa.table(table, schema=schema or None)

    def _name(self, name: str, setting: str) -> str:
        """The column as the database spells it."""
        columns = self.columns()
        return columns[place_of(columns, name, setting)]

    def _read(self, statement: Any) -> Iterator[RowBatch]:
        try:
            result = self._connected().execute(statement)
            columns = list(result.keys())
            yield RowBatch(columns, ())
            in_utc = self._places_in_utc(result)
            for rows in result.partitions(BATCH_ROWS):
                yield RowBatch(columns, _with_zone(rows, in_utc) if in_utc else rows)
        except SQLAlchemyError as error:
            raise self._told(error) from None

    def _places_in_utc(self, result: CursorResult[Any]) -> list[int]:
        """Columns whose timestamps are in UTC though they do not say so: MySQL's TIMESTAMP, in a session of that zone."""
        if self._backend not in ("mysql", "mariadb") or result.cursor is None:
            return []
        described = result.cursor.description or ()
        return [place for place, column in enumerate(described) if column[1] == _MYSQL_TIMESTAMP]

    def _told(self, error: SQLAlchemyError) -> BridgeError:
        """What the database said, in its first line; neither the password nor the values of rows are in it."""
        cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
        said = str(cause.args[-1] if cause.args else cause).strip().splitlines()
        words = said[0] if said else type(cause).__name__
        if password := self._engine.url.password:
            words = words.replace(str(password), "***")
        hint = "BRIDGE_WAREHOUSE__URL, __TABLE and __QUERY decide what is read from it"
        return BridgeError(f"the database: {words}", hint=hint)

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = self._engine.connect().execution_options(
                stream_results=True, max_row_buffer=BATCH_ROWS, **self._read_only()
            )
        return self._connection

    def _read_only(self) -> dict[str, Any]:
        if self._backend == "postgresql":
            return {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        return {}


def _with_zone(rows: Sequence[Sequence[Any]], places: Sequence[int]) -> list[list[Any]]:
    found = [list(row) for row in rows]
    for row in found:
        for place in places:
            if isinstance(row[place], datetime):
                row[place] = row[place].replace(tzinfo=UTC)
    return found


def _engine(url: str) -> Engine:
    try:
        parsed = sa.make_url(url)
    except (ArgumentError, ValueError):
        # The message would quote the URL, and with it the password.
        raise SettingsError(
            "BRIDGE_WAREHOUSE__URL is not a URL of SQLAlchemy's",
            hint="DATABASE://USER:PASSWORD@HOST/NAME; in a password, @ is %40 and / is %2F",
        ) from None
    parsed = parsed.set(drivername=_DRIVERS.get(parsed.drivername, parsed.drivername))
    backend = parsed.get_backend_name()
    options: dict[str, Any] = {"hide_parameters": True, "pool_size": 1, "max_overflow": 0}
    if backend == "sqlite":
        parsed, options = _read_only_file(parsed), {"hide_parameters": True}
    elif backend in ("postgresql", "mysql", "mariadb"):
        options["connect_args"] = {"connect_timeout": _CONNECT_SECONDS}
        options["json_deserializer"] = _exact_json
    try:
        engine = sa.create_engine(parsed, **options)
    except NoSuchModuleError:
        raise ModuleNotFoundError(f"no dialect {backend}", name=f"for {backend}") from None
    except (ArgumentError, TypeError, ValueError) as error:
        raise SettingsError(f"BRIDGE_WAREHOUSE__URL cannot be used: {type(error).__name__}") from None
    if backend == "postgresql" and engine.dialect.driver == "psycopg":
        sa.event.listen(engine, "connect", _keep_odd_dates)
    if backend in ("mysql", "mariadb"):
        sa.event.listen(engine, "connect", _mysql_session)
    return engine


def _read_only_file(url: sa.URL) -> sa.URL:
    """The URL of a SQLite file as one that opens it for reading only, and makes none where there is none."""
    name = url.database
    if name in (None, "", ":memory:"):
        raise SettingsError("BRIDGE_WAREHOUSE__URL names no file of SQLite", hint="for example sqlite:///data/shop.db")
    if str(name).startswith("file:"):
        return url.update_query_dict({"mode": "ro", "uri": "true"})
    from pathlib import Path  # noqa: PLC0415 - only for SQLite

    path = Path(str(name))
    if not path.is_file():
        raise BridgeError(
            f"there is no file {path}",
            hint="BRIDGE_WAREHOUSE__URL names it; three slashes for a relative path, four for /",
        )
    return url.set(database=f"file:{path.resolve().as_uri().removeprefix('file://')}").update_query_dict(
        {"mode": "ro", "uri": "true"}
    )


def _mysql_session(connection: Any, _record: Any) -> None:
    """TIMESTAMP comes in the session's zone; and nothing may be written."""
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION time_zone = '+00:00'")
        cursor.execute("SET SESSION TRANSACTION READ ONLY")


def _keep_odd_dates(connection: Any, _record: Any) -> None:
    """Dates that Python has none for (``infinity``, before the year 1, after 9999) come as their text, and cost no run."""
    from psycopg import DataError  # noqa: PLC0415 - an extra
    from psycopg.types import datetime as forms  # noqa: PLC0415 - as above

    def lenient(base: Any) -> Any:
        class Lenient(base):  # type: ignore[misc]
            def load(self, data: Any) -> Any:
                try:
                    return super().load(data)
                except DataError:
                    return bytes(data).decode()

        return Lenient

    for name, loader in (
        ("date", forms.DateLoader),
        ("timestamp", forms.TimestampLoader),
        ("timestamptz", forms.TimestamptzLoader),
    ):
        connection.adapters.register_loader(name, lenient(loader))
