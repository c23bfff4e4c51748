"""Real PostgreSQL and MariaDB servers: types, streams, read-only sessions, and what they say when something is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date
from zoneinfo import ZoneInfo

import orjson
import pytest
import sqlalchemy as sa
from database_servers import MariaDb, PostgreSql, served

from bridge.model.errors import BridgeError
from bridge.settings import WarehouseSettings
from bridge.sources.warehouse.databases.opening import open_source, try_source
from bridge.sources.warehouse.rows import RowForm

pytestmark = pytest.mark.clock

CREATE = {
    "postgresql": [
        "CREATE SCHEMA crm",
        "CREATE SEQUENCE drawn",
        (
            "CREATE TABLE crm.users (id uuid PRIMARY KEY, big numeric(38, 0), amount numeric(20, 4), day date, at timestamp, zoned timestamptz,"
            " doc jsonb, tags text[], flag boolean, ratio double precision, raw bytea, wait interval)"
        ),
        (
            "INSERT INTO crm.users VALUES ('00000000-0000-0000-0000-000000000007', 12345678901234567890123456789, 12345678901234.5678,"
            " '2026-01-31', '2026-01-31 08:00:00.25', '2026-01-31 08:00:00+02', '{\"n\": 1.10, \"big\": 12345678901234567890123}',"
            " '{a,b}', true, 'NaN', '\\x00ff', '90 minutes')"
        ),
        "INSERT INTO crm.users (id, at, zoned, day) VALUES ('00000000-0000-0000-0000-000000000008', 'infinity', '-infinity', '20000-01-01')",
    ],
    "mysql": [
        (
            "CREATE TABLE users (id BIGINT UNSIGNED PRIMARY KEY, big DECIMAL(38,0), amount DECIMAL(20,4), day DATE, at DATETIME(6),"
            " zoned TIMESTAMP NULL, doc JSON, flag TINYINT(1), ratio DOUBLE, raw VARBINARY(10), wait TIME, name VARCHAR(40)) CHARSET utf8mb4"
        ),
        "SET time_zone = '+02:00'",
        (
            "INSERT INTO users VALUES (18446744073709551615, 12345678901234567890123456789, 12345678901234.5678, '2026-01-31',"
            " '2026-01-31 08:00:00.25', '2026-01-31 08:00:00', '{\"n\": 1.10}', 1, 1.5, x'00ff', '01:30:00', 'Zoë 🎉')"
        ),
    ],
}


@pytest.fixture(scope="module", params=[PostgreSql, MariaDb], ids=["postgresql", "mariadb"])
def server(request):
    """A server with a table of every type."""
    for one in served(request.param):
        with one.engine().begin() as connection:
            for statement in CREATE[one.backend]:
                connection.exec_driver_sql(statement.replace("%", "%%"))
        yield one


def settings(server, **more) -> WarehouseSettings:
    """Settings that read the table of users."""
    table = "crm.users" if server.backend == "postgresql" else "users"
    return WarehouseSettings(**({"url": server.url, "table": table, "key": "id"} | more))


def read(given, how=lambda source: source.batches()):
    """Columns and rows."""
    source = open_source(given)
    try:
        batches = list(how(source))
    finally:
        source.close()
    return list(batches[0].columns), [tuple(row) for batch in batches for row in batch.rows]


def as_events(given):
    """Rows as they leave."""
    columns, rows = read(given)
    form = RowForm(columns, key=given.key, users=True, zone=given.zone)
    return [orjson.loads(form.read(row).value) for row in rows]


def test_types(server):
    """Decimals, integers beyond 64 bits, dates, zones, JSON, arrays and bytes leave as the documents say, to the last digit."""
    event = as_events(settings(server, time_zone="Europe/Berlin"))[0]
    assert event["big"] == "12345678901234567890123456789"
    assert event["amount"] == "12345678901234.5678"
    assert event["day"] == "2026-01-31"
    assert event["at"] == "2026-01-31T07:00:00.250000Z"
    assert event["zoned"] == "2026-01-31T06:00:00Z"
    assert event["raw"] == "AP8="
    assert event["wait"] == 5400
    if server.backend == "postgresql":
        assert event["id"] == "00000000-0000-0000-0000-000000000007"
        assert event["doc"] == {"n": 1.1, "big": "12345678901234567890123"}
        assert (event["tags"], event["flag"], event["ratio"]) == (["a", "b"], True, None)
    else:
        assert (event["id"], event["name"], event["flag"]) == (18446744073709551615, "Zoë 🎉", 1)


def test_dates_that_python_has_none_for(server):
    """One such date costs neither the run nor the row: it leaves as its text."""
    if server.backend != "postgresql":
        pytest.skip("only PostgreSQL has them")
    event = as_events(settings(server))[1]
    assert (event["at"], event["zoned"], event["day"]) == ("infinity", "-infinity", "20000-01-01")


def test_found_by_key_and_cursor(server):
    """Rows are found by their keys as text, and by a cursor, through a query with colons and percent signs too."""
    key = "00000000-0000-0000-0000-000000000007" if server.backend == "postgresql" else "18446744073709551615"
    given = settings(server)
    assert len(read(given, lambda source: source.by_key([key, "nonsense"]))[1]) == 1
    table = given.table
    query = f"SELECT id, day, ':x %(y)s %%' AS odd FROM {table} -- a comment"  # noqa: S608
    given = settings(server, table=None, query=query, cursor="day")
    day = date(2026, 1, 31)
    _, rows = read(given, lambda source: source.batches(day))
    assert rows[0][2] == ":x %(y)s %%"
    assert not read(given, lambda source: source.batches(day.replace(year=2100)))[1] or server.backend == "postgresql"


def test_a_session_may_not_write(server):
    """What the check would let through the database refuses."""
    acts = "SELECT nextval('drawn')" if server.backend == "postgresql" else "DELETE FROM users"
    source = open_source(settings(server))
    with pytest.raises(BridgeError, match=r"(?i)read.only"):
        list(source._read(sa.text(acts)))
    source.close()
    assert read(settings(server))[1]


def test_what_is_wrong_is_told(server):
    """Missing tables and wrong passwords in the database's words, without URL and password."""
    with pytest.raises(BridgeError, match="nowhere") as caught:
        read(settings(server, table="nowhere"))
    assert "\n" not in str(caught.value)
    url = sa.make_url(server.url).set(port=1, password="secret").render_as_string(hide_password=False)
    with pytest.raises(BridgeError) as caught:
        read(settings(server, url=url))
    assert "secret" not in f"{caught.value} {caught.value.hint}"


