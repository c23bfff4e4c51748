"""``mapping init --table``: rows for the columns of a table that the route takes as they are."""

from __future__ import annotations

import csv
import io
import sqlite3

import pytest
from typer.testing import CliRunner

from bridge.cli.main import app
from bridge.routes.moengage_events import open_moengage_events
from bridge.routes.syncing.table_proposal import propose_table
from bridge.settings import MappingSettings, MoEngageSettings, WarehouseSettings

TOML = """\
[routes.crm]
source = "warehouse"
[routes.crm.warehouse]
url = "sqlite:///shop.db"
table = "users"
key = "id"
cursor = "updated_at"
[routes.crm.moengage]
workspace_id = "W"
api_key = "a-key"
data_center = 2
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a route and its table."""
    with sqlite3.connect(tmp_path / "shop.db") as base:
        base.execute(
            "CREATE TABLE users (id TEXT, Email TEXT, phone_number TEXT, city TEXT, moe_rank INTEGER, last_order TEXT,"
            " points TEXT, empty_one TEXT, updated_at TEXT)"
        )
        base.execute(
            "INSERT INTO users VALUES ('C-1', 'a@example.com', '49151', 'Ulm', 3, '2026-01-31 08:00:00.5', '12', NULL, '2026-01-31')"
        )
    base.close()
    (tmp_path / "bridge.toml").write_text(TOML)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_users(place):
    """What MoEngage has a name for gets it, times are put into its form, text that is a number becomes one; the set opens."""
    done = CliRunner().invoke(app, ["mapping", "init", "--table", "users", "--output", "users.csv"])
    assert done.exit_code == 0, done.output
    rows = list(csv.DictReader(io.StringIO((place / "users.csv").read_text())))
    assert {row["destination"]: row["source"] for row in rows} == {
        "customer.customer_id": "customer_id",
        "customer.attributes.email": "Email",
        "customer.attributes.mobile": "phone_number",
        "customer.attributes.customer_city": "city",
        "customer.attributes.rank": "moe_rank",
        "customer.attributes.last_order": "iif(last_order == null, null, format(zone_date_to_utc(date(last_order)), \"yyyy-MM-dd'T'HH:mm:ss'Z'\"))",
        "customer.attributes.points": "to_integer(points)",
        "customer.attributes.empty_one": "empty_one",
    }
    assert "empty_one: null in every row" in done.output
    events = open_moengage_events(MappingSettings(path=place / "users.csv"), MoEngageSettings())
    row = {"id": "C-1", "customer_id": "C-1", "moe_rank": 3, "last_order": "2026-01-31 08:00:00.5", "points": "12"}
    (element,) = events.build(row).xdm["elements"]
    assert element["attributes"] == {"rank": 3, "last_order": "2026-01-31T08:00:00Z", "points": 12}


def test_what_is_there_stays(place):
    """A file that is there is not written over without --force; without a table there have to be events."""
    (place / "users.csv").write_text("mine")
    done = CliRunner().invoke(app, ["mapping", "init", "--table", "-", "--output", "users.csv"])
    assert done.exit_code == 1
    assert (place / "users.csv").read_text() == "mine"
    assert CliRunner().invoke(app, ["mapping", "init"]).exit_code == 2


def test_events():
    """The default fields of an event, the customer by its usual names, everything else an attribute of the event."""
    columns = ["id", "user_id", "event_name", "event_time", "platform", "amount", "odd name", "doc"]
    rows = [{"id": 1, "user_id": "C-1", "event_time": "2026-01-31T08:00:00Z", "doc": {"a": 1}, "amount": 2.5}]
    made = propose_table(columns, rows, WarehouseSettings(kind="events", key="id"), objects=False)
    destinations = {row.destination: row.source_type for row in made.rows}
    assert destinations == {
        "customer.customer_id": "ATTRIBUTE",
        "event.actions[0].attributes.id": "ATTRIBUTE",
        "event.actions[0].action": "ATTRIBUTE",
        "event.actions[0].user_time": "EXPRESSION",
        "event.actions[0].platform": "EXPRESSION",
        "event.actions[0].attributes.amount": "ATTRIBUTE",
    }
    assert any(remark.startswith("odd name:") for remark in made.remarks)
    assert any(remark.startswith("doc:") for remark in made.remarks)


def test_what_mirror_needs():
    """A set for mirror has the rows that tell of a row that is gone."""
    settings = WarehouseSettings(key="id", mode="mirror", vanished="event")
    made = propose_table(["id", "a", "A"], [], settings, objects=False)
    assert [row.destination for row in made.rows][-2:] == ["event.actions[0].action", "event.actions[0].user_time"]
    made = propose_table(["id", "a"], [], settings.model_copy(update={"vanished": "unset"}), objects=False)
    assert [row.destination for row in made.rows][-1] == "customer.unset_attributes"


def test_events_without_a_customer():
    """It is told that nobody is named."""
    made = propose_table(["id", "x"], [], WarehouseSettings(kind="events", key="id"), objects=False)
    assert any("no column names the customer" in remark for remark in made.remarks)
    assert any("no column names the event" in remark for remark in made.remarks)
