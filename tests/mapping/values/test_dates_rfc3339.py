"""Dates in the forms of RFC 3339, epoch numbers, and dates that could be read two ways."""

from datetime import UTC, datetime

import pytest

from bridge.mapping.compiler.expressions.evaluation import compile_expression
from bridge.mapping.values.dates.conversion import is_ambiguous, iso, parse_date
from bridge.mapping.values.failures import FunctionError
from bridge.xdm.schema.compiled_schema import compile_schema

INSTANT = datetime(2024, 5, 5, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2024-05-05T08:00:00Z", "2024-05-05t08:00:00z", "2024-05-05T10:00:00+02:00", "2024-05-05T10:00:00+0200",
        "2024-05-05T10:00:00+02", "2024-05-05T08:00:00.000000Z", "2024-05-05T08:00:00.000000000Z", "2024-05-05T08:00:00,0Z",
        "2024-05-05 08:00:00Z", "2024-05-05 10:00:00 +02:00", "2024-05-05T08:00Z", "2024-05-05T10:00+02:00",
        "2024-05-05T08:00:00", "2024-05-05T08:00:00-00:00", "2024-05-05T00:00:00 PST", "2024-05-05T10:00:00 Europe/Paris",
    ],
)  # fmt: skip
def test_every_form_is_the_same_instant(text):
    """Offset, fraction or none, lower case, a blank for the T, a zone's name."""
    assert parse_date(text) == INSTANT
    got = compile_expression("date(t)").evaluate({"t": text})
    assert datetime.fromisoformat(got.value) == INSTANT
    schema = compile_schema({"properties": {"f": {"type": "string", "format": "date-time"}}})
    sent, _, violations = schema.check({"f": text})
    assert violations == []
    assert datetime.fromisoformat(sent["f"]) == INSTANT


def test_fractions_are_kept_to_the_microsecond():
    """What a date cannot hold is cut off."""
    assert iso(parse_date("2021-03-04T00:00:00.123456Z")) == "2021-03-04T00:00:00.123456Z"
    assert iso(parse_date("2021-03-04T00:00:00.1234569+01:00")) == "2021-03-04T00:00:00.123456+01:00"
    assert iso(parse_date("2021-03-04T00:00:00.5z")) == "2021-03-04T00:00:00.500Z"


@pytest.mark.parametrize(
    "text", ["2024-02-30T00:00:00Z", "2024-05-05T24:00:00Z", "2024-05-05T10:00:00+19:00", "2024-05-05T10:00:00+02:60",
             "2024-05-05T10:00:00 NOWHERE", "2024-05-05T10:00:00ZZ", " 2024-05-05T10:00:00Z", "2024-05-05T10:00:00.Z"]
)  # fmt: skip
def test_what_is_no_date_is_refused(text):
    """Days, hours and offsets that do not exist, and anything around the date."""
    with pytest.raises(FunctionError):
        parse_date(text)


def test_numbers_are_epoch_milliseconds():
    """As dformat takes them; eight digits are a day, and a date field takes no number that is rather one of seconds."""
    evaluate = lambda expression, value: compile_expression(expression).evaluate({"t": value}).value  # noqa: E731
    assert evaluate("date(t)", 1731421200123) == "2024-11-12T14:20:00.123Z"
    assert evaluate("date(t)", 1731421200123.0) == "2024-11-12T14:20:00.123Z"
    assert evaluate("date(t)", 20241112) == "2024-11-12T00:00:00Z"
    assert evaluate("date(t)", 10**18) is None
    schema = compile_schema(
        {"properties": {"f": {"type": "string", "format": "date-time"}, "d": {"type": "string", "format": "date"}}}
    )
    assert schema.check({"f": 1731421200123, "d": 1731421200123})[0] == {
        "f": "2024-11-12T14:20:00.123Z", "d": "2024-11-12",
    }  # fmt: skip
    assert [each.code for each in schema.check({"f": 1731421200})[2]] == ["DCVS-1104"]


@pytest.mark.parametrize(
    ("text", "ambiguous"),
    [("03/11/2019", True), ("3/11/2019 10:00:00 AM", True), ("03-11-2019", True), ("03112019", True), ("11/11/2019", False),
     ("13/11/2019", False), ("11/13/2019", False), ("03.11.2019", False), ("2019-11-03", False), ("20191103", False),
     ("12112020", True), ("x", False)],
)  # fmt: skip
def test_ambiguous_dates(text, ambiguous):
    """Both readings exist and differ; dots have the day first everywhere."""
    assert is_ambiguous(text) is ambiguous
