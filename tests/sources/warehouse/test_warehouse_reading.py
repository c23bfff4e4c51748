"""Tables, queries and files give their rows, typed, whole and in bounded memory."""

import gzip
import os
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime

import duckdb
import pytest

from bridge.model.errors import BridgeError, SettingsError
from bridge.model.trial import Trial
from bridge.settings import WarehouseSettings
from bridge.sources.warehouse.databases.opening import open_source, try_source

ROWS = [(1, "007", "2026-01-01 08:00:00"), (2, "O'Neil; --", "2026-01-02 08:00:00"), (3, None, None)]


def sqlite(folder) -> str:
    """A file of SQLite."""
    path = folder / "shop %.db"
    with sqlite3.connect(path) as made:
        made.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, updated_at TEXT)")
        made.executemany("INSERT INTO users VALUES (?, ?, ?)", ROWS)
    made.close()
    return f"sqlite:///{path}"


def duck(folder) -> str:
    """A file of DuckDB."""
    path = folder / "shop.duckdb"
    with duckdb.connect(str(path)) as made:
        made.execute("CREATE TABLE users (id BIGINT, name TEXT, updated_at TEXT)")
        made.executemany("INSERT INTO users VALUES (?, ?, ?)", ROWS)
    return f"duckdb:///{path}"


def parquet(folder) -> str:
    """A Parquet file."""
    duck(folder)
    with duckdb.connect(str(folder / "shop.duckdb")) as made:
        made.execute(f"COPY users TO '{folder / 'users.parquet'}'")
    return f"file://{folder / 'users.parquet'}"


def ndjson(folder) -> str:
    """NDJSON, compressed; one line lacks members."""
    lines = b'{"id":1,"name":"007","updated_at":"2026-01-01 08:00:00"}\n\n{"id":2,"updated_at":"2026-01-02 08:00:00","name":"O\'Neil; --"}\n{"id":3}\n'
    (folder / "users.ndjson.gz").write_bytes(gzip.compress(lines))
    return f"file://{folder / 'users.ndjson.gz'}"


def csv(folder) -> str:
    """Two files of CSV."""
    (folder / "users-1.csv").write_text("id,name,updated_at\n1,007,2026-01-01 08:00:00\n")
    (folder / "users-2.csv").write_text("id,name,updated_at\n2,O'Neil; --,2026-01-02 08:00:00\n3,,\n")
    return f"file://{folder}/users-*.csv"


SOURCES = {"sqlite": sqlite, "duckdb": duck, "parquet": parquet, "ndjson": ndjson, "csv": csv}
TABLES = ("sqlite", "duckdb")


def read(settings: WarehouseSettings, how=lambda source: source.batches()):
    """Columns and rows."""
    source = open_source(settings)
    try:
        batches = list(how(source))
    finally:
        source.close()
    return list(batches[0].columns), [tuple(row) for batch in batches for row in batch.rows]


def settings_of(kind: str, folder, **more) -> WarehouseSettings:
    """Settings of that kind of source."""
    folder.mkdir(exist_ok=True)
    given = {"url": SOURCES[kind](folder), "key": "id", "cursor": "updated_at"} | more
    if kind in TABLES and "query" not in more:
        given["table"] = "users"
    return WarehouseSettings(**given)


def as_read(kind: str, rows):
    """Rows as that kind gives them."""
    return [(str(row[0]), *row[1:]) for row in rows] if kind == "csv" else rows


@pytest.mark.parametrize("kind", SOURCES)
def test_all_rows(kind, tmp_path):
    """Every row with its columns; of CSV all values are text, so that nothing is guessed."""
    columns, rows = read(settings_of(kind, tmp_path))
    assert columns == ["id", "name", "updated_at"]
    assert sorted(rows) == as_read(kind, ROWS)


@pytest.mark.parametrize("kind", SOURCES)
def test_tried_before_a_run(kind, tmp_path):
    """A source that answers is told with its columns and key; a key or cursor that it lacks is named, with the columns that are there."""
    assert try_source(settings_of(kind, tmp_path)) == Trial(
        ok=True, words="answers; upsert of 3 columns, key id, cursor updated_at"
    )
    for setting in ("key", "cursor"):
        trial = try_source(settings_of(kind, tmp_path / setting, **{setting: "nowhere"}))
        assert not trial.ok
        assert trial.words == f"BRIDGE_WAREHOUSE__{setting.upper()}: there is no column nowhere"
        assert trial.todo == "the columns are: id, name, updated_at"
    assert "KEY is not set" in try_source(settings_of(kind, tmp_path / "none", key="")).words


