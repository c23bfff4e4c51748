"""Envelopes become canonical events, by the shapes that MoEngage publishes."""

from __future__ import annotations

import orjson
import pytest

from bridge.model.event import ANY, Bound, Refusal
from bridge.sources.http.json_reading import encode
from bridge.sources.moengage.canonical import record_key
from bridge.sources.moengage.envelopes import events_of, isolate, weigh

EVENT = {
    "event_name": "Email Sent",
    "event_code": "MOE_EMAIL_SENT",
    "event_uuid": "u-1",
    "event_time": 1793000000,
    "email_id": "asha.k@example.com",
    "mobile_number": "+911234567890",
    "uid": "NW-99182",
    "event_attributes": {"campaign_id": "c-1"},
    "user_attributes": {"moengage_user_id": "moe-1"},
    "device_attributes": {},
}
BATCH = {"app_name": "App", "source": "MOENGAGE", "moe_request_id": "r-1", "events": [EVENT, {**EVENT, "uid": None}]}
EXPORT = {"app_name": "App", "export_day": "2026-11-01", "event": EVENT}
IDENTITIES = {
    "externalId": "NW-99182",
    "email": "asha.k@example.com",
    "phone": "+911234567890",
    "moengageUserId": "moe-1",
}


def test_batch_event_gets_the_single_events_shape() -> None:
    """A batch's event carries id, time, identities and the envelope's fields, and keeps every original name."""
    first, second = events_of(BATCH)
    assert first == {
        **EVENT,
        "app_name": "App",
        "source": "MOENGAGE",
        "moe_request_id": "r-1",
        "id": "u-1",
        "time": 1793000000,
        "identities": IDENTITIES,
    }
    assert isinstance(second, dict)
    assert "externalId" not in second["identities"]


def test_export_line_keeps_its_fields_beside_the_event() -> None:
    """A file export's fields stand beside those of its one event."""
    (event,) = events_of(EXPORT)
    assert isinstance(event, dict)
    assert event["export_day"] == "2026-11-01"
    assert event["identities"] == IDENTITIES
    assert "event" not in event


def test_canonical_event_is_returned_as_itself() -> None:
    """Nothing is copied when nothing is missing."""
    (event,) = events_of(EXPORT)
    (again,) = events_of(event)
    assert again is event


def test_what_the_event_says_itself_wins() -> None:
    """Existing identities, id and time are not overwritten; blank identities are filled."""
    (event,) = events_of(
        {**EVENT, "id": "own", "time": 5, "identities": {"externalId": "own", "email": "", "phone": None, "crm": 7}}
    )
    assert isinstance(event, dict)
    assert (event["id"], event["time"]) == ("own", 5)
    assert event["identities"] == {**IDENTITIES, "externalId": "own", "crm": 7}


def test_what_the_envelope_says_holds_for_its_events_except_its_id() -> None:
    """Fields of the envelope are the events' too, ids of users included; its own id never becomes theirs."""
    batch = {"id": "batch", "uid": "user", "events": [{"event_code": "X", "event_uuid": "u-1"}, {"event_code": "Y"}]}
    first, second = events_of(batch)
    assert isinstance(first, dict)
    assert isinstance(second, dict)
    assert (first["id"], first["identities"]) == ("u-1", {"externalId": "user"})
    assert "id" not in second


def test_input_is_not_changed() -> None:
    """The document that came in is the same afterwards."""
    before = orjson.dumps(BATCH)
    events_of(BATCH)
    isolate(BATCH, 1)
    assert orjson.dumps(BATCH) == before


@pytest.mark.parametrize(
    ("uid", "expected"),
    [
        ("00123", "00123"),
        (99182, "99182"),
        (99182.0, "99182"),
        (1.5, None),
        (2.0**60, None),
        (True, None),
        ("", None),
        (" \t\u00a0", None),
        (None, None),
        ([1], None),
        ({"a": 1}, None),
    ],
)
def test_ids_that_are_not_text(uid: object, expected: str | None) -> None:
    """Numbers that are ids become text, everything that names nobody is left out, the original stays."""
    (event,) = events_of({"event_code": "X", "uid": uid})
    assert isinstance(event, dict)
    assert event.get("identities", {}).get("externalId") == expected
    assert event["uid"] == uid


@pytest.mark.parametrize("odd", [None, [], "", "text", 1, [{"externalId": "x"}]])
def test_odd_identities_do_not_hide_the_ids_beside_them(odd: object) -> None:
    """Whatever stands under identities in place of an object, the uid counts; what says something is kept beside it."""
    (event,) = events_of({"event_code": "X", "identities": odd, "uid": "u"})
    assert isinstance(event, dict)
    assert event["identities"] == {"externalId": "u"}
    assert event.get("identities_as_sent") == (odd or None)
    (again,) = events_of(event)
    assert again is event


