"""One body becomes records: events and dead letters, none forgotten."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.model.record import record_bytes
from bridge.sources.http.intake import ALONE, BodyReading, RecordLimits, TooMuch, records_of
from bridge.sources.moengage.decoder import DECODER
from bridge.sources.moengage.envelopes import events_of

NOW = datetime(2026, 11, 23, tzinfo=UTC)
WIDE = RecordLimits(event=1_000_000, dead_letter=1_000_000)
EVENT = {"event_code": "X", "event_uuid": "u-1", "uid": "user", "event_time": 5}


def test_events_are_canonical_records() -> None:
    """Each event is one record: canonical JSON, keyed by its user."""
    intake = records_of(
        orjson.dumps({"app_name": "A", "events": [EVENT, {**EVENT, "uid": "other"}]}), WIDE, NOW, DECODER
    )
    assert [key for key, *_ in intake.events] == [b"user", b"other"]
    value = orjson.loads(intake.events[0][1])
    assert value["app_name"] == "A"
    assert events_of(value) == (value,)
    assert not intake.dead_letters


def test_same_uuid_twice_is_kept_twice() -> None:
    """Nothing is taken for a duplicate here: AEP tells by _id."""
    assert len(records_of(orjson.dumps({"events": [EVENT, EVENT]}), WIDE, NOW, DECODER).events) == 2


def test_no_json_is_one_dead_letter() -> None:
    """The whole body lies in the dead letters as it came, with its reason."""
    intake = records_of(b"{broken", WIDE, NOW, DECODER)
    (letter,) = intake.dead_letters
    assert not intake.events
    assert (letter.value, letter.stage, letter.code, letter.failed_at) == (b"{broken", "receive", "not_json", NOW)


def test_no_event_is_isolated_in_its_envelope() -> None:
    """A bad element goes alone, in its envelope, and its neighbours go on."""
    intake = records_of(orjson.dumps({"app_name": "A", "events": [EVENT, {"event_uuid": None}, 7]}), WIDE, NOW, DECODER)
    assert len(intake.events) == 1
    assert [orjson.loads(letter.value) for letter in intake.dead_letters] == [
        {"app_name": "A", "events": [{"event_uuid": None}]},
        {"app_name": "A", "events": [7]},
    ]
    assert [letter.code for letter in intake.dead_letters] == ["not_an_event", "not_an_object"]


def test_body_of_no_event_stays_byte_for_byte() -> None:
    """JSON that is no event is kept exactly as it came."""
    body = b'  {"hello" :  "world"} '
    (letter,) = records_of(body, WIDE, NOW, DECODER).dead_letters
    assert (letter.value, letter.code) == (body, "not_an_event")


def test_too_large_for_the_topic() -> None:
    """An event over the topic's limit is a dead letter; over that topic's too, its beginning is, with its size."""
    body = orjson.dumps({"app_name": "A", "events": [EVENT, {**EVENT, "event_uuid": "u-2", "text": "x" * 5_000}]})
    intake = records_of(body, RecordLimits(event=1_000, dead_letter=10_000), NOW, DECODER)
    (letter,) = intake.dead_letters
    assert len(intake.events) == 1
    assert (letter.code, letter.event_uuid, letter.truncated_from) == ("too_large", "u-2", None)
    assert orjson.loads(letter.value)["events"][0]["text"] == "x" * 5_000
    (cut,) = records_of(body, RecordLimits(event=1_000, dead_letter=2_000), NOW, DECODER).dead_letters
    assert cut.truncated_from == len(letter.value)
    assert letter.value.startswith(cut.value)
    assert record_bytes(cut.to_record()) <= 2_000


def test_nesting_that_cannot_be_written() -> None:
    """An event nested deeper than can be written is a dead letter of the body as it came."""
    body = b'{"event_code": "X", "deep": ' + b"[" * 300 + b"]" * 300 + b"}"
    (letter,) = records_of(body, WIDE, NOW, DECODER).dead_letters
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
    limits = RecordLimits(event_limit, dead_letter_limit)
    intake = records_of(body, limits, NOW, DECODER)
    try:
        expected = len(events_of(orjson.loads(body)))
    except orjson.JSONDecodeError:
        expected = max(1, len(intake.events) + len(intake.dead_letters))
    assert len(intake.events) + len(intake.dead_letters) == expected
    assert all(record_bytes(record) <= event_limit for record in intake.events)
    assert all(record_bytes(letter.to_record()) <= dead_letter_limit for letter in intake.dead_letters)


def lines(*documents: object) -> bytes:
    """JSON lines."""
    return b"".join(orjson.dumps(document) + b"\n" for document in documents)


def test_json_lines_are_read_line_by_line() -> None:
    """Each line is a document of its own envelope, and a damaged one is a dead letter alone."""
    body = lines(EVENT, {"app_name": "A", "events": [EVENT, 7]}) + b"\r\n\x1e" + lines(EVENT) + b"{broken\n"
    intake = records_of(body, WIDE, NOW, DECODER)
    assert len(intake.events) == 3
    assert [(letter.code, letter.value) for letter in intake.dead_letters] == [
        ("not_an_object", b'{"app_name":"A","events":[7]}'),
        ("not_json", b"{broken"),
    ]


@pytest.mark.parametrize("first", [b"{broken", b"# an export", b"[", b'"a text"', b"null"])
def test_a_first_line_that_is_no_document_costs_its_own(first) -> None:
    """A damaged line is a dead letter alone wherever it stands, the first included."""
    intake = records_of(first + b"\n" + lines(EVENT, EVENT), WIDE, NOW, DECODER)
    assert (len(intake.events), [letter.value for letter in intake.dead_letters]) == (2, [first])


def test_an_indented_body_that_broke_off_is_kept_whole() -> None:
    """Its lines are no documents: the body stays one dead letter."""
    body = orjson.dumps({"events": [EVENT]}, option=orjson.OPT_INDENT_2)[:-4]
    intake = records_of(body, WIDE, NOW, DECODER)
    assert (len(intake.events), [letter.value for letter in intake.dead_letters]) == (0, [body])


@pytest.mark.parametrize("between", [b"\n\xef\xbb\xbf", b"\r", b"\r\n\x1e", b"\n\n \xef\xbb\xbf "])
@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf", b"\x1e"])
def test_json_lines_of_any_editor_are_read(before, between) -> None:
    """Byte order marks on every line, and line ends of any kind."""
    line = orjson.dumps(EVENT)
    intake = records_of(before + between.join([line] * 3) + between.strip(b"\xef\xbb\xbf \x1e"), WIDE, NOW, DECODER)
    assert (len(intake.events), list(intake.dead_letters)) == (3, [])


def test_members_that_cannot_stand_together_cost_their_event_only() -> None:
    """The event is a dead letter of the body as it came, and its neighbours go on."""
    body = b'{"events":[{"event_uuid":"a","uid":"one","uid":"two"},{"event_uuid":"b","uid":"u"}]}'
    intake = records_of(body, WIDE, NOW, DECODER)
    assert [key for key, *_ in intake.events] == [b"u"]
    (letter,) = intake.dead_letters
    assert (letter.code, letter.value, letter.event_uuid) == ("duplicate_keys", body, "a")
    both = b'{"events":[{"event_uuid":"a"}],"events":[{"event_uuid":"b"}]}'
    assert len(records_of(both, WIDE, NOW, DECODER).events) == 2


@pytest.mark.parametrize("number", ["1e400", "-1E+999", "9.9e308"])
def test_a_number_that_no_double_holds_costs_its_event_only(number) -> None:
    """The event is a dead letter of the body as it came, in each envelope, and its neighbours go on."""
    good, bad = '{"event_code":"X","uid":"u"}', f'{{"event_uuid":"a","event_code":"X","n":[{{"m":{number}}}]}}'
    for body in (f'{{"events":[{bad},{good}]}}', f"[{good},{bad}]", f'{{"events":[{good},{{"uid":NaN}},{bad}]}}'):
        intake = records_of(body.encode(), WIDE, NOW, DECODER)
        assert [key for key, *_ in intake.events] == [b"u"]
        letter = next(letter for letter in intake.dead_letters if letter.code == "not_json")
        assert (letter.value, letter.event_uuid) == (body.encode(), "a")
        assert "beyond the range of a double" in letter.reason
    (letter,) = records_of(bad.encode(), WIDE, NOW, DECODER).dead_letters
    assert (letter.code, letter.value) == ("not_json", bad.encode())


def test_digits_reach_the_record_and_the_dead_letter() -> None:
    """An id beyond 64 bits is key and identity by its digits; what is refused beside it is kept as it came."""
    body = b'{"event_code":"X","uid":12345678901234567890123,"event_attributes":{"n":98765432109876543210}}'
    ((key, value, _),) = records_of(body, WIDE, NOW, DECODER).events
    assert key == b"12345678901234567890123"
    assert orjson.loads(value)["event_attributes"]["n"] == "98765432109876543210"
    (letter,) = records_of(b'{"n":12345678901234567890123}', WIDE, NOW, DECODER).dead_letters
    assert letter.value == b'{"n":12345678901234567890123}'


def test_many_equal_refusals_are_one_dead_letter() -> None:
    """Up to twenty stand alone; more are the body as it came, once a code, and its good events go on."""
    few = records_of(orjson.dumps({"events": [7] * ALONE + [EVENT]}), WIDE, NOW, DECODER)
    assert (len(few.dead_letters), len(few.events)) == (ALONE, 1)
    body = orjson.dumps({"events": [7] * 500 + [EVENT] + [{}] * 30 + [8]})
    many = records_of(body, WIDE, NOW, DECODER)
    assert len(many.events) == 1
    assert [(letter.code, letter.value) for letter in many.dead_letters] == [
        ("not_an_object", body),
        ("not_an_event", body),
    ]
    assert many.dead_letters[0].reason.startswith("501 times in one body")
    assert many.bytes <= 3 * len(body)


def test_a_body_that_its_topic_cannot_take_whole_is_not_cut() -> None:
    """What would be cut off the end of a dead letter stays in dead letters of its own."""
    body = orjson.dumps({"events": [EVENT] * 100 + [7] * 50})
    intake = records_of(body, RecordLimits(event=1_000_000, dead_letter=2_000), NOW, DECODER)
    assert len(intake.events) == 100
    assert len(intake.dead_letters) == 50
    assert all(letter.truncated_from is None for letter in intake.dead_letters)


@pytest.mark.parametrize(
    "body",
    [
        b'{"events":[' + b"1," * 400_000 + b"1]}",
        b"[" + b"{}," * 20_000 + b"{}]",
        b'{"pad":"' + b"x" * 200_000 + b'","events":[' + b'{"event_code":1},' * 9_999 + b'{"event_code":1}]}',
        b'{"pad":"' + b"x" * 200_000 + b'","events":[' + b'{"event_code":1},' * 1_000 + b'{"event_code":1}]}',
        b'{"a":1}\n' * 20_000,
        b'{"events":[' + b'{"event_code":1},' * 10_000 + b'{"event_code":1}]}',
    ],
)
def test_what_would_become_too_much_is_refused_before_it_is_made(body) -> None:
    """A small body cannot become many events, nor many bytes."""
    limits = RecordLimits(1_000_000, 1_000_000, body_events=10_000, body_bytes=40_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(TooMuch):
            records_of(body, limits, NOW, DECODER)
        assert tracemalloc.get_traced_memory()[1] < 100_000_000
    finally:
        tracemalloc.stop()


def test_work_is_done_in_slices() -> None:
    """Between slices something else may run; what they made is told, and adds up."""
    taking = BodyReading(orjson.dumps({"events": [EVENT] * 2_100}), WIDE, NOW, DECODER)
    taking.parse()
    slices = list(taking.slices())
    intake = taking.intake()
    assert len(slices) == 5
    assert sum(slices) == intake.bytes == sum(map(record_bytes, intake.events))
