"""What a wrong value costs, from the settings and rows to the metric and the log."""

import json
from pathlib import Path

import pytest
import structlog
from test_intake import _take

from bridge.destinations.aep.dropped_values import DroppedValueLog
from bridge.routes.mapping_opening import open_experience_events
from bridge.settings import MappingSettings
from bridge.xdm.problems import DroppedValue

SEED = json.loads((Path(__file__).parents[1] / "data" / "samples" / "seed-event.json").read_bytes())
TEXT = {"type": "string"}
SCHEMA = {
    "properties": {
        "_id": TEXT,
        "timestamp": {**TEXT, "format": "date-time"},
        "_t": {
            "properties": {
                "tier": {**TEXT, "enum": ["BLUE", "SILVER"]},
                "total": {"type": "number"},
                "when": {**TEXT, "format": "date"},
            }
        },
    }
}
ROWS = """source,destination,on_invalid
id,_id,
"dformat(time * 1000, ""yyyy-MM-dd'T'HH:mm:ssX"")",timestamp,
identities.externalId,identityMap.lumaCrmId[0].id,
event_attributes.tier,_t.tier,{tier}
event_attributes.total,_t.total,{total}
event_attributes.when,_t.when,
"""


@pytest.fixture
def opened(tmp_path):
    """What builds events with the set above."""

    def made(tier="", total="", **changed):
        mapping, schema = tmp_path / "own.csv", tmp_path / "own.schema.json"
        mapping.write_text(ROWS.format(tier=tier, total=total), encoding="utf-8")
        schema.write_text(json.dumps(SCHEMA), encoding="utf-8")
        return open_experience_events(MappingSettings(path=mapping, schema=schema, tenant="_t", **changed))

    return made


def with_attributes(**attributes):
    """The seed's event with attributes."""
    return {**SEED, "event_attributes": attributes}


def test_by_default_the_field_goes_and_the_event_leaves(opened):
    """Counted by field and code; the words name what the enum allows, not the value."""
    built = opened().build(with_attributes(tier="gold", total="12.5"))
    assert built.rejection is None
    assert built.xdm["_t"] == {"total": 12.5}
    reason = "left out: string is not one of the enum's values (BLUE, SILVER)"
    assert built.findings == [DroppedValue("#/_t/tier", "xdm_enum", reason, "_t.tier")]


def test_settings_and_rows_may_refuse(opened):
    """on_invalid=reject, a row that says otherwise, and a row alone that refuses."""
    wrong = with_attributes(tier="gold", total="n/a")
    assert opened(on_invalid="reject").build(wrong).rejection.code == "xdm_enum"
    assert opened(tier="drop", on_invalid="reject").build(wrong).rejection.code == "DCVS-1104"
    assert opened(tier="drop", total="drop", on_invalid="reject").build(wrong).rejection is None
    assert opened(total="Reject ").build(wrong).rejection.code == "DCVS-1104"
    assert opened(total="reject").build(with_attributes(tier="gold", total=1)).rejection is None


def test_a_refused_event_has_left_nothing_out(opened):
    """What is dropped of an event that becomes a dead letter all the same is not counted."""
    built = opened(total="reject").build(with_attributes(tier="gold", total="n/a"))
    assert built.rejection is not None
    assert not built.findings
    nobody = {**with_attributes(tier="gold"), "identities": {}}
    assert not opened().build(nobody).findings


def test_an_ambiguous_date_is_told(opened):
    """Read with the month first, and counted."""
    built = opened().build(with_attributes(when="03/11/2019"))
    assert built.xdm["_t"] == {"when": "2019-03-11"}
    assert [each.code for each in built.findings] == ["date_ambiguous"]
    assert not opened().build(with_attributes(when="11/11/2019")).findings
    assert not opened().build(with_attributes(when="13/11/2019")).xdm.get("_t")


def test_seconds_for_milliseconds_are_told(opened):
    """A timestamp of 1970 leaves, and is a finding."""
    built = opened().build({**SEED, "time": SEED["time"] // 1000})
    assert [each.code for each in built.findings] == ["timestamp_implausible"]
    assert not opened().build(SEED).findings


def test_what_is_left_out_is_counted_by_field_and_code(opened):
    """A worker's metric; findings of other kinds do not count there."""
    events = [with_attributes(tier="gold", when="03/11/2019"), with_attributes(tier="x", total="y")]
    _, _, metrics, _ = _take([json.dumps(event).encode() for event in events], builder=opened())
    counted = {
        (sample.labels["path"], sample.labels["code"]): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == "bridge_dropped_values_total"
    }
    assert counted == {("_t.tier", "xdm_enum"): 2, ("_t.total", "DCVS-1104"): 1}
    assert metrics.registry.get_sample_value("bridge_check_findings_total", {"code": "date_ambiguous"}) == 1


def test_the_log_tells_it_once_a_minute():
    """At once, then what has added up since."""
    now = [0.0]
    told = DroppedValueLog(lambda: now[0])
    one = DroppedValue("#/a", "xdm_enum", "", "a")
    with structlog.testing.capture_logs() as lines:
        told.tell([one])
        told.tell([one, one])
        now[0] = 59.0
        told.tell([one])
        now[0] = 61.0
        told.tell([])
        told.tell([DroppedValue("#/b", "xdm_range", "", "b")])
    assert [line["values"] for line in lines] == [{"a xdm_enum": 1}, {"a xdm_enum": 3, "b xdm_range": 1}]
