"""One body becomes records: events and dead letters, none forgotten."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
from hypothesis import given
from hypothesis import strategies as st

from bridge.moengage.envelopes import events_of
from bridge.moengage.intake import Limits, take
from bridge.records import record_bytes

NOW = datetime(2026, 11, 23, tzinfo=UTC)
WIDE = Limits(event=1_000_000, dead_letter=1_000_000)
EVENT = {"event_code": "X", "event_uuid": "u-1", "uid": "user", "event_time": 5}


def test_events_are_canonical_records() -> None:
    """Each event is one record: canonical JSON, keyed by its user."""
    intake = take(orjson.dumps({"app_name": "A", "events": [EVENT, {**EVENT, "uid": "other"}]}), WIDE, NOW)
    assert [key for key, *_ in intake.events] == [b"user", b"other"]
    value = orjson.loads(intake.events[0][1])
    assert value["app_name"] == "A"
    assert events_of(value) == (value,)
    assert not intake.dead_letters


def test_same_uuid_twice_is_kept_twice() -> None:
    """Nothing is taken for a duplicate here: AEP tells by _id."""
    assert len(take(orjson.dumps({"events": [EVENT, EVENT]}), WIDE, NOW).events) == 2


def test_no_json_is_one_dead_letter() -> None:
    """The whole body lies in the dead letters as it came, with its reason."""
    intake = take(b"{broken", WIDE, NOW)
    (letter,) = intake.dead_letters
    assert not intake.events
    assert (letter.value, letter.stage, letter.code, letter.failed_at) == (b"{broken", "receive", "not_json", NOW)


def test_no_event_is_isolated_in_its_envelope() -> None:
    """A bad element goes alone, in its envelope, and its neighbours go on."""
    intake = take(orjson.dumps({"app_name": "A", "events": [EVENT, {"event_uuid": None}, 7]}), WIDE, NOW)
    assert len(intake.events) == 1
    assert [orjson.loads(letter.value) for letter in intake.dead_letters] == [
        {"app_name": "A", "events": [{"event_uuid": None}]},
        {"app_name": "A", "events": [7]},
    ]
    assert [letter.code for letter in intake.dead_letters] == ["not_an_event", "not_an_object"]


def test_body_of_no_event_stays_byte_for_byte() -> None:
    """JSON that is no event is kept exactly as it came."""
    body = b'  {"hello" :  "world"} '
    (letter,) = take(body, WIDE, NOW).dead_letters
    assert (letter.value, letter.code) == (body, "not_an_event")


def test_too_large_for_the_topic() -> None:
    """An event over the topic's limit is a dead letter; over that topic's too, its beginning is, with its size."""
    body = orjson.dumps({"app_name": "A", "events": [EVENT, {**EVENT, "event_uuid": "u-2", "text": "x" * 5_000}]})
    intake = take(body, Limits(event=1_000, dead_letter=10_000), NOW)
    (letter,) = intake.dead_letters
    assert len(intake.events) == 1
    assert (letter.code, letter.event_uuid, letter.truncated_from) == ("too_large", "u-2", None)
    assert orjson.loads(letter.value)["events"][0]["text"] == "x" * 5_000
    (cut,) = take(body, Limits(event=1_000, dead_letter=2_000), NOW).dead_letters
    assert cut.truncated_from == len(letter.value)
    assert letter.value.startswith(cut.value)
    assert record_bytes(cut.to_record()) <= 2_000


def test_nesting_that_cannot_be_written() -> None:
    """An event nested deeper than can be written is a dead letter of the body as it came."""
    body = b'{"event_code": "X", "deep": ' + b"[" * 300 + b"]" * 300 + b"}"
    (letter,) = take(body, WIDE, NOW).dead_letters
    assert (letter.value, letter.code) == (body, "too_deep")


_values = st.recursive(
    st.none() | st.integers(-5, 5) | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["event_code", "events", "event", "uid"]), inner)
    ),
    max_leaves=12,
)


@given(_values.map(orjson.dumps) | st.binary(max_size=60), st.integers(20, 400), st.integers(600, 900))
def test_nothing_is_forgotten_and_everything_fits(body, event_limit, dead_letter_limit) -> None:
    """Every event or element of any body is one record, and no record is larger than its topic takes."""
    limits = Limits(event_limit, dead_letter_limit)
    intake = take(body, limits, NOW)
    try:
        expected = len(events_of(orjson.loads(body)))
    except orjson.JSONDecodeError:
        expected = max(1, len(intake.events) + len(intake.dead_letters))
    assert len(intake.events) + len(intake.dead_letters) == expected
    assert all(record_bytes(record) <= event_limit for record in intake.events)
    assert all(record_bytes(letter.to_record()) <= dead_letter_limit for letter in intake.dead_letters)
