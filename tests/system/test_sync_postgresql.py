"""``sync`` from a real PostgreSQL: what changed is sent, a run that is killed loses nothing, mirror and insert; row by row.

``python tests/system/test_sync_postgresql.py ROWS`` does the same with as many rows as are asked for, and prints what it took.
"""

from __future__ import annotations

import signal
import sys
import time

import pytest
import sqlalchemy as sa
from database_servers import PostgreSql, served
from sync_route import SyncRoute, marks_of

from bridge.testing.processes import eventually

ROWS = 3_000
_CREATE = (
    "CREATE TABLE users (id bigint PRIMARY KEY, customer_id text, email text, plan text, visits integer, since date,"
    " updated_at timestamptz NOT NULL DEFAULT now())"
)
_FILL = (
    "INSERT INTO users SELECT i, 'C-' || i, 'c' || i || '@example.com', 'free', i % 1000, date '2020-01-01' + (i % 2000)::int"
    " FROM generate_series(1, :rows) AS s(i)"
)


class Users:
    """The table of users."""

    def __init__(self, server, rows):
        self.engine, self.rows = server.engine(), rows
        self.do("DROP TABLE IF EXISTS users")
        self.do(_CREATE)
        self.do(_FILL, rows=rows)

    def do(self, statement, **values):
        """Run one statement; how many rows it touched."""
        with self.engine.begin() as connection:
            return connection.execute(sa.text(statement), values).rowcount

    def wanted(self):
        """Fingerprints of what the workspace is to have."""
        with self.engine.connect() as connection:
            rows = connection.execute(sa.text("SELECT customer_id, email, plan, visits, since FROM users"))
            return marks_of(
                {
                    row.customer_id: {
                        "email": row.email or "",
                        "plan": row.plan or "",
                        "visits": row.visits,
                        "since": row.since.isoformat(),
                    }
                    for row in rows
                }
            )


def prove(route, users, tell):
    """The whole course; ``tell`` hears what each part took."""
    worker = route.worker()
    first = route.sync("run")
    assert (first["read"], first["accepted"], first["end"]) == (users.rows, users.rows, "done")
    assert route.users() == users.wanted()
    tell("first load", first)

    changed = users.do("UPDATE users SET plan = 'gold', visits = visits + 1 WHERE id % 100 = 7")
    second = route.sync("run")
    assert (second["sent"], second["accepted"], second["findings"]["changed"]) == (changed, changed, changed)
    assert route.received()["customer"] == users.rows + changed
    assert route.users() == users.wanted()
    tell(f"{changed} of {users.rows} changed", second)

    users.do("UPDATE users SET plan = 'silver'")
    sent_before = route.received()["customer"]
    route.emulator.control(latency_seconds=0.1)
    child = route.start_sync("run")
    eventually(lambda: route.received()["customer"] > sent_before + users.rows // 20, within=120, what="some are sent")
    child.send_signal(signal.SIGKILL)
    child.wait(10)
    worker.kill9()
    assert route.received()["customer"] < sent_before + users.rows
    route.emulator.control(latency_seconds=0)
    route.worker()
    third = route.sync("run")
    assert third["end"] == "done"
    assert route.users() == users.wanted()
    assert route.sync("plan")["to_send"] == 0
    tell("run and worker killed, then gone on", third)

    gone = users.do("DELETE FROM users WHERE id % 100 = 3")
    route.write(mode="mirror")
    fourth = route.sync("run")
    assert (fourth["vanished"], fourth["accepted"]) == (gone, gone)
    have = route.users()
    assert {name: mark for name, mark in have.items() if mark != EMPTY} == users.wanted()
    assert sum(mark == EMPTY for mark in have.values()) == gone
    tell(f"mirror: {gone} gone", fourth)


EMPTY = marks_of({"": {}})[""]


@pytest.fixture(scope="module")
def server():
    """PostgreSQL."""
    yield from served(PostgreSql)


@pytest.mark.kafka
@pytest.mark.slow
def test_from_postgresql(kafka, topic, tmp_path, server):
    """Exactly the changed rows are sent; run and worker killed with SIGKILL in the middle lose nothing; what is gone is unset."""
    users = Users(server, ROWS)
    settings = {"url": server.url, "table": "users", "key": "id"}
    with SyncRoute(kafka, topic, tmp_path, warehouse=settings) as route:
        prove(route, users, lambda *_: None)


def measure(rows):
    """The same at size, with its figures."""
    import tempfile
    import uuid
    from pathlib import Path

    from bridge.testing.kafka.admin import create_topic
    from bridge.testing.kafka.broker import Broker

    def tell(what, account):
        rate = account["accepted"] / max(account["seconds"], 0.001)
        print(  # noqa: T201 - the report
            f"{what}: {account['read']:,} read, {account['sent']:,} sent, {account['accepted']:,} accepted in"
            f" {account['seconds']:.1f} s ({rate:,.0f}/s)",
            flush=True,
        )

    folder = Path(tempfile.mkdtemp(prefix="bridge-sync-"))
    with Broker(folder / "kafka", secure=False) as broker, PostgreSql() as database:
        started = time.monotonic()
        users = Users(database, rows)
        print(f"{rows:,} rows in PostgreSQL after {time.monotonic() - started:.1f} s", flush=True)  # noqa: T201 - the report

        def topic(kind, *, partitions=6):
            return create_topic(broker.bootstrap, f"{kind}.{uuid.uuid4().hex[:8]}", partitions=partitions, config={})

        settings = {"url": database.url, "table": "users", "key": "id"}
        with SyncRoute(broker.bootstrap, topic, folder, warehouse=settings) as route:
            prove(route, users, tell)


if __name__ == "__main__":
    measure(int(sys.argv[1]))
