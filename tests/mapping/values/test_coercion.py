"""Values turned into text, numbers, booleans and dates as Java and Adobe do."""

from __future__ import annotations

import math
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.mapping.values.coercion import to_boolean, to_date, to_integer, to_number, to_text
from bridge.mapping.values.failures import FunctionError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.datetimes(timezones=st.timezones()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"), (False, "false"), (1234, "1234"), (22.5, "22.5"), (5.0, "5.0"), (1e7, "1.0E7"), (1.5e-4, "1.5E-4"),
        (123456789.25, "1.2345678925E8"), (0.001, "0.001"), (-0.0, "-0.0"), (9999999.5, "9999999.5"), (1e300, "1.0E300"),
        (math.nan, "NaN"), (-math.inf, "-Infinity"), (None, "null"), (["a", 1, None], "[a, 1, null]"), ({"k": 1.0}, "{k=1.0}"),
    ],
)  # fmt: skip
def test_text_is_what_string_value_of_prints(value: object, text: str) -> None:
    """Numbers, booleans and hierarchies print as in Java."""
    assert to_text(value) == text


def test_a_date_prints_as_in_the_concat_sample() -> None:
    """java.util.Date's form, with the zone's short name."""
    assert (
        to_text(datetime(2020, 9, 25, 15, 17, 31, tzinfo=ZoneInfo("America/Los_Angeles")))
        == "Fri Sep 25 15:17:31 PDT 2020"
    )


@pytest.mark.parametrize("text", ["y", "yes", "Y", "YES", "on", "ON", "true", "TRUE"])
def test_true(text: str) -> None:
    """The documented spellings of true."""
    assert to_boolean(text) is True


@pytest.mark.parametrize("text", ["n", "N", "no", "NO", "off", "OFF", "false", "FALSE"])
def test_false(text: str) -> None:
    """The documented spellings of false."""
    assert to_boolean(text) is False


@pytest.mark.parametrize("value", ["True", "Yes", "No", "On", "1", "", " true", 1, 0, None, []])
def test_no_boolean(value: object) -> None:
    """Any other spelling or type is refused, never guessed."""
    with pytest.raises(FunctionError):
        to_boolean(value)


@pytest.mark.parametrize(
    ("text", "number"),
    [("12", 12), (" -5 ", -5), ("+7", 7), ("1.50", 1.5), ("1e3", 1000.0), (".5", 0.5), ("9" * 30, int("9" * 30))],
)
def test_numbers_in_text(text: str, number: float) -> None:
    """Whole text stays whole, at any size."""
    assert to_number(text) == number
    assert type(to_number(text)) is type(number)


@pytest.mark.parametrize(
    "value", ["", "abc", "1_000", "0x10", "nan", "Infinity", "1e999", "١٢", True, None, {}, "1" * 5000]
)
def test_no_number(value: object) -> None:
    """Python's own liberties (underscores, other scripts' digits, nan) are not Java's."""
    with pytest.raises(FunctionError):
        to_number(value)


def test_whole_doubles_become_integers() -> None:
    """5.0 is 5; 5.5 is refused."""
    assert to_integer(5.0) == 5
    assert type(to_integer("5.0")) is int
    with pytest.raises(FunctionError):
        to_integer(5.5)


@given(VALUES)
def test_coercions_give_a_value_or_a_function_error(value: object) -> None:
    """No value of an event raises anything else out of them, and messages do not quote it."""
    for coerce in (to_text, to_number, to_integer, to_boolean, to_date):
        try:
            coerce(value)
        except FunctionError as error:
            assert len(str(error)) < 120  # noqa: PT017 - most values raise nothing
