"""mapping init: a set that compiles, refuses none of the samples, and never overwrites."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from json_output import json_of
from typer.testing import CliRunner

from bridge.cli.main import app
from bridge.mapping.workshop.sample_payload import sample_payload
from bridge.model.errors import BridgeError

EXAMPLE = Path(__file__).resolve().parents[3] / "mappings" / "example"
AIRLINE = ("--schema", str(EXAMPLE / "airline.schema.json"), "--events", str(EXAMPLE / "airline.events.jsonl"))
TEXT = {"type": "string"}
IDENTITY = {"type": "array", "items": {"type": "object", "properties": {"id": TEXT, "primary": {"type": "boolean"}}}}
IDENTITIES = {"type": "object", "additionalProperties": IDENTITY}
EVENT = {
    "event_name": "Email Clicked", "event_code": "MOE_EMAIL_CLICK", "event_uuid": "u1", "event_time": 1700000000,
    "event_type": "CAMPAIGN_EVENT", "event_source": "MOENGAGE", "uid": "C1", "event_attributes": {"campaign_id": "c9"},
    "user_attributes": {"moengage_user_id": "m1"}, "device_attributes": {},
}  # fmt: skip


def invoke(*arguments: str) -> Any:
    """One mapping command; the error it would print is raised."""
    result = CliRunner().invoke(app, ["mapping", *arguments])
    if isinstance(result.exception, BridgeError):
        raise result.exception
    return result


def schema_of(**more: Any) -> dict[str, Any]:
    """A schema for events with these root properties beside the usual."""
    usual = {"_id": TEXT, "timestamp": {**TEXT, "format": "date-time"}, "identityMap": IDENTITIES, "eventType": TEXT}
    return {"title": "x", "type": "object", "properties": {**usual, **more}}


def init(
    tmp_path: Path, schema: dict[str, Any], *events: dict[str, Any], more: tuple[str, ...] = ()
) -> tuple[dict[str, str], Any]:
    """Destination -> source of what init writes for these events, after preview has taken every one of them."""
    (tmp_path / "s.json").write_text(json.dumps(schema), encoding="utf-8")
    envelope = {"app_name": "App", "source": "MOENGAGE", "events": list(events)}
    (tmp_path / "e.json").write_text(json.dumps(envelope), encoding="utf-8")
    files = ("--schema", str(tmp_path / "s.json"))
    out = tmp_path / "m.csv"
    result = invoke("init", *files, "--events", str(tmp_path / "e.json"), "-o", str(out), "--force", *more)
    shown = invoke("preview", str(out), *files, "-e", str(tmp_path / "e.json"), "--tenant", "_t", "--json")
    assert (shown.exit_code, shown.stderr) == (0, "")
    with out.open(encoding="utf-8", newline="") as file:
        return {row["destination"]: row["source"] for row in csv.DictReader(file)}, result


def a(kind: str, **more: Any) -> dict[str, Any]:
    """A field of a kind."""
    return {"type": kind, **more}


@pytest.mark.parametrize(
    ("fields", "attributes", "never"),
    [
        ({"stitch": a("array", items=a("object", properties={"identityMap": IDENTITIES}))}, {}, "stitch"),
        ({"list": a("array", items=a("object", properties={"language": a("array", items=TEXT)}))}, {"language": "en"}, "list"),
        ({"error": a("object", properties={"name": TEXT, "source": TEXT}, required=["name", "source"])}, {}, "error"),
        ({"loyalty": a("object", properties={"discounts": a("array", items=a("object", properties={"source": TEXT}))})}, {}, "loyalty"),
        ({"optIn": a("object", properties={"email": a("string", enum=["in", "out"])})}, {"email": "a@b.example"}, "optIn"),
        ({"web": a("object", properties={"pageUrl": a("string", format="uri")})}, {"page_url": "shop.example/x"}, "web"),
        ({"size": a("object", properties={"shoeSize": a("integer", minimum=10)})}, {"shoe_size": 3}, "size"),
        ({"short": a("object", properties={"promoCode": a("string", maxLength=2)})}, {"promo_code": "XMAS"}, "short"),
        ({"patterned": a("object", properties={"bookingCode": a("string", pattern="^[A-Z]{6}$")})}, {"booking_code": "k7"}, "patterned"),
    ],
    ids=lambda value: next(iter(value), "") if isinstance(value, dict) else "",
)  # fmt: skip
def test_no_row_for_what_the_schema_would_refuse(tmp_path, fields, attributes, never):
    """Below arrays, next to required siblings without a source, outside enum, format, bounds, lengths and pattern: nothing."""
    rows, _ = init(tmp_path, schema_of(**fields), {**EVENT, "event_attributes": attributes})
    assert [place for place in rows if place.startswith(never)] == []
    assert "identityMap.{primary_identity}[0].id" in rows


@pytest.mark.parametrize(
    ("field", "values", "source"),
    [
        (a("string", enum=["GOLD", "BLUE"]), ["gold", "blue"], "upper({})"),
        (a("string", enum=["GOLD", "BLUE"]), ["GOLD"], "{}"),
        (a("string", pattern="^[A-Z]{2}$"), ["gb", "FR"], "upper({})"),
        (a("string", pattern="^[a-z]+$"), ["Spa", "pool"], "lower({})"),
        (a("string", maxLength=3), ["abc  ", "de"], "trim({})"),
        (a("string", pattern="^[A-Z]{2}$"), ["GB"], "{}"),
        (a("string", format="date"), ["03/11/2019", "13/11/2019"], 'date({}, "dd/MM/yyyy")'),
        (a("string", format="date"), ["11/25/2019", "1/2/2020"], 'date({}, "M/d/yyyy")'),
        (a("string", format="date"), ["2019-11-03"], "{}"),
        (a("string", format="date-time"), ["2021-03-04T00:00:00.000000Z"], "{}"),
        (a("string", format="date-time"), [1700000000], "dformat(({} * 1000), \"yyyy-MM-dd'T'HH:mm:ssX\")"),
        (a("string", format="date-time"), [1700000000000], "dformat({}, \"yyyy-MM-dd'T'HH:mm:ssX\")"),
        (a("integer"), ["2", 3], "{}"),
        (a("boolean"), ["yes", "no"], "{}"),
    ],
)
def test_every_sample_has_a_say(tmp_path, field, values, source):
    """All values are looked at for letters, date patterns and units; the row gives what the schema takes for each."""
    events = [
        {**EVENT, "event_uuid": f"u{n}", "event_attributes": {"member_mark": value}} for n, value in enumerate(values)
    ]
    rows, _ = init(tmp_path, schema_of(_t=a("object", properties={"memberMark": field})), *events)
    assert rows["{tenant}.memberMark"] == source.format("event_attributes.member_mark")


@pytest.mark.parametrize(("policy", "kept"), [("drop", True), ("reject", False)])
def test_an_object_that_some_events_cannot_fill(tmp_path, monkeypatch, policy, kept):
    """What one event lacks and the object requires costs that event the object; its rows go only where it would be refused."""
    monkeypatch.setenv("BRIDGE_MAPPING__ON_INVALID", policy)
    order = a("object", properties={"orderId": TEXT, "orderTotal": TEXT}, required=["orderId"])
    whole = {**EVENT, "event_attributes": {"order_id": "1", "order_total": "2"}}
    lacking = {**EVENT, "event_uuid": "u2", "event_attributes": {"order_total": "2"}}
    (tmp_path / "s.json").write_text(
        json.dumps(schema_of(_t=a("object", properties={"order": order}))), encoding="utf-8"
    )
    (tmp_path / "e.json").write_text(json.dumps([whole, lacking]), encoding="utf-8")
    files = ("--schema", str(tmp_path / "s.json"), "--events", str(tmp_path / "e.json"))
    found = json_of(invoke("init", *files, "--json"), exit_code=None)
    assert ("{tenant}.order.orderId" in [row["destination"] for row in found["rows"]]) is kept
    assert found["refused"] == 0
    assert bool(found["left_open"]) is not kept


def test_a_date_that_can_be_read_two_ways_is_asked_about(tmp_path):
    """Nothing in the samples tells day from month: the row is there, and so is the question."""
    schema = schema_of(_t=a("object", properties={"memberSince": a("string", format="date")}))
    event = {**EVENT, "user_attributes": {"member_since": "03/11/2019"}}
    _, result = init(tmp_path, schema, event)
    assert "user_attributes.member_since: day or month first?" in result.stderr


def test_an_array_of_objects_is_built_with_the_schemas_names(tmp_path):
    """Renamed children get an expression that works; what has no source is told."""
    flight = a("object", properties={"flightNumber": TEXT, "origin": TEXT}, required=["flightNumber"])
    schema = schema_of(_t=a("object", properties={"flights": a("array", items=flight)}))
    attributes = {"flights": [{"flight_no": "AA1", "from": "LIS"}, {"flight_no": "AA2"}]}
    rows, result = init(tmp_path, schema, {**EVENT, "event_attributes": attributes})
    assert rows["{tenant}.flights"] == 'arrays_to_objects("flightNumber", event_attributes.flights[*].flight_no)'
    assert "origin of _t.flights have no source yet; the events have flight_no, from" in result.stderr


def test_an_array_with_the_schemas_own_names_is_copied(tmp_path):
    """Nothing to rename: the array itself."""
    item = a("object", properties={"sku": TEXT, "price": a("number")})
    schema = schema_of(_t=a("object", properties={"items": a("array", items=item)}))
    rows, _ = init(tmp_path, schema, {**EVENT, "event_attributes": {"items": [{"sku": "A", "price": 1}]}})
    assert rows["{tenant}.items"] == "event_attributes.items"


def test_only_codes_that_occur(tmp_path):
    """The decode lists the samples' codes, all of them with --all-codes; both give the same type."""
    rows, _ = init(tmp_path, schema_of(), EVENT)
    assert rows["eventType"] == (
        'iif(event_code == null, nullify(), decode(event_code, "MOE_EMAIL_CLICK", "directMarketing.emailClicked",'
        ' concat("moengage.", event_code)))'
    )
    every, _ = init(tmp_path, schema_of(), EVENT, more=("--all-codes",))
    assert len(every["eventType"]) > 2_000


