"""``sync`` from a real PostgreSQL: exactly what changed is sent, runs and workers that are killed lose nothing; compared row by row.

``make sync`` does it with tables of 300,000 rows, and prints what each part took.
"""

from __future__ import annotations

import os
import signal
import time
from collections import defaultdict

import pytest
import sqlalchemy as sa
from database_servers import PostgreSql, served
from sync_route import SyncRoute, marks_of

from bridge.emulators.moengage.server import fingerprint
from bridge.testing.processes import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(3_600)]
_MIDDLE = {"hang": {"probability": 0.7}, "seed": 2}
"""The first requests are answered, and then one after the other waits for its answer until all that may be under way do."""
_WITHIN = 120
EMPTY = fingerprint({})
_CREATE_USERS = """
CREATE TABLE users (
    id bigint PRIMARY KEY, customer_id text, email text, plan text, visits integer, since date, updated_at timestamptz NOT NULL DEFAULT now()
)
"""
_FILL_USERS = """
INSERT INTO users SELECT i, 'C-' || i, 'c' || i || '@example.com', 'free', i % 1000, date '2020-01-01' + (i % 2000)::int
FROM generate_series(1, :rows) AS s(i)
"""
_CREATE_ORDERS = (
    "CREATE TABLE orders (id bigint PRIMARY KEY, customer_id text, action text, amount numeric(10, 2), at timestamptz)"
)
_FILL_ORDERS = """
INSERT INTO orders SELECT i, 'C-' || (i / 3), 'Order Placed', i / 100.0, timestamptz '2026-01-01 00:00Z' + i * interval '1 second'
FROM generate_series(1, :rows) AS s(i)
"""
_ORDER_SET = """\
source_type,source,destination
ATTRIBUTE,customer_id,customer.customer_id
ATTRIBUTE,action,event.actions[0].action
ATTRIBUTE,at,event.actions[0].user_time
ATTRIBUTE,id,event.actions[0].attributes.order_id
ATTRIBUTE,amount,event.actions[0].attributes.amount
"""


class Table:
    """A table of a real database, made anew."""

    def __init__(self, server, name, create, fill):
        self.engine = server.engine()
        self.do(f"DROP TABLE IF EXISTS {name}")
        self.do(create)
        self.rows = self.do(fill, rows=server.rows)

    def do(self, statement, **values):
        """Run one statement; how many rows it touched."""
        with self.engine.begin() as connection:
            return connection.execute(sa.text(statement), values).rowcount

    def read(self, statement):
        """The rows of a SELECT."""
        with self.engine.connect() as connection:
            return connection.execute(sa.text(statement)).all()

    def users(self):
        """Fingerprints of the users that the workspace is to have, by customer id."""
        return marks_of(
            {
                row.customer_id: {
                    "email": row.email or "",
                    "plan": row.plan or "",
                    "visits": row.visits,
                    "since": row.since.isoformat(),
                }
                for row in self.read("SELECT customer_id, email, plan, visits, since FROM users")
            }
        )

    def orders(self):
        """Fingerprints of the events that the workspace is to have, by customer id."""
        wanted = defaultdict(list)
        for row in self.read("SELECT id, customer_id, action, amount, at AT TIME ZONE 'UTC' AS at FROM orders"):
            event = {
                "action": row.action,
                "user_time": f"{row.at.isoformat()}Z",
                "attributes": {"order_id": row.id, "amount": float(row.amount)},
            }
            wanted[row.customer_id].append(fingerprint(event))
        return {customer: sorted(marks) for customer, marks in wanted.items()}


class Course:
    """The parts of a proof, each told with its figures where they are asked for."""

    def __init__(self, route, tell):
        self.route, self.tell = route, tell or (lambda _text: None)
        self._measured = tell is not None
        self.worker = route.worker()

    def run(self, what):
        """``sync run`` in a process of its own; its account."""
        account, peak = self.route.sync_apart("run", measured=self._measured)
        rate = account["accepted"] / max(account["seconds"], 0.001)
        self.tell(
            f"{what}: {account['read']:,} rows read, {account['sent']:,} sent, {account['accepted']:,} accepted in"
            f" {account['seconds']:.1f} s ({rate:,.0f}/s), {peak:.0f} MB; load {os.getloadavg()[0]:.1f}"
        )
        assert account["end"] == "done"
        return account

    def kill_in_the_middle(self, kind, rows):
        """Start a run of so many rows, and kill it and the worker with SIGKILL once some, and not all, are accepted; a new worker."""
        route = self.route
        before = route.received()[kind]
        route.emulator.control(**_MIDDLE)
        child = route.start_sync("run")
        eventually(lambda: route.received()[kind] > before, within=_WITHIN, what="some are sent")
        child.send_signal(signal.SIGKILL)
        child.wait(10)
        self.worker.kill9()
        accepted = route.received()[kind] - before
        assert 0 < accepted < rows
        route.emulator.control(clear_faults=True)
        self.worker = route.worker()
        self.tell(f"run and worker killed when {accepted:,} of {rows:,} rows were accepted")

    def nothing_is_left(self):
        """``sync plan`` says that there is nothing to send."""
        planned, peak = self.route.sync_apart("plan", measured=self._measured)
        assert (planned["to_send"], planned["under_way"]) == (0, 0)
        self.tell(f"plan: there is nothing to send, {peak:.0f} MB")


