"""A dead letter's headers say all of it, and whatever headers arrive can be read."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from bridge.model.dead_letter import DeadLetter, own_headers
from bridge.model.verdicts import Stage

_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
_count = st.integers(0, 2**63 - 1)
_moments = st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=st.just(UTC)).map(
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
)
letters = st.builds(
    DeadLetter,
    key=st.none() | st.binary(max_size=10),
    value=st.binary(max_size=20),
    stage=st.sampled_from([str(stage) for stage in Stage]),
    code=_text,
    reason=_text,
    topic=st.none() | _text,
    partition=st.none() | _count,
    offset=st.none() | _count,
    event_uuid=st.none() | _text,
    mapping=st.none() | _text,
    attempts=st.none() | _count,
    failed_at=st.none() | _moments,
    replays=_count,
    truncated_from=st.none() | _count,
)


@given(letters)
def test_round_trip(letter: DeadLetter) -> None:
    """What is written is what is read."""
    headers = letter.to_headers()
    assert DeadLetter.from_headers(letter.key, letter.value, headers) == letter
    assert own_headers([*headers, ("theirs", b"x")]) == [("theirs", b"x")]


def test_numbers_and_times_that_nothing_can_hold_are_absent() -> None:
    """A number over 64 bits and a time before the calendar begins are as if they were not there; null headers too."""
    headers = [
        ("bridge.offset", b"9" * 20),
        ("bridge.failed_at", b"0001-01-01T00:00:00+14:00"),
        ("bridge.stage", None),
        ("theirs", None),
    ]
    letter = DeadLetter.from_headers(None, None, headers)
    assert (letter.offset, letter.failed_at, letter.stage) == (None, None, "")
    assert own_headers(headers) == [("theirs", None)]


@given(
    st.none() | st.binary(max_size=5),
    st.none() | st.binary(max_size=5),
    st.lists(
        st.tuples(
            st.sampled_from(["bridge.offset", "bridge.failed_at", "bridge.replays", "bridge.stage", "other"]),
            st.none() | st.binary(max_size=30) | st.text(max_size=20).map(lambda text: text.encode("utf-8", "replace")),
        ),
        max_size=6,
    ),
)
def test_any_headers_can_be_read(key, value, headers) -> None:
    """Headers of another writer, or garbled ones, never raise."""
    DeadLetter.from_headers(key, value, headers).to_headers()


def test_long_reasons_are_cut() -> None:
    """A reason cannot make the record larger than the topic accepts."""
    headers = dict(DeadLetter(None, b"", "map", "c", "x" * 100_000).to_headers())
    assert len(headers["bridge.reason"]) == 4_000