def test_an_event_type_with_an_enum_takes_only_its_values(tmp_path):
    """What would become moengage.<code> has no type where the schema lists types."""
    schema = schema_of()
    schema["properties"]["eventType"] = a("string", enum=["directMarketing.emailClicked"])
    other = {**EVENT, "event_code": "OTHER", "event_uuid": "u2"}
    rows, _ = init(tmp_path, schema, EVENT, other)
    assert rows["eventType"] == 'decode(event_code, "MOE_EMAIL_CLICK", "directMarketing.emailClicked")'


def test_what_finds_no_match_has_candidates(tmp_path):
    """Names that have something in common are told with a value and a score, as words and as JSON."""
    args = ("init", *AIRLINE, "--tenant", "_acmeair")
    result = invoke(*args, "-o", str(tmp_path / "m.csv"))
    assert (
        'no source found for _acmeair.booking.passengerCount; perhaps event_attributes.passengers ("2", 0.5)'
        in result.stderr
    )
    unmapped = json_of(invoke(*args, "--json"), exit_code=None)["unmapped"]
    assert unmapped["_acmeair.search.resultCount"] == [{"source": "event_attributes.results", "score": 0.5}]


def test_of_a_large_schema_only_so_many_gaps_are_listed(tmp_path):
    """Those with candidates are all named; of the rest, when there are very many, how many."""
    fields = {f"zz{chr(97 + n // 26)}{chr(97 + n % 26)}": TEXT for n in range(100)}
    _, result = init(tmp_path, schema_of(_t=a("object", properties={**fields, "campaignChannel": TEXT})), EVENT)
    lines = [line for line in result.stderr.splitlines() if line.startswith("no source found")]
    assert lines[0].startswith("no source found for _t.campaignChannel; perhaps")
    assert lines[-1] == "no source found for 41 more fields; --json lists them"
    assert len(lines) == 61


