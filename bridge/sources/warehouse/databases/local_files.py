"""DuckDB files, CSV, NDJSON and Parquet, without a server: DuckDB reads them in this process, within a bound of memory.

CSV has no types: its values are text, so that ``007`` stays what it is; a query casts them, or the mapping set. NDJSON without a query
is read line by line, every digit of it; with a query DuckDB guesses types from the first lines. No extension is fetched from anywhere.
"""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

import duckdb

from bridge.model.errors import BridgeError, NotJson, SettingsError
from bridge.sources.http.json_reading import parse_json
from bridge.sources.warehouse.databases.reading import BATCH_ROWS, RowBatch
from bridge.sources.warehouse.keys import typed_keys
from bridge.sources.warehouse.rows import key_text, place_of
from bridge.sources.warehouse.work_folder import work_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bridge.settings import WarehouseSettings
    from bridge.sources.warehouse.databases.reading import RowSource

_READERS: Final = {
    ".csv": "read_csv({}, all_varchar = true, header = true, sample_size = 2048, buffer_size = 4194304)",
    ".tsv": "read_csv({}, all_varchar = true, header = true, delim = '\t', sample_size = 2048, buffer_size = 4194304)",
    ".parquet": "read_parquet({})",
    ".ndjson": "read_json({}, format = 'newline_delimited')",
    ".jsonl": "read_json({}, format = 'newline_delimited')",
}
_LINES: Final = (".ndjson", ".jsonl")
_CONFIG: Final[dict[str, str | bool | int | float | list[str]]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "threads": "1",
    "preserve_insertion_order": "false",
}
_TABLE_MEMORY: Final = "16MB"
_QUERY_MEMORY: Final = "256MB"
"""What DuckDB may take for pages of a file that is read from end to end, and for a query, which may sort and join."""
_MANY: Final = 500


def open_local(url: str, settings: WarehouseSettings) -> RowSource:
    """The files or the DuckDB file that the URL names. Raises ``BridgeError`` where there is none."""
    parts = urlsplit(url)
    if parts.scheme.startswith("duckdb"):
        path = Path(unquote(url.partition("://")[2].partition("?")[0]).removeprefix("/"))
        if not path.is_file():
            raise BridgeError(
                f"there is no file {path}",
                hint="duckdb:///FILE is relative to where the command runs, duckdb:////FILE is not",
            )
        return DuckDb(settings, file=path)
    pattern = unquote(url.partition("://")[2] if parts.scheme else url)
    files = _found(pattern)
    form = _form(files[0])
    if form is None:
        raise SettingsError(
            f"BRIDGE_WAREHOUSE__URL: {files[0].name} has none of the endings {', '.join(sorted(_READERS))} (.gz after it or not)"
        )
    if form in _LINES and settings.query is None:
        return Lines(files, settings)
    return DuckDb(settings, files=files, form=form)


class DuckDb:
    """A :class:`bridge.sources.warehouse.databases.reading.RowSource` of a DuckDB file, or of files under the name ``rows``."""

    def __init__(
        self, settings: WarehouseSettings, *, file: Path | None = None, files: Sequence[Path] = (), form: str = ""
    ) -> None:
        self._settings = settings
        self._file = file
        self._files = files
        self._form = form
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._columns: Sequence[str] = ()

    def columns(self) -> Sequence[str]:
        """Of the table, the query or the files."""
        if not self._columns:
            for batch in self._read(self._select("LIMIT 0")):
                self._columns = batch.columns
        return self._columns

    def batches(self, since: Any = None) -> Iterator[RowBatch]:
        """All rows, or those from ``since`` on and those without a cursor."""
        if since is None or self._settings.cursor is None:
            yield from self._read(self._settings.query or self._select())
            return
        cursor = self._quoted(self._settings.cursor, "BRIDGE_WAREHOUSE__CURSOR")
        yield from self._read(self._select(f"WHERE {cursor} >= ? OR {cursor} IS NULL"), [since])

    def by_key(self, keys: Sequence[str]) -> Iterator[RowBatch]:
        """Rows with these keys."""
        names = [self._quoted(name, "BRIDGE_WAREHOUSE__KEY") for name in self._settings.key]
        listed = ", ".join(names)
        first = next((batch.rows[0] for batch in self._read(self._select("LIMIT 1", listed)) if batch.rows), None)
        if first is None:
            return
        wanted = typed_keys(keys, first)
        for start in range(0, len(wanted), _MANY):
            some = wanted[start : start + _MANY]
            places = ", ".join(f"({', '.join('?' for _ in names)})" for _ in some)
            condition = f"({listed}) IN ({places})"
            yield from self._read(self._select(f"WHERE {condition}"), [part for key in some for part in key])

    def close(self) -> None:
        """Let the file go."""
        if self._connection is not None:
            self._connection.close()

    def _from(self) -> str:
        if self._settings.query is not None:
            return f"(\n{self._settings.query.rstrip().rstrip(';')}\n) AS bridge_rows"
        if self._settings.table is None:
            return "rows"
        return ".".join(map(_quote, self._settings.table.split(".")))

    def _select(self, rest: str = "", what: str = "*") -> str:
        # Names in it are quoted, and values are parameters.
        return f"SELECT {what} FROM {self._from()} {rest}"  # nosec B608 # noqa: S608

    def _quoted(self, name: str, setting: str) -> str:
        columns = self.columns()
        return _quote(columns[place_of(columns, name, setting)])

    def _read(self, query: str, values: Sequence[Any] = ()) -> Iterator[RowBatch]:
        try:
            # A cursor of its own: what is read meanwhile must not end what is being read.
            result = self._connected().cursor().execute(query, list(values))
            columns = [column[0] for column in result.description or ()]
            yield RowBatch(columns, ())
            while rows := result.fetchmany(BATCH_ROWS):
                yield RowBatch(columns, rows)
        except duckdb.Error as error:
            said = str(error).strip().splitlines()
            raise BridgeError(
                f"DuckDB: {said[0] if said else type(error).__name__}",
                hint="BRIDGE_WAREHOUSE__URL, __TABLE and __QUERY decide what is read from it",
            ) from None

    def _connected(self) -> duckdb.DuckDBPyConnection:
        if self._connection is None:
            whole = self._file is not None and self._settings.query is None
            config = _CONFIG | {
                "memory_limit": _TABLE_MEMORY if whole else _QUERY_MEMORY,
                "temp_directory": str(work_folder(self._settings.work_dir)),
            }
            if self._file is not None:
                self._connection = duckdb.connect(str(self._file), read_only=True, config=config)
            else:
                self._connection = duckdb.connect(":memory:", config=config)
                listed = "[" + ", ".join(_text(str(path)) for path in self._files) + "]"
                self._connection.execute("CREATE VIEW rows AS FROM " + _READERS[self._form].format(listed))
            self._connection.execute("SET TimeZone = 'UTC'")
        return self._connection