@pytest.mark.parametrize("kind", SOURCES)
def test_rows_since(kind, tmp_path):
    """From a cursor on, itself included, and the rows that have none."""
    _, rows = read(settings_of(kind, tmp_path), lambda source: source.batches("2026-01-02 08:00:00"))
    assert sorted(rows) == as_read(kind, ROWS[1:])


@pytest.mark.parametrize("kind", SOURCES)
def test_rows_by_key(kind, tmp_path):
    """Rows are found again by their keys as text; unknown ones are not there."""
    _, rows = read(settings_of(kind, tmp_path), lambda source: source.by_key(["3", "1", "99"]))
    assert sorted(rows) == as_read(kind, [ROWS[0], ROWS[2]])


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
def test_keys_of_several_columns(kind, tmp_path):
    """Also by keys of several columns."""
    settings = settings_of(kind, tmp_path, key="id,name")
    _, rows = read(settings, lambda source: source.by_key(['["1","007"]', '["1","008"]']))
    assert rows == [ROWS[0]]


@pytest.mark.parametrize("kind", ["parquet", "csv", "ndjson"])
def test_queries_of_files(kind, tmp_path):
    """Files are called rows in a query."""
    settings = settings_of(
        kind, tmp_path, query="SELECT CAST(id AS INTEGER) AS id, name FROM rows WHERE id = '2';", cursor=None
    )
    assert read(settings) == (["id", "name"], [(2, "O'Neil; --")])


@pytest.mark.parametrize("kind", TABLES)
def test_queries_of_databases(kind, tmp_path):
    """A query runs as written, colons, percent signs and a comment at its end included; a cursor goes around it."""
    query = "SELECT id, name || ':x' || '%(y)s' AS name, updated_at FROM users -- all of them"
    settings = settings_of(kind, tmp_path, query=query)
    assert [row[1] for row in read(settings)[1][:2]] == ["007:x%(y)s", "O'Neil; --:x%(y)s"]
    _, rows = read(settings, lambda source: source.batches("2026-01-02 08:00:00"))
    assert [row[0] for row in rows] == [2, 3]


def test_types_of_duckdb(tmp_path):
    """Wide integers, decimals, timestamps, lists and structs come as what they are."""
    path = tmp_path / "types.duckdb"
    with duckdb.connect(str(path)) as made:
        made.execute(
            "CREATE TABLE t AS SELECT 1 AS id, 170141183460469231731687303715884105727::HUGEINT AS h, 12345678901234567.89::DECIMAL(20,2) AS d,"
            " TIMESTAMPTZ '2026-01-31 08:00:00+02' AS z, [1,2] AS l, {'a': 1} AS s"
        )
    _, (row,) = read(WarehouseSettings(url=f"duckdb:///{path}", table="t", key="id"))
    assert row[1] == 170141183460469231731687303715884105727
    assert str(row[2]) == "12345678901234567.89"
    assert row[3].astimezone(UTC) == datetime(2026, 1, 31, 6, tzinfo=UTC)
    assert row[4:] == ([1, 2], {"a": 1})


