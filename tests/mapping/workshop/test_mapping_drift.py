"""What do events hold that no row reads? drift names it with the row to add, and the worker counts it."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from airline_mapping import EVENTS, EXAMPLE, GOOD, SCHEMA, run
from hypothesis import given
from hypothesis import strategies as st
from json_output import json_of
from typer.testing import CliRunner

from bridge.cli.main import app
from bridge.mapping.compiler.mapping_compiler import compile_mapping
from bridge.mapping.sets.table import read_mapping_set
from bridge.mapping.workshop.drift import MAX_PATHS, Drift, row_to_add
from bridge.routes.event_sketch import RECENT, EventSketch
from bridge.telemetry.metrics import Metrics


def test_drift_names_what_no_row_reads(tmp_path):
    """Attributes with counts, times, a masked example and the row to add; codes, types and sources likewise."""
    (tmp_path / "m.csv").write_text(
        GOOD
        + 'EXPRESSION,"decode(event_code, ""MOE_EMAIL_SENT"", ""sent"")",eventType\nATTRIBUTE,event_attributes.gone,{tenant}.gone\n'
    )
    result = run("drift", str(tmp_path / "m.csv"), *EVENTS, "--json")
    found = json_of(result, exit_code=None)
    # On the screen the row is whole too, whatever the width: it is there to be copied.
    shown = run("drift", str(tmp_path / "m.csv"), *EVENTS, columns=40).stdout.splitlines()
    assert "      ATTRIBUTE,user_attributes.loyalty_points,{tenant}.loyaltyPoints" in shown
    by_path = {one["path"]: one for one in found["unmapped"]}
    points = by_path["user_attributes.loyalty_points"]
    assert (points["events"], points["example"], points["kinds"]) == (10, 11111, {"number": 10})
    assert points["row"] == "ATTRIBUTE,user_attributes.loyalty_points,{tenant}.loyaltyPoints"
    assert points["first"] == "2026-11-25T10:46:40Z"
    assert by_path["user_attributes.first_name"]["example"] == "xxxx"
    assert not {"uid", "email_id", "event_uuid", "event_time", "user_attributes.loyalty_tier"} & (
        by_path.keys() - {"email_id"}
    )
    assert "MOE_EMAIL_OPEN" in [one["event_code"] for one in found["event_codes"]]
    assert "MOE_EMAIL_SENT" not in [one["event_code"] for one in found["event_codes"]]
    assert [one["path"] for one in found["changed_types"]] == ["event_attributes.results", "event_attributes.total"]
    assert found["unseen"] == [{"path": "event_attributes.gone", "rows": [8]}]


def test_drift_proposes_only_fields_of_the_schema(tmp_path):
    """A row into the field that is named so and that no row writes yet; of others it says that the schema has none."""
    (tmp_path / "m.csv").write_text(GOOD, encoding="utf-8")
    attributes = {"booking_reference": "K7QX2P", "favourite_colour": "red", "loyalty_tier": "GOLD"}
    event = {"event_code": "X", "event_uuid": "u", "event_time": 1_795_603_600, "event_attributes": attributes}
    (tmp_path / "e.json").write_text(json.dumps(event), encoding="utf-8")
    environment = {
        "BRIDGE_MAPPING__SCHEMA": str(EXAMPLE / "airline.schema.json"),
        "BRIDGE_MAPPING__TENANT": "_acmeair",
        "BRIDGE_MAPPING__PRIMARY_IDENTITY": "crm,Email",
        "COLUMNS": "200",
    }
    words = ["mapping", "drift", str(tmp_path / "m.csv"), "--events", str(tmp_path / "e.json")]
    found = json_of(CliRunner().invoke(app, [*words, "--json"], env=environment), exit_code=None)
    rows = {one["path"].rpartition(".")[2]: one["row"] for one in found["unmapped"]}
    assert rows["booking_reference"] == (
        "ATTRIBUTE,event_attributes.booking_reference,{tenant}.booking.bookingReference"
    )
    assert (rows["favourite_colour"], rows["loyalty_tier"]) == (None, None)
    shown = CliRunner().invoke(app, words, env=environment).stdout
    assert "the schema has no field of such a name" in shown
    # Every row that is proposed is one that lint takes.
    (tmp_path / "n.csv").write_text(GOOD + "\n".join(row for row in rows.values() if row) + "\n", encoding="utf-8")
    linted = json_of(run("lint", str(tmp_path / "n.csv"), *SCHEMA, "--json"), exit_code=None)
    assert [one for one in linted if one["severity"] == "error"] == []


def rows_of(text: str) -> Any:
    """The rows of a set, compiled."""
    return compile_mapping(read_mapping_set(text.encode()), tenant="_t", primary_identity="crm").rows


def test_the_sketch_is_bounded():
    """More paths than it keeps are counted, not kept."""
    drift = Drift(rows_of("source,destination\na,b\n"))
    for number in range(MAX_PATHS + 50):
        drift.look({f"k{number}": 1}, 1.0)
    assert (len(drift.unmapped()), drift.overflow) == (MAX_PATHS, 50)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**5000), 10**5000)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)


@given(st.dictionaries(st.text(max_size=8) | st.just("event_code"), json_values, max_size=5))
def test_the_sketch_takes_any_event(event):
    """Whatever JSON an event holds is counted, and every path of it comes with a row to add that can be read."""
    drift = Drift(rows_of("source,destination\na,b\n"))
    drift.look(event, 1.0)
    assert drift.events == 1
    for path in drift.unmapped():
        row_to_add(path)


def test_a_sketch_that_fails_does_not_take_the_worker_along():
    """It says so once, without the event's words, and stops looking."""
    builder = type("B", (), {"mapping": type("M", (), {"rows": rows_of("source,destination\na,b\n")})})
    sketch = EventSketch(SimpleNamespace(builder=builder), Metrics(), clock=lambda: 1.0)
    with structlog.testing.capture_logs() as logs:
        sketch.look({"secret": object()})
        sketch.look({"secret": object()})
    assert [line["error"] for line in logs] == ["KeyError"]
    assert "secret" not in str(logs)


