"""Only a SELECT that reads is let through."""

import pytest

from bridge.model.errors import BridgeError
from bridge.sources.warehouse.databases.select_only import check_select

READS = [
    ("postgresql", "SELECT id, email FROM users WHERE note <> ';' -- all of them"),
    ("postgresql", "WITH x AS (SELECT * FROM a) SELECT * FROM x UNION ALL SELECT * FROM b ORDER BY 1"),
    ("postgresql", "select id, data->>'a', tags::jsonb, now(), row_number() over (partition by a order by b) from t;"),
    ("mysql", "SELECT `id`, JSON_EXTRACT(d, '$.a') FROM `t` /* a comment */ WHERE x = 'DROP TABLE y'"),
    ("sqlite", "SELECT id, strftime('%Y', at) FROM t"),
    ("duckdb", "FROM rows SELECT id, {'a': 1} AS s"),
    ("duckdb", "SELECT * FROM read_csv('x.csv')"),
    ("snowflake", "SELECT * FROM db.s.t AT(OFFSET => -60) QUALIFY row_number() OVER (PARTITION BY a ORDER BY b) = 1"),
    ("bigquery", "SELECT * EXCEPT (x) FROM `p.d.t`"),
    ("redshift", "SELECT DISTINCT a FROM t"),
    ("databricks", "SELECT * FROM c.s.t"),
]
ACTS = [
    ("postgresql", "DELETE FROM users"),
    ("postgresql", "WITH gone AS (DELETE FROM users RETURNING *) SELECT * FROM gone"),
    ("postgresql", "SELECT * INTO copy FROM users"),
    ("postgresql", "SELECT 1; DROP TABLE users"),
    ("postgresql", "SELECT * FROM users) AS x; DROP TABLE users; --"),
    ("postgresql", "SELECT * FROM users FOR UPDATE"),
    ("postgresql", "SELECT pg_terminate_backend(1)"),
    ("postgresql", "SELECT pg_catalog.set_config('a', 'b', false)"),
    ("postgresql", "SELECT nextval('s')"),
    ("postgresql", "SELECT pg_sleep(100)"),
    ("postgresql", "SELECT * FROM dblink('x', 'DELETE FROM y') AS t(a int)"),
    ("postgresql", "SELECT query_to_xml('DELETE FROM x', true, false, '')"),
    ("postgresql", "SELECT lo_unlink(5)"),
    ("postgresql", "COPY users TO PROGRAM 'rm -rf /'"),
    ("postgresql", "CALL cleanup()"),
    ("postgresql", "DO $$ BEGIN DELETE FROM x; END $$"),
    ("postgresql", "EXPLAIN ANALYZE DELETE FROM users"),
    ("postgresql", ""),
    ("postgresql", "-- nothing"),
    ("postgresql", "SELECT FROM WHERE"),
    ("mysql", "SELECT * FROM t INTO OUTFILE '/tmp/x'"),
    ("mysql", "SELECT 1 /*! INTO OUTFILE '/tmp/x' */"),
    ("mysql", "SELECT @a := 1"),
    ("mysql", "SELECT GET_LOCK('a', 10)"),
    ("mysql", "SELECT SLEEP(10)"),
    ("mysql", "SELECT LOAD_FILE('/etc/passwd')"),
    ("mysql", "REPLACE INTO t VALUES (1)"),
    ("sqlite", "SELECT load_extension('x')"),
    ("sqlite", "PRAGMA journal_mode = OFF"),
    ("sqlite", "ATTACH 'x.db' AS y"),
    ("duckdb", "COPY t TO 'x.csv'"),
    ("duckdb", "INSTALL httpfs"),
    ("snowflake", "SELECT SYSTEM$CANCEL_ALL_QUERIES(1)"),
    ("snowflake", "SELECT s.nextval"),
    ("mssql", "SELECT * FROM OPENROWSET('a', 'b', 'c')"),
]


@pytest.mark.parametrize(("backend", "query"), READS)
def test_reads(backend, query):
    """What only reads may run."""
    check_select(query, backend)


@pytest.mark.parametrize(("backend", "query"), ACTS)
def test_acts(backend, query):
    """What changes, locks, waits or runs something is refused with a hint."""
    with pytest.raises(BridgeError, match="query") as caught:
        check_select(query, backend)
    assert "view" in caught.value.hint


def test_nested_without_end():
    """A query that no parser follows is refused, not passed on."""
    with pytest.raises(BridgeError):
        check_select("SELECT " + "(" * 20_000 + "1" + ")" * 20_000, "postgresql")
