"""Reading dates without a pattern: by shape, with the result of trying every documented format in order."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.mapping.values.dates.conversion import FALLBACK_FORMATS, formatter, iso, parse_date, parser, zone
from bridge.mapping.values.dates.rfc3339 import parse_rfc3339
from bridge.mapping.values.failures import FunctionError


def in_order(text: str) -> datetime | None:
    """The definition: the first format that fits, then RFC 3339."""
    for pattern in FALLBACK_FORMATS:
        try:
            return parser(pattern)(text)
        except FunctionError:
            continue
    try:
        return parse_rfc3339(text)
    except FunctionError:
        return None


def by_shape(text: str) -> datetime | None:
    """What is under test, with None for a refusal."""
    try:
        return parse_date(text)
    except FunctionError:
        return None


INSTANTS = st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.sampled_from(
    [UTC, zone("+05:30"), zone("-08:00"), zone("Europe/Paris")]))  # fmt: skip


@given(INSTANTS, st.sampled_from(FALLBACK_FORMATS))
def test_printed_dates_are_read_as_by_all_formats_in_order(date: datetime, pattern: str) -> None:
    """What a format prints is always read, and as the in-order trial reads it."""
    text = formatter(pattern)(date)
    assert by_shape(text) is not None
    assert by_shape(text) == in_order(text)


@settings(max_examples=examples(500))
@given(INSTANTS, st.sampled_from(FALLBACK_FORMATS), st.data())
def test_damaged_dates_are_taken_or_refused_as_by_all_formats_in_order(
    date: datetime, pattern: str, data: st.DataObject
) -> None:
    """Any character put in, out or in place of another changes nothing about the equality."""
    text = formatter(pattern)(date)
    at = data.draw(st.integers(0, len(text)))
    insert = data.draw(st.sampled_from(["", "0", "9", "-", "+", " ", "T", "Z", "z", ".", ":", "a", "ſ", "٣", "\n"]))
    text = text[:at] + insert + text[at + data.draw(st.integers(0, 1)) :]
    assert by_shape(text) == in_order(text)


@settings(max_examples=examples(300))
@given(st.text(alphabet="0123456789-/.: TZ+APMapmJanFebDec", max_size=30))
def test_arbitrary_text_is_read_as_by_all_formats_in_order(text: str) -> None:
    """Text that nobody printed, too."""
    assert by_shape(text) == in_order(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12112020", "2020-12-11T00:00:00Z"),  # MMddyyyy: there is no month 20, so yyyyMMdd does not fit
        ("20201112", "2020-11-12T00:00:00Z"),
        ("2024-05-05 20:39:00.005-0800", "2024-05-05T20:39:00.005-08:00"),
        ("2020-09-25T15:17:31Z", "2020-09-25T15:17:31Z"),
        ("2020-09-25T15:17:31.120Z", "2020-09-25T15:17:31.120Z"),
        ("2020-09-25T15:17:31.120+02", "2020-09-25T15:17:31.120+02:00"),
        ("2020-Sep-25", "2020-09-25T00:00:00Z"),
        ("25-SEP-2020", "2020-09-25T00:00:00Z"),
        ("9/25/2020 03:17:31 pm", "2020-09-25T15:17:31Z"),
        ("25.9.2020 12:00:00 AM", "2020-09-25T00:00:00Z"),
        ("2019-10-23 11:24", "2019-10-23T11:24:00Z"),
        ("2016-11-09T11:44:44.797", "2016-11-09T11:44:44.797Z"),
    ],
)
def test_documented_and_telling_dates(text: str, expected: str) -> None:
    """Adobe's samples, and one date for every family of formats."""
    assert iso(parse_date(text)) == expected


@pytest.mark.parametrize("text", ["", "2020-02-30", "2021-02-29", "2020-1-01", "2020-01-01 ", "2020-01-01T24:00:00Z", "20201301x",
                                  "2020-01-01T00:00:00q9", "1" * 300, "December 31st, 2020", "2020-01-01 00:00:00+1900"])  # fmt: skip
def test_dates_that_do_not_exist_or_do_not_fit_whole(text: str) -> None:
    """Nothing lenient: no 30 February, no blanks around, no hour 24, no offset over 18 hours."""
    with pytest.raises(FunctionError):
        parse_date(text)