def test_the_last_line_is_lints_verdict(tmp_path):
    """What init says of the events is what lint says of the file."""
    file = tmp_path / "m.csv"
    said = invoke("init", *AIRLINE, "--tenant", "_acmeair", "-o", str(file)).stderr.splitlines()[-1]
    assert said == "lint with these events: none of 10 events would be refused"
    assert "none of 10 events would be refused" in invoke("lint", str(file), *AIRLINE, "--tenant", "_acmeair").stderr


def test_a_file_that_is_there_stays(tmp_path):
    """Without --force or --merge nothing is written; --merge keeps every row and appends what is missing."""
    file = tmp_path / "m.csv"
    mine = "source,destination\nevent_uuid,_id\nupper(user_attributes.loyalty_tier),_acmeair.loyalty.tier\n"
    file.write_text(mine, encoding="utf-8")
    with pytest.raises(BridgeError, match="exists already and is not changed"):
        invoke("init", *AIRLINE, "--tenant", "_acmeair", "-o", str(file))
    assert file.read_text(encoding="utf-8") == mine
    invoke("init", *AIRLINE, "--tenant", "_acmeair", "-o", str(file), "--merge")
    rows = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
    assert [(row["source"], row["destination"]) for row in rows[:2]] == [
        ("event_uuid", "_id"), ("upper(user_attributes.loyalty_tier)", "_acmeair.loyalty.tier"),
    ]  # fmt: skip
    places = [row["destination"] for row in rows]
    assert "timestamp" in places
    assert "{tenant}.loyalty.tier" not in places
    with pytest.raises(BridgeError, match="is not changed"):
        invoke("convert", str(EXAMPLE.parent / "moengage_events.csv"), "-o", str(file))