@pytest.fixture(scope="module")
def server(request):
    """PostgreSQL; ``rows``: how many each table gets."""
    for running in served(PostgreSql):
        running.rows = request.config.getoption("--sync-rows")
        yield running


@pytest.fixture
def tell(request, capsys):
    """Prints figures of a run, where they are asked for; else None."""
    if request.config.getoption("verbose") <= 0:
        return None

    def told(text):
        with capsys.disabled():
            print(f"\n{time.strftime('%H:%M:%S')} {text}", end="", flush=True)  # noqa: T201 - as it says

    return told


def test_users(kafka, topic, tmp_path, server, tell):
    """Upsert and mirror: exactly the changed and the vanished rows are sent; killed in the middle of either, nothing is lost."""
    users = Table(server, "users", _CREATE_USERS, _FILL_USERS)
    rows = users.rows
    settings = {"url": server.url, "table": "users", "key": "id"}
    with SyncRoute(kafka, topic, tmp_path, warehouse=settings) as route:
        course = Course(route, tell)
        first = course.run("first load")
        assert (first["read"], first["accepted"]) == (rows, rows)
        assert route.received()["customer"] == rows
        assert route.users() == users.users()

        changed = users.do("UPDATE users SET plan = 'gold', visits = visits + 1 WHERE id % 100 = 7")
        second = course.run(f"{changed:,} of {rows:,} changed")
        assert (second["sent"], second["accepted"], second["findings"]["changed"]) == (changed, changed, changed)
        assert route.received()["customer"] == rows + changed
        assert route.users() == users.users()

        users.do("UPDATE users SET plan = 'silver'")
        course.kill_in_the_middle("customer", rows)
        third = course.run("gone on")
        assert third["under_way_before"] + third["sent"] + third["findings"]["unchanged"] >= rows
        assert route.users() == users.users()
        course.nothing_is_left()

        route.write(mode="mirror")
        gone = users.do("DELETE FROM users WHERE id % 100 = 3")
        before = route.received()["customer"]
        fourth = course.run(f"mirror, {gone:,} vanished")
        assert (fourth["vanished"], fourth["sent"], fourth["accepted"]) == (gone, gone, gone)
        assert route.received()["customer"] == before + gone
        _mirrored(route, users, gone)

        more = users.do("DELETE FROM users WHERE id % 10 = 4")
        course.kill_in_the_middle("customer", more)
        course.run(f"mirror, {more:,} more vanished, gone on")
        _mirrored(route, users, gone + more)
        course.nothing_is_left()


def _mirrored(route, users, gone):
    """The workspace has what the table has, and of those that are gone nothing but the user."""
    have = route.users()
    assert {name: mark for name, mark in have.items() if mark != EMPTY} == users.users()
    assert sum(mark == EMPTY for mark in have.values()) == gone


def test_events(kafka, topic, tmp_path, server, tell):
    """Insert: killed in the middle of the first load every event is there; then each key is sent once, ever, and new ones exactly."""
    orders = Table(server, "orders", _CREATE_ORDERS, _FILL_ORDERS)
    rows = orders.rows
    settings = {"url": server.url, "table": "orders", "key": "id", "kind": "events"}
    with SyncRoute(kafka, topic, tmp_path, warehouse=settings, mapping=_ORDER_SET) as route:
        course = Course(route, tell)
        course.kill_in_the_middle("actions", rows)
        course.run("first load, gone on")
        assert route.events() == orders.orders()
        counts = route.received()
        assert counts["actions"] - counts["repeated_actions"] == rows
        course.tell(f"{counts['repeated_actions']:,} events came again, as their answers were lost with the worker")

        wanted = orders.orders()
        changed = orders.do("UPDATE orders SET amount = amount + 1 WHERE id % 100 = 7")
        new = orders.do(
            "INSERT INTO orders SELECT :rows + id, 'N-' || id, action, amount, at FROM orders WHERE id % 100 = 8",
            rows=rows,
        )
        second = course.run(f"{changed:,} changed, {new:,} new")
        assert (second["sent"], second["accepted"], second["findings"]["sent_once"]) == (new, new, rows)
        wanted |= {customer: marks for customer, marks in orders.orders().items() if customer.startswith("N-")}
        assert route.events() == wanted

        gone = orders.do("DELETE FROM orders WHERE id % 100 = 7 AND id <= :rows", rows=rows)
        assert course.run(f"{gone:,} deleted")["sent"] == 0
        orders.do(
            "INSERT INTO orders SELECT id - 1, 'again', action, amount, at FROM orders WHERE id % 100 = 8 AND id <= :rows",
            rows=rows,
        )
        assert course.run(f"{gone:,} written anew under their keys")["sent"] == 0
        assert route.received()["actions"] == counts["actions"] + new
        assert route.events() == wanted
        course.nothing_is_left()
