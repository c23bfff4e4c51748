"""A dead letter fits into a topic of any limit, and what is worth most stays longest."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from bridge.model.dead_letter import DeadLetter, Form
from bridge.model.letter_fit import fit, smallest
from bridge.model.record import record_bytes

_LEAST = 30
_text = st.text(max_size=600)
_letters = st.builds(
    DeadLetter,
    key=st.none() | st.binary(max_size=400),
    value=st.binary(max_size=2_000),
    stage=st.sampled_from(["receive", "map"]),
    code=st.sampled_from(["too_large", "x" * 60]),
    reason=_text,
    topic=st.none() | st.just("t" * 249),
    partition=st.none() | st.integers(0, 10_000),
    offset=st.none() | st.integers(0, 2**62),
    event_uuid=st.none() | st.text(max_size=200),
    mapping=st.none() | st.just("a" * 64),
    attempts=st.none() | st.integers(0, 99),
    failed_at=st.just(datetime(2026, 3, 1, tzinfo=UTC)),
    replays=st.integers(0, 5),
    events=st.integers(1, 5),
)
_others = st.lists(st.tuples(st.text(max_size=50), st.none() | st.binary(max_size=300)), max_size=3)


@given(_letters, st.integers(_LEAST, 5_000), _others)
def test_it_always_fits(letter, limit, others) -> None:
    """Of any size into any limit; the letter that comes back is the record; whole or told to be cut; no more lost than must be."""
    made, record = fit(letter, limit, others)
    key, value, headers = record
    assert record_bytes(record) <= limit
    read = DeadLetter.from_headers(*record)
    assert (read.key, read.value, read.form) == (made.key, made.value, made.form)
    if made.form == Form.EVENT:
        assert value == letter.value
        assert made.truncated_from is None
    else:
        assert letter.value.startswith(value)
        assert record_bytes((None, letter.value, smallest(letter).to_headers())) > limit, "it had to be cut"
        if made.code:
            assert made.code == letter.code
        assert made.truncated_from in (len(letter.value), None)
        if value:
            assert (made.partition, made.offset) == (letter.partition, letter.offset)
            assert limit - record_bytes(record) <= 0, "as much as there is room for"
    whole = (letter.key, letter.value, [*others, *letter.to_headers()])
    assert (record_bytes(whole) <= limit) is (list(headers) == whole[2] and (key, value) == whole[:2])


@given(_letters, st.integers(_LEAST, 5_000))
def test_what_was_cut_once_is_cut_further(letter, limit) -> None:
    """A topic whose limit was lowered twice: the size of the whole is still told, never that of a part."""
    once, _ = fit(letter, 1_500)
    twice, record = fit(once, limit)
    assert record_bytes(record) <= limit
    if once.form == Form.TRUNCATED:
        assert twice.form == Form.TRUNCATED
        assert twice.truncated_from in (len(letter.value), None)


def test_the_place_goes_last() -> None:
    """In a topic that hardly takes anything the letter says at least where the record lies."""
    letter = DeadLetter(
        b"k", b"x" * 100, "map", "code", "why", topic="events", partition=3, offset=77, mapping="a" * 64
    )
    made, _ = fit(letter, 140)
    assert (made.topic, made.partition, made.offset, made.value) == ("events", 3, 77, b"")
    assert (made.reason, made.mapping) == ("", None)


def test_the_event_is_worth_more_than_key_reason_and_others() -> None:
    """As long as the event fits whole it can be replayed: a long reason, headers of others and a long key go before it."""
    letter = DeadLetter(b"k" * 500, b"e" * 800, "map", "code", "r" * 900)
    made, record = fit(letter, 2_000, [("theirs", b"x" * 900)])
    assert (made.form, made.value, made.key) == (Form.EVENT, letter.value, letter.key)
    assert made.reason == "r" * 300, "the beginning of a reason says what is wrong"
    assert record[2] == made.to_headers()
    made, _ = fit(letter, 1_350)
    assert (made.form, made.value, made.key) == (Form.EVENT, letter.value, None)


def test_a_key_does_not_crowd_out_the_value() -> None:
    """Of a letter that is cut the key stays only where it takes less than half of the room."""
    small = DeadLetter(b"k" * 10, b"e" * 5_000, "map", "code", "r")
    assert fit(small, 1_000)[0].key == small.key
    large = DeadLetter(b"k" * 700, b"e" * 5_000, "map", "code", "r")
    assert fit(large, 1_000)[0].key is None


def test_not_a_byte_is_given_away() -> None:
    """At the very size of each stage the letter is still that one; one byte less, and the next thing goes."""
    letter = DeadLetter(b"k" * 40, b"e" * 800, "map", "code", "r" * 400, topic="t", offset=7, mapping="a" * 64)
    theirs = [("theirs", b"x")]
    whole = (letter.key, letter.value, [*theirs, *letter.to_headers()])
    assert fit(letter, record_bytes(whole), theirs) == (letter, whole)
    brief = replace(letter, reason="r" * 300)
    assert fit(letter, record_bytes(whole) - 1, theirs)[0] == brief
    assert fit(letter, record_bytes(brief.to_record()), theirs)[0] == brief
    keyless = replace(brief, key=None)
    for limit in (record_bytes(brief.to_record()) - 1, record_bytes(keyless.to_record())):
        assert fit(letter, limit, theirs)[0] == keyless
    assert fit(letter, record_bytes(keyless.to_record()) - 1, theirs)[0].form == Form.TRUNCATED
    bare = smallest(letter)
    least = record_bytes(bare.to_record())
    assert fit(letter, least, theirs)[0] == bare
    assert fit(letter, least + 79, theirs)[0] == replace(bare, value=b"e" * 79), "a key of more than half of the room"
    assert fit(letter, least + 80, theirs)[0] == replace(bare, key=letter.key, value=b"e" * 40)
    assert fit(letter, least - 1, theirs)[0] == replace(bare, mapping=None)
    unmapped = record_bytes(replace(bare, mapping=None).to_record())
    assert fit(letter, unmapped, theirs)[0] == replace(bare, mapping=None)
    assert fit(letter, unmapped - 1, theirs)[0] == replace(bare, mapping=None, reason="")


def test_a_letter_that_has_to_leave_its_count_out_is_read_as_one_event() -> None:
    """What comes back and what is read from the record agree, also where not all headers fit."""
    letter = DeadLetter(None, b"e" * 800, "map", "code", "why", attempts=3, replays=2, events=7)
    without = replace(smallest(letter), reason="", attempts=None, replays=0, events=1)
    made, record = fit(letter, record_bytes(without.to_record()))
    assert made == without
    assert DeadLetter.from_headers(*record) == without