class Lines:
    """A :class:`bridge.sources.warehouse.databases.reading.RowSource` of NDJSON, read as it stands; a member that a line lacks is null."""

    def __init__(self, files: Sequence[Path], settings: WarehouseSettings) -> None:
        self._files = files
        self._cursor = settings.cursor
        self._key = settings.key

    def batches(self, since: Any = None) -> Iterator[RowBatch]:
        """All rows, or those from ``since`` on and those without a cursor; columns are all that any line names."""
        columns = self.columns()
        place = (
            None
            if since is None or self._cursor is None
            else place_of(columns, self._cursor, "BRIDGE_WAREHOUSE__CURSOR")
        )
        yield RowBatch(columns, ())
        rows: list[Sequence[Any]] = []
        for document in self._documents():
            row = [document.get(name) for name in columns]
            if place is None or row[place] is None or row[place] >= since:
                rows.append(row)
            if len(rows) == BATCH_ROWS:
                yield RowBatch(columns, rows)
                rows = []
        if rows:
            yield RowBatch(columns, rows)

    def by_key(self, keys: Sequence[str]) -> Iterator[RowBatch]:
        """Rows with these keys."""
        wanted = set(keys)
        if len(self._key) != 1:
            import orjson  # noqa: PLC0415 - keys of several columns are rare

            wanted = {tuple(orjson.loads(key)) for key in keys}  # type: ignore[misc]
        for batch in self.batches():
            places = [place_of(batch.columns, name, "BRIDGE_WAREHOUSE__KEY") for name in self._key]
            rows = [
                row
                for row in batch.rows
                if (key_text(row[places[0]]) if len(places) == 1 else tuple(key_text(row[at]) for at in places))
                in wanted
            ]
            yield RowBatch(batch.columns, rows)

    def close(self) -> None:
        """Nothing is open between two calls."""

    def columns(self) -> list[str]:
        """All that any line names; every line is read for it."""
        names: dict[str, None] = {}
        for document in self._documents():
            if document.keys() - names.keys():
                names |= dict.fromkeys(document)
        return list(names)

    def _documents(self) -> Iterator[dict[str, Any]]:
        for path in self._files:
            try:
                with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
                    for number, line in enumerate(lines, 1):
                        if not line.strip():
                            continue
                        document = parse_json(line.strip())
                        if not isinstance(document, dict):
                            raise BridgeError(f"{path.name}, line {number}: a row is a JSON object")
                        yield document
            except NotJson as error:
                raise BridgeError(f"{path.name}, line {number}: {error}") from None
            except (OSError, EOFError) as error:
                said = getattr(error, "strerror", None) or "it is truncated (an incomplete copy?)"
                raise BridgeError(f"{path} cannot be read: {said}") from None


def _found(pattern: str) -> list[Path]:
    path = Path(pattern)
    if any(mark in path.name for mark in "*?["):
        files = sorted(each for each in path.parent.glob(path.name) if each.is_file())
    else:
        files = [path] if path.is_file() else []
    if not files:
        raise BridgeError(
            f"there is no file {pattern}",
            hint="file:///PATH is absolute, file://PATH is relative to where the command runs",
        )
    forms = {_form(each) for each in files}
    if len(forms) > 1:
        raise BridgeError(f"{pattern} means files of several kinds", hint="name one kind: *.csv, *.parquet, *.ndjson")
    return files


def _form(path: Path) -> str | None:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes[-1:] == [".gz"]:
        suffixes.pop()
    return suffixes[-1] if suffixes and suffixes[-1] in _READERS else None


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
