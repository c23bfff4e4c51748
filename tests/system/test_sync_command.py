"""``aep-bridge sync`` on a real Kafka: rows of a table against what the emulated workspace has, row by row."""

from __future__ import annotations

import sqlite3
import time

import pytest
from processes import eventually
from sync_route import SyncRoute, marks_of

pytestmark = pytest.mark.kafka
ROWS = 300


class Table:
    """A table of SQLite in the folder of the route."""

    def __init__(self, path):
        self.path = path
        self.url = f"sqlite:///{path}"
        self.do(
            "CREATE TABLE users (id TEXT PRIMARY KEY, email TEXT, plan TEXT, visits INTEGER, since TEXT, updated_at TEXT)"
        )

    def do(self, statement, *values):
        """Run one statement."""
        with sqlite3.connect(self.path) as base:
            base.execute(statement, values)
        base.close()

    def fill(self, numbers, *, plan="free", at="2026-01-01 00:00:00"):
        """Users of these numbers."""
        with sqlite3.connect(self.path) as base:
            base.executemany(
                "INSERT INTO users VALUES (?, ?, ?, ?, ?, ?)",
                [(f"C-{n}", f"c{n}@example.com", plan, n, "2026-01-31", at) for n in numbers],
            )
        base.close()

    def wanted(self):
        """What the workspace is to have of each user."""
        with sqlite3.connect(self.path) as base:
            rows = base.execute("SELECT id, email, plan, visits, since FROM users").fetchall()
        base.close()
        # A null of email and plan clears what was there (the column nulls of the mapping set).
        return marks_of(
            {
                key: {"email": email or "", "plan": plan or "", "visits": visits, "since": since}
                for key, email, plan, visits, since in rows
            }
        )


@pytest.fixture
def table(tmp_path):
    """An empty table."""
    return Table(tmp_path / "shop.db")


def _settings(table, **more):
    return {"url": table.url, "table": "users", "key": "id"} | more


def test_only_what_changed_is_sent(kafka, topic, tmp_path, table):
    """The first run sends all, the next one exactly the changed rows, and the plan says so before; the workspace has the table."""
    table.fill(range(ROWS))
    with SyncRoute(kafka, topic, tmp_path, warehouse=_settings(table)) as route:
        planned = route.sync("plan", exit_code=3)
        assert (planned["rows"], planned["new"], planned["users"], planned["to_send"]) == (ROWS, ROWS, ROWS, ROWS)
        route.worker()
        first = route.sync("run")
        assert (first["read"], first["sent"], first["accepted"], first["end"]) == (ROWS, ROWS, ROWS, "done")
        assert route.users() == table.wanted()
        assert route.sync("plan")["unchanged"] == ROWS
        table.do("UPDATE users SET plan = 'gold' WHERE visits IN (3, 5)")
        table.do("UPDATE users SET email = NULL WHERE visits = 7")
        table.fill([ROWS])
        planned = route.sync("plan", exit_code=3)
        assert (planned["new"], planned["changed"], planned["unchanged"]) == (1, 3, ROWS - 3)
        assert {one["key"] for one in planned["examples"]} == {"C-3", "C-5", "C-7", f"C-{ROWS}"}
        second = route.sync("run")
        assert (second["sent"], second["accepted"]) == (4, 4)
        assert route.users() == table.wanted()
        assert route.received()["elements"]["customer"] == ROWS + 4
        assert route.sync("run")["sent"] == 0
        assert [run["sent"] for run in route.sync("status")["runs"]] == [0, 4, ROWS]
        assert route.sync("run", "--full")["accepted"] == ROWS + 1