@pytest.mark.parametrize("kind", TABLES)
def test_nothing_is_written(kind, tmp_path):
    """Whatever a query could do, the file is opened for reading only."""
    settings = settings_of(kind, tmp_path)
    source = open_source(settings)
    with pytest.raises(BridgeError, match=r"readonly|read-only|read only"):
        list(
            source._read(
                __import__("sqlalchemy").text("DELETE FROM users") if kind == "sqlite" else "DELETE FROM users"
            )
        )
    source.close()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "URL is not set"),
        ({"url": "sqlite:///x.db"}, "neither"),
        ({"url": "sqlite:///nowhere.db", "table": "t"}, "there is no file nowhere.db"),
        ({"url": "duckdb:///nowhere.duckdb", "table": "t"}, "there is no file nowhere.duckdb"),
        ({"url": "sqlite://", "table": "t"}, "names no file"),
        ({"url": "file:///nowhere/*.csv"}, "there is no file /nowhere"),
        ({"url": "postgresql://u:se/cret@h:port/d", "table": "t"}, "is not a URL"),
        ({"url": "nosuch://u:secret@h/d", "table": "t"}, "is not installed"),
        ({"url": "snowflake://u:secret@h/d", "table": "t"}, "is not installed"),
        ({"url": "sqlite:///x.db", "query": "DELETE FROM t"}, "not a SELECT"),
        ({"url": "file:///x.csv", "table": "t"}, "names files"),
    ],
)
def test_what_cannot_be_opened(given, words):
    """Said in words that name the setting, with a hint, and without the password."""
    with pytest.raises(BridgeError, match=words) as caught:
        read(WarehouseSettings(key="id", **given))
    assert caught.value.hint or isinstance(caught.value, SettingsError)
    assert "secret" not in f"{caught.value} {caught.value.hint}"
    assert "se/cret" not in str(caught.value)


def test_what_the_database_refuses(tmp_path):
    """What the database says is handed on in one line, without the statement."""
    with pytest.raises(BridgeError, match="no such table: nope") as caught:
        read(WarehouseSettings(url=sqlite(tmp_path), table="nope", key="id"))
    assert "\n" not in str(caught.value)


def test_a_file_that_was_cut(tmp_path):
    """An incomplete copy is an error with the file's name, not a table with fewer rows."""
    url = ndjson(tmp_path)
    path = tmp_path / "users.ndjson.gz"
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(BridgeError, match=r"users\.ndjson\.gz"):
        read(WarehouseSettings(url=url, key="id"))
    (tmp_path / "bad.ndjson").write_text('{"id":1}\n{"id":\n')
    with pytest.raises(BridgeError, match="line 2"):
        read(WarehouseSettings(url=f"file://{tmp_path}/bad.ndjson", key="id"))


PEAK = """
import sys
from bridge.settings import WarehouseSettings
from bridge.sources.warehouse.databases.opening import open_source, try_source
settings = WarehouseSettings(url=sys.argv[1], table=sys.argv[2] or None, key="id")
read = sum(len(batch.rows) for batch in open_source(settings).batches())
# What getrusage says would be the peak of the process that started this one, where that was higher.
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(read, peak.split()[1])
"""


@pytest.mark.parametrize("kind", ["sqlite", "duckdb", "parquet", "csv", "ndjson"])
def test_memory_is_flat(kind, tmp_path):
    """750,000 rows more take less than 20 MB more."""
    peaks = []
    # The smaller file has more than two of Parquet's groups of 122,880 rows: what a reader needs for these is no growth.
    for rows in (300_000, 1_050_000):
        path = tmp_path / f"{rows}.{kind}"
        made = (
            f"SELECT i AS id, 'user ' || i AS name, md5(i::VARCHAR) AS hash, i * 1.5 AS amount FROM range({rows}) r(i)"  # noqa: S608
        )
        if kind == "sqlite":
            with sqlite3.connect(path) as base:
                base.execute("CREATE TABLE users (id INTEGER, name TEXT, hash TEXT, amount REAL)")
                base.execute(
                    "WITH RECURSIVE r(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM r WHERE i + 1 < ?)"
                    " INSERT INTO users SELECT i, 'user ' || i, printf('%032x', i), i * 1.5 FROM r",
                    (rows,),
                )
            base.close()
        elif kind == "duckdb":
            with duckdb.connect(str(path)) as base:
                base.execute(f"CREATE TABLE users AS {made}")
        else:
            form = "JSON" if kind == "ndjson" else kind.upper()
            duckdb.connect(":memory:").execute(f"COPY ({made}) TO '{path}' (FORMAT {form})")
        url, table = (f"{kind}:///{path}", "users") if kind in TABLES else (f"file://{path}", "")
        done = subprocess.run(
            [sys.executable, "-c", PEAK, url, table],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"MALLOC_ARENA_MAX": "1"},
        )
        read_rows, peak = map(int, done.stdout.split())
        assert read_rows == rows
        peaks.append(peak / 1024)
    assert peaks[1] - peaks[0] < 20, peaks