def test_what_is_read_whole_is_read():
    """An object that is copied, and paths that functions are told as text."""
    drift = Drift(rows_of('source,destination\nevent_attributes,a\n"contains_key(""user.tier"")",b\n'))
    drift.look({"event_attributes": {"x": {"y": 1}}, "user": {"tier": "a", "age": 2}}, 1.0)
    assert list(drift.unmapped()) == ["user.age"]


@pytest.mark.parametrize(
    ("path", "row"),
    [
        ("event_attributes.First Name", "ATTRIBUTE,event_attributes.First Name,{tenant}.firstName"),
        ("a.items[*].unit_price", "ATTRIBUTE,a.items[*].unit_price,{tenant}.unitPrice"),
        ('a.${x,"y"}', 'ATTRIBUTE,"a.${x,""y""}",{tenant}.xY'),
    ],
)
def test_the_row_to_add_is_a_row(path, row):
    """Names in XDM's manner, cells quoted where they must be."""
    assert row_to_add(path) == row


def test_the_worker_looks_once_a_second_and_counts_what_is_not_mapped():
    """The gauge follows what is seen; events between two looks cost a comparison; a new set is compared anew."""
    now = [0.0]
    builder = type("B", (), {"mapping": type("M", (), {"rows": rows_of("source,destination\na,b\n")})})
    metrics = Metrics()
    sketch = EventSketch(SimpleNamespace(builder=builder), metrics, clock=lambda: now[0], wall=lambda: 5.0)

    def gauge() -> float:
        return metrics.unmapped_attributes._value.get()

    sketch.look({"a": 1})
    sketch.look({"a": 1, "unseen": 2})
    assert (gauge(), len(sketch.recent)) == (0, 1)
    for _ in range(RECENT + 5):
        now[0] += 1
        sketch.look({"a": 1, "new": 2})
    sketch.look(None)
    assert (gauge(), len(sketch.recent)) == (1, RECENT)
    builder.mapping.rows = rows_of("source,destination\na,b\nnew,c\n")
    sketch.follow(SimpleNamespace(builder=builder))
    assert gauge() == 0