def test_a_profile_schema_is_told(tmp_path):
    """A class without events is refused with what is wanted."""
    document = {**schema_of(), "meta:class": "https://ns.adobe.com/xdm/context/profile"}
    with pytest.raises(BridgeError, match="its class is XDM Individual Profile; events need XDM ExperienceEvent"):
        init(tmp_path, document, EVENT)


def test_a_source_of_the_right_name_and_the_wrong_values_is_told(tmp_path):
    """The attribute that is called as the field, though its values do not fit, is named: "no source found" would be no help."""
    fields = schema_of(_t=a("object", properties={"bookingCode": a("string", pattern="^[A-Z]{6}$")}))
    rows, result = init(tmp_path, fields, {**EVENT, "event_attributes": {"booking_code": "k7"}})
    assert "{tenant}.bookingCode" not in rows
    assert (
        "left open _t.bookingCode: event_attributes.booking_code is named so, but the schema does not take its values"
        in result.stderr
    )
    assert "no source found for _t.bookingCode" not in result.stderr


def test_the_sample_payload_is_moengages_and_nobodys():
    """A batch without what the bridge adds, personal values masked in their form, everything else as it was."""
    event = {
        "app_name": "App", "source": "MOENGAGE", "id": "e-1", "time": 1, "event_uuid": "e-1", "event_time": 1, "event_name": "Sent",
        "identities": {"externalId": "C-42", "email": "asha@example.com", "phone": "+44 20 7946 0958"},
        "event_attributes": {"campaign_id": "c-9", "contact": "asha@example.com", "total": 5, "on": "2026-12-03"},
        "user_attributes": {"first_name": "Asha", "points": 120, "vip": True, "tags": ["Old"]},
    }  # fmt: skip
    assert sample_payload(event) == {
        "app_name": "App", "source": "MOENGAGE",
        "events": [{
            "event_uuid": "e-1", "event_time": 1, "event_name": "Sent",
            "event_attributes": {"campaign_id": "c-9", "contact": "xxxx@xxxxxxx.xxx", "total": 5, "on": "2026-12-03"},
            "user_attributes": {"first_name": "xxxx", "points": 111, "vip": True, "tags": ["xxx"]},
            "uid": "x-00", "email_id": "xxxx@xxxxxxx.xxx", "mobile_number": "+00 00 0000 0000",
        }],
    }  # fmt: skip