@pytest.mark.parametrize("odd", [[], "", "text", [1]])
def test_odd_identities_stay_where_nothing_else_names_anybody(odd: object) -> None:
    """Without an id to put there nothing is changed."""
    assert events_of({"event_code": "X", "identities": odd}) == ({"event_code": "X", "identities": odd},)


@pytest.mark.parametrize("name", ["event_attributes", "user_attributes", "device_attributes"])
@pytest.mark.parametrize("odd", [[], "", None, "text", 1, [1]])
def test_blanks_in_place_of_attributes_count_as_absent(name: str, odd: object) -> None:
    """[] and "" are how some emitters write an empty object; anything else stays what it was."""
    (event,) = events_of({"event_code": "X", name: odd, "uid": "u"})
    assert isinstance(event, dict)
    assert event.get(name, "gone") == ("gone" if odd in ([], "") else odd)
    assert event["identities"] == {"externalId": "u"}


def test_an_array_at_the_top_holds_documents_of_any_envelope() -> None:
    """Single events, batches and file lines may stand in one array; each is isolated as it would be alone."""
    document = [EVENT, BATCH, 7, EXPORT, {"hello": 1}, [EVENT]]
    found = events_of(document)
    assert found == [*events_of(EVENT), *events_of(BATCH), found[3], *events_of(EXPORT), found[5], found[6]]
    assert [one.code for one in found if isinstance(one, Refusal)] == ["not_an_object", "not_an_event", "not_an_object"]
    for index, one in enumerate(found):
        assert list(events_of(isolate(document, index))) == [one]
    assert list(events_of([])) == []
    assert isolate([1, 2], 0) == [1, 2]


def test_an_envelope_that_has_a_name_is_a_batch() -> None:
    """A lone event_name beside events is the batch's, and none of its events inherits it."""
    first, second = events_of({"app_name": "A", "event_name": "batch", "events": [EVENT, {"event_uuid": "u-2"}]})
    assert isinstance(first, dict)
    assert isinstance(second, dict)
    assert (first["event_name"], second.get("event_name"), second["app_name"]) == ("Email Sent", None, "A")
    named = {"event_name": "batch", "events": [EVENT, None]}
    assert isolate(named, 0) == {"event_name": "batch", "events": [EVENT]}
    assert isolate(named, 1) == {"events": [None]}
    (single,) = events_of({"event_name": "line", "event": EVENT})
    assert isinstance(single, dict)
    assert single["event_name"] == "Email Sent"
    lone = {"event_name": "X", "events": ["a", 1], "event": "text"}
    assert events_of(lone) == (lone,)


@pytest.mark.parametrize(
    "named",
    [
        {"event_uuid": "batch-1"},
        {"event_name": "batch", "event_uuid": "batch-1"},
        {"event_code": "", "event_name": "", "event_uuid": ""},
        {"event_code": [], "event_uuid": "batch-1"},
        {"event_code": " \t"},
        {"event_code": "", "id": "b", "time": 5, "identities": {}},
    ],
)
def test_what_names_a_batch_hides_none_of_its_events(named: dict[str, object]) -> None:
    """Without an event_code that says something, an id or a blank beside events is the batch's, and no event inherits it."""
    envelope = {"app_name": "A", **named}
    first, second, refused = events_of({**envelope, "events": [EVENT, {"event_uuid": "u-2"}, {"x": 1}]})
    assert isinstance(first, dict)
    assert isinstance(second, dict)
    assert isinstance(refused, Refusal)
    assert (first["event_uuid"], second["event_uuid"], second.get("event_name")) == ("u-1", "u-2", None)
    assert "event_code" not in second
    for index, whole in enumerate([first, second, refused]):
        alone = isolate({**envelope, "events": [EVENT, {"event_uuid": "u-2"}, {"x": 1}]}, index)
        assert list(events_of(alone)) == [whole]
    (line,) = events_of({**envelope, "event": EVENT})
    assert isinstance(line, dict)
    assert (line["event_uuid"], line["app_name"]) == ("u-1", "A")
    odd, beside = events_of({**envelope, "events": ["text"], "event": EVENT})
    assert isinstance(odd, Refusal)
    assert isinstance(beside, dict)
    assert beside["event_uuid"] == "u-1"
    (lone,) = events_of({"event_uuid": "u", "event_name": "N", "events": [1, {"a": 2}]})
    assert lone["events"] == [1, {"a": 2}]


