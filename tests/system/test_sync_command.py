"""``aep-bridge sync`` on a real Kafka: rows of a table against what the emulated workspace has, row by row."""

from __future__ import annotations

import signal
import sqlite3

import pytest
from json_output import json_of
from sync_route import SyncRoute, marks_of

from bridge.testing.processes import eventually

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
        assert route.received()["customer"] == ROWS + 4
        assert route.sync("run")["sent"] == 0
        assert [run["sent"] for run in route.sync("status")["runs"]] == [0, 4, ROWS]
        assert route.sync("run", "--full")["accepted"] == ROWS + 1


def test_killed_in_the_middle(kafka, topic, tmp_path, table):
    """Killed with SIGKILL while its rows wait in Kafka, a run is followed by one that loses nothing and sends nothing twice."""
    table.fill(range(3_000))
    with SyncRoute(kafka, topic, tmp_path, warehouse=_settings(table)) as route:
        # The first requests are answered, and then one after the other waits until all that may be under way do.
        route.emulator.control(hang={"probability": 0.5}, seed=2)
        route.worker()
        child = route.start_sync("run")
        eventually(lambda: route.received()["users"] >= 200, within=60, what="some are there")
        child.send_signal(signal.SIGKILL)
        child.wait(10)
        assert route.received()["users"] < 3_000
        assert route.sync("status")["runs"][0]["end"] == "died"
        table.do("UPDATE users SET plan = 'gold' WHERE visits < 20")
        route.emulator.control(clear_faults=True)
        second = route.sync("run")
        assert second["end"] == "done"
        assert route.users() == table.wanted()
        # What the first one had sent is not sent once more, but for the rows that have changed since.
        updates = route.received()["customer"]
        assert updates <= 3_020
        assert route.sync("plan")["unchanged"] == 3_000


def test_only_one_run(kafka, topic, tmp_path, table):
    """A second run beside a living one is refused, and told which one it is; SIGTERM ends a run that can be gone on from."""
    table.fill(range(50))
    with SyncRoute(kafka, topic, tmp_path, warehouse=_settings(table)) as route:
        child = route.start_sync("run")
        eventually(lambda: _under_way(route) == 50, within=60, what="its rows are in Kafka")
        route.sync("run", exit_code=1)
        assert "is under way since" in route.words
        child.terminate()
        assert child.wait(20) == 1
        assert route.sync("status")["runs"][0]["end"] == "stopped"
        assert route.sync("plan")["under_way"] == 50
        route.worker()
        done = route.sync("run")
        # By now the worker may have delivered them.
        assert (done["sent"], done["end"]) == (0, "done")
        assert route.users() == table.wanted()


def _under_way(route):
    # It exits 3 until all rows are in Kafka.
    return json_of(route.command(["sync", "plan", "--json"]), exit_code=None)["under_way"]


def test_each_key_once(kafka, topic, tmp_path, table):
    """Of mode insert each key is sent once, ever: changed rows, a full run and a run that was killed send none again."""
    table.fill(range(100))
    mapping = "source_type,source,destination\nATTRIBUTE,email,customer.customer_id\nATTRIBUTE,plan,event.actions[0].action\nATTRIBUTE,visits,event.actions[0].attributes.visits\n"
    settings = _settings(table, kind="events")
    with SyncRoute(kafka, topic, tmp_path, warehouse=settings, mapping=mapping) as route:
        route.worker()
        assert route.sync("run")["accepted"] == 100
        assert route.received()["actions"] == 100
        table.do("UPDATE users SET plan = 'gold'")
        table.fill(range(100, 110))
        planned = route.sync("plan", exit_code=3)
        assert (planned["new"], planned["sent_once"], planned["events"]) == (10, 100, 10)
        assert route.sync("run")["sent"] == 10
        assert route.sync("run", "--full")["sent"] == 0
        assert route.received()["actions"] == 110


def test_mirror(kafka, topic, tmp_path, table):
    """What is gone from the table is unset, or told as an event, once; a table that was emptied by accident is held back."""
    table.fill(range(100))
    with SyncRoute(kafka, topic, tmp_path, warehouse=_settings(table, mode="mirror")) as route:
        route.worker()
        assert route.sync("run")["accepted"] == 100
        table.do("DELETE FROM users WHERE visits < 10")
        planned = route.sync("plan", exit_code=3)
        assert (planned["vanished"], planned["unchanged"], planned["would_be_refused"]) == (10, 90, {})
        assert route.sync("run")["vanished"] == 10
        gone = marks_of({f"C-{n}": {} for n in range(10)})
        assert route.users() == table.wanted() | gone
        assert route.sync("run")["sent"] == 0
        # One is there again, another goes, and is told as an event.
        table.fill([3])
        table.do("DELETE FROM users WHERE visits = 50")
        route.write(vanished="event", vanished_event="Left")
        last = route.sync("run")
        assert (last["findings"]["new"], last["vanished"], last["accepted"]) == (1, 1, 2)
        assert route.received("?customer=C-50")["events"][-1]["action"] == "Left"
        table.do("DELETE FROM users")
        assert route.sync("plan")["held_back"] == 90
        assert route.sync("run", exit_code=1)["held_back"] == 90
        assert "VANISHED_SHARE" in route.words