def test_tried_before_a_run(server):
    """Asked for its columns and for no row; what is wrong is told in the database's words, and the password never."""
    trial = try_source(settings(server))
    assert trial.ok
    assert trial.words == "answers; upsert of 12 columns, key id"
    missing = try_source(settings(server, table="nowhere"))
    assert not missing.ok
    assert "nowhere" in missing.words
    url = sa.make_url(server.url)
    wrongs = [url.set(port=1, password="hush-hush")]
    if server.backend == "postgresql":
        # The other server runs without its table of users.
        wrongs.append(url.set(username="hush-hush", password="hush-hush"))
    for wrong in wrongs:
        refused = try_source(settings(server, url=wrong.render_as_string(hide_password=False)))
        assert not refused.ok
        assert "hush-hush" not in f"{refused.words} {refused.todo}"
        assert "BRIDGE_WAREHOUSE__URL" in refused.todo


PEAK = """
import sys
from bridge.settings import WarehouseSettings
from bridge.sources.warehouse.databases.opening import open_source, try_source
settings = WarehouseSettings(url=sys.argv[1], table="many", key="id")
read = sum(len(batch.rows) for batch in open_source(settings).batches())
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(read, peak.split()[1])
"""


def test_memory_is_flat(server):
    """Ten times as many rows take less than 20 MB more: they come through a cursor of the server."""
    peaks = []
    for rows in (30_000, 300_000):
        with server.engine().begin() as connection:
            connection.exec_driver_sql("DROP TABLE IF EXISTS many")
            if server.backend == "postgresql":
                made = f"CREATE TABLE many AS SELECT i AS id, 'user ' || i AS name, md5(i::text) AS hash FROM generate_series(1, {rows}) AS t(i)"  # noqa: S608
            else:
                made = f"CREATE TABLE many AS SELECT seq AS id, CONCAT('user ', seq) AS name, MD5(seq) AS hash FROM seq_1_to_{rows}"  # noqa: S608
            connection.exec_driver_sql(made)
        done = subprocess.run(
            [sys.executable, "-c", PEAK, server.url],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"MALLOC_ARENA_MAX": "1"},
        )
        read_rows, peak = map(int, done.stdout.split())
        assert read_rows == rows
        peaks.append(peak / 1024)
    assert peaks[1] - peaks[0] < 20, peaks


def test_zone_names():
    """The zone of the settings is one of this machine's."""
    assert WarehouseSettings(time_zone="Europe/Berlin").zone == ZoneInfo("Europe/Berlin")