def test_what_would_become_too_much_is_one_refusal() -> None:
    """The number of events and the bytes of copied envelope fields are bounded before anything is made."""
    small = Bound(events=3, bytes=1_000)
    assert len(events_of({"events": [EVENT] * 3}, small)) == 3
    for document in (
        {"events": [1] * 4},
        [EVENT] * 4,
        [{"events": [EVENT] * 2}] * 2,
        {"pad": "x" * 600, "events": [EVENT] * 2},
    ):
        (refusal,) = events_of(document, small)
        assert isinstance(refusal, Refusal)
        assert refusal.code == "too_many_events"
        assert len(events_of(document, ANY)) > 1
    (refusal,) = events_of({"pad": "x" * 200_000, "events": [EVENT] * 1_001})
    assert isinstance(refusal, Refusal)
    assert weigh({"pad": "x" * 600, "events": [EVENT] * 2}) == Bound(2, 2 * len(b'{"pad":""}') + 1_200)


def test_an_event_with_a_key_named_events_stays_one_event() -> None:
    """A custom attribute called events or event does not turn an event into an envelope, however often it is read."""
    odd = {"event_code": "X", "events": [EVENT, EVENT], "event": EVENT}
    assert events_of(odd) == (odd,)
    (inner,) = events_of({"app_name": "App", "events": [odd]})
    assert events_of(inner) == (inner,)


@pytest.mark.parametrize(
    ("document", "codes"),
    [
        (None, ["not_an_object"]),
        ([7, "text", None], ["not_an_object"]),
        ([[EVENT]], ["not_an_object"]),
        ("text", ["not_an_object"]),
        ({}, ["not_an_event"]),
        ({"hello": "world"}, ["not_an_event"]),
        ({"events": {"a": 1}}, ["not_an_event"]),
        ({"event": []}, ["not_an_event"]),
        ({"event": {}}, ["not_an_event"]),
        ({"events": []}, []),
        ({"events": [1, {}, None]}, ["not_an_object", "not_an_event", "not_an_object"]),
    ],
)
def test_what_is_no_event_is_refused(document: object, codes: list[str]) -> None:
    """Anything but an event gives a refusal in its place, with a stable code."""
    found = events_of(document)
    assert all(isinstance(one, Refusal) for one in found)
    assert [one.code for one in found if isinstance(one, Refusal)] == codes


def test_neighbours_of_a_refused_event_survive() -> None:
    """One bad element does not cost the batch its good ones."""
    good, bad, other = events_of({"events": [EVENT, 7, EVENT]})
    assert isinstance(bad, Refusal)
    assert good == other
    assert isinstance(good, dict)


def test_isolated_event_stays_in_its_envelope() -> None:
    """A batch keeps its fields around the one event; other envelopes hold one event anyway."""
    assert isolate(BATCH, 1) == {**BATCH, "events": [{**EVENT, "uid": None}]}
    assert isolate(EXPORT, 0) is EXPORT
    assert isolate(EVENT, 0) is EVENT


@pytest.mark.parametrize(
    ("event", "key"),
    [
        ({"identities": {"externalId": "é", "moengageUserId": "m"}, "event_uuid": "u"}, "é".encode()),
        ({"identities": {"externalId": "", "moengageUserId": "m"}, "event_uuid": "u"}, b"m"),
        ({"identities": {"externalId": 12.0}}, b"12"),
        ({"identities": None, "event_uuid": "u"}, b"u"),
        ({"identities": [], "event_uuid": ""}, None),
        ({}, None),
    ],
)
def test_record_key(event: dict[str, object], key: bytes | None) -> None:
    """The key is the first id that names somebody, then the event's own."""
    assert record_key(event) == key


def test_nesting_that_cannot_be_written_is_refused() -> None:
    """An event deeper than the JSON writer goes is a refusal, not a crash."""
    deep: list[object] = []
    for _ in range(300):
        deep = [deep]
    refused = encode({"event_code": "X", "deep": deep})
    assert isinstance(refused, Refusal)
    assert refused.code == "too_deep"
    assert encode({"a": 1}) == b'{"a":1}'


def test_an_event_beside_events_is_one_more() -> None:
    """No event of an envelope becomes a field of the others; each alone keeps its envelope's fields."""
    beside = {**EVENT, "event_uuid": "u-9"}
    document = {"app_name": "App", "events": [EVENT, 7], "event": beside}
    first, refused, last = events_of(document)
    assert (first["event_uuid"], refused.code, last["event_uuid"]) == ("u-1", "not_an_object", "u-9")
    assert "event" not in first
    assert first["app_name"] == last["app_name"] == "App"
    assert weigh(document).events == 3
    assert [isolate(document, index) for index in range(3)] == [
        {"app_name": "App", "events": [EVENT]},
        {"app_name": "App", "events": [7]},
        {"app_name": "App", "events": [beside]},
    ]
    assert events_of([document])[2] == last
    (only,) = events_of({"events": [EVENT], "event": {"some": "object"}})
    assert only["event"] == {"some": "object"}