def test_cursor_and_late_rows(kafka, topic, tmp_path, table):
    """With a cursor only rows from the last one on are read; one that is committed late is found, one without a cursor always."""
    table.fill(range(100), at="2026-01-01 00:00:00")
    table.fill(range(100, 200), at="2026-01-02 00:00:00")
    settings = _settings(table, cursor="updated_at", lag_seconds=3600)
    with SyncRoute(kafka, topic, tmp_path, warehouse=settings) as route:
        route.worker()
        assert route.sync("run")["read"] == 200
        assert route.sync("status")["cursor"] == "2026-01-02 00:00:00"
        table.fill([200], at="2026-01-01 23:30:00")
        table.fill([201], at="2026-01-03 00:00:00")
        table.do("INSERT INTO users (id, plan) VALUES ('C-none', 'free')")
        found = route.sync("run")
        assert (found["read"], found["sent"], found["without_cursor"]) == (103, 3, 1)
        assert route.users() == table.wanted() | {"C-none": route.users()["C-none"]}
        # A stamp of the far future must not hide what comes after it.
        table.fill([202], at="2099-01-01 00:00:00")
        assert route.sync("run")["sent"] == 1
        assert route.sync("status")["cursor"] < "2090"
        assert route.sync("run", "--full")["read"] == 204


def test_refused_rows_are_tried_again(kafka, topic, tmp_path, table):
    """A refused row costs exit 1, is a dead letter, and is tried in every run, behind the cursor too, until it passes or is given up."""
    table.fill(range(20), at="2026-01-01 00:00:00")
    table.do(
        "INSERT INTO users (id, plan, updated_at) VALUES ('guest', 'free', '2026-01-01'), ('0', 'free', '2026-01-01')"
    )
    table.do("INSERT INTO users (id, plan, updated_at) VALUES (NULL, 'free', '2026-01-01')")
    settings = _settings(table, cursor="updated_at", lag_seconds=0)
    with SyncRoute(kafka, topic, tmp_path, warehouse=settings) as route:
        route.worker()
        planned = route.sync("plan", exit_code=3)
        assert planned["would_be_refused"] == {"customer_id_refused": 2}
        assert planned["invalid"] == {"key_missing": 1}
        first = route.sync("run", exit_code=1)
        assert (first["accepted"], first["refused"], first["invalid"]) == (
            20,
            {"customer_id_refused": 2},
            {"key_missing": 1},
        )
        table.fill([50], at="2026-02-01 00:00:00")
        second = route.sync("run", exit_code=1)
        assert (second["findings"]["again"], second["findings"]["new"]) == (2, 1)
        third = route.sync("run", exit_code=1)
        assert (third["read"], third["findings"]["again"]) == (3, 2)
        assert len(route.letters()) == 6
        route.sync("give-up", "guest", "0")
        last = route.sync("run")
        assert (last["sent"], last["findings"]["given_up"]) == (0, 2)
        route.sync("give-up", "nobody", exit_code=1)
        assert "no row of key nobody" in route.words


def test_one_row_as_a_test(kafka, topic, tmp_path, table):
    """--limit 1 sends one row and reads the user back; where nothing has changed, a row as it is."""
    table.fill(range(20))
    with SyncRoute(kafka, topic, tmp_path, warehouse=_settings(table)) as route:
        route.worker()
        first = route.sync("run", "--limit", "1")
        assert (first["sent"], first["accepted"], first["read_back"]["ok"]) == (1, 1, True)
        assert len(route.users()) == 1
        assert route.sync("run")["sent"] == 19
        second = route.sync("run", "--limit", "1")
        assert (second["sent"], second["findings"], second["read_back"]["ok"]) == (1, {"unchanged": 20}, True)


@pytest.mark.slow(120)
def test_by_schedule(kafka, topic, tmp_path, table):
    """Of two worker processes one runs it, once a minute; the run ends with its worker."""
    table.fill(range(50))
    with SyncRoute(kafka, topic, tmp_path, warehouse=_settings(table, schedule="* * * * *")) as route:
        worker = route.worker("--processes", "2")

        def ended():
            return [run for run in route.sync("status")["runs"] if run["end"] == "done"]

        eventually(ended, within=150, every=2, what="a run of the schedule is done")
        assert route.users() == table.wanted()
        table.fill(range(50, 60))
        eventually(lambda: len(route.users()) == 60, within=150, every=2, what="the next run has sent what is new")
        minutes = [run["started"][:16] for run in route.sync("status")["runs"]]
        assert len(minutes) == len(set(minutes))
        assert (
            sum(
                value
                for name, value in worker.metrics().items()
                if name.startswith("bridge_leader_task_runs_total") and 'task="sync"' in name and "done" in name
            )
            >= 1
        )


def test_check_asks_the_database(kafka, topic, tmp_path, table):
    """``check`` says that the table answers; of a table or key that is not there it exits 1, and says which setting names it."""
    with SyncRoute(kafka, topic, tmp_path, warehouse={"url": table.url, "table": "users", "key": "id"}) as route:
        assert _checked(route) == (0, {"ok": True, "found": "answers; upsert of 6 columns, key id", "todo": ""})
        route.write(key="nummer")
        code, found = _checked(route)
        assert (code, found["ok"]) == (1, False)
        assert found["found"] == "BRIDGE_ROUTES__CRM__WAREHOUSE__KEY: there is no column nummer"
        assert found["todo"] == "the columns are: id, email, plan, visits, since, updated_at"
        route.write(key="id", table="nowhere")
        code, found = _checked(route)
        assert (code, found["ok"]) == (1, False)
        assert "no such table: nowhere" in found["found"]
        assert "BRIDGE_ROUTES__CRM__WAREHOUSE__URL, __TABLE and __QUERY" in found["todo"]


def _checked(route):
    done = route.command(["check", "--json"])
    (found,) = (each for each in json_of(done, exit_code=None) if each["name"] == "warehouse")
    return done.returncode, {name: found[name] for name in ("ok", "found", "todo")}
