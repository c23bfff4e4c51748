"""Date patterns: quoting, sections, defaults, errors, speed-relevant tables."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.mapping.values.dates.conversion import epoch_formatter, formatter, iso, parser, zone
from bridge.mapping.values.failures import FunctionError

MOMENT = datetime(2020, 9, 25, 15, 17, 31, 7000, tzinfo=UTC)
SEED = "yyyy-MM-dd'T'HH:mm:ssX"


def test_the_shipped_timestamp() -> None:
    """MoEngage's own expression: epoch seconds times 1000, printed in UTC with Z."""
    assert epoch_formatter(SEED)(1731421200 * 1000) == "2024-11-12T14:20:00Z"


@given(st.integers(min_value=-62_135_596_800_000, max_value=253_402_300_799_999))
def test_epoch_milliseconds_print_as_their_date_in_utc(milliseconds: int) -> None:
    """The tables of epoch_formatter give what formatter gives of the same instant, over every year there is."""
    date = datetime.fromtimestamp(milliseconds // 1000, UTC).replace(microsecond=milliseconds % 1000 * 1000)
    for pattern in (SEED, "EEE dd.MM.yy hh:mm:ss.SSS a z", "HH D S", "yyyy", "'now'"):
        assert epoch_formatter(pattern)(milliseconds) == formatter(pattern)(date)


def test_instants_printed_lately_and_long_ago_read_the_same():
    """More instants than are remembered, most of them twice, to the millisecond."""
    at = 1_731_421_200_000
    print_epoch, print_date = epoch_formatter("ss.SSS"), formatter("ss.SSS")
    for milliseconds in [*range(at, at + 9_000), *range(at, at + 9_000, 7), *range(at + 8_990, at + 9_010)]:
        moment = datetime.fromtimestamp(milliseconds // 1000, UTC).replace(microsecond=milliseconds % 1000 * 1000)
        assert print_epoch(milliseconds) == print_date(moment)


@given(st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.just(UTC)))
def test_printing_then_reading_gives_the_date_back(date: datetime) -> None:
    """With every part printed, nothing is lost."""
    pattern = "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX"
    assert parser(pattern)(formatter(pattern)(date)) == date


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("'o''clock' h a", "o'clock 3 PM"),
        ("''yy''", "'20'"),
        ("yyyy[-MM[-dd]]", "2020-09-25"),
        ("u E EEEE F", "5 Fri Friday 4"),
        ("S SS SSS SSSS", "7 07 007 0070"),
        ("G GGGG", "AD Anno Domini"),
        ("QQQ q QQQQ", "Q3 3 3rd quarter"),
        ("Y-'W'ww-u", "2020-W39-5"),
        ("XXX Z O VV z", "Z +0000 GMT UTC UTC"),
    ],
)
def test_letters_print(pattern: str, expected: str) -> None:
    """Quotes, sections, and letters of both of Java's classes."""
    assert formatter(pattern)(MOMENT) == expected


def test_names_and_offsets_of_zones() -> None:
    """Zone letters of a region, an offset and an abbreviation."""
    paris, offset = MOMENT.astimezone(zone("Europe/Paris")), MOMENT.astimezone(zone("+05:30"))
    assert formatter("z|zzzz|VV|O|X|Z")(paris) == "CEST|Central European Summer Time|Europe/Paris|GMT+2|+02|+0200"
    assert formatter("z|VV|O|X|XXX")(offset) == "GMT+05:30|+05:30|GMT+5:30|+0530|+05:30"
    assert formatter("z")(MOMENT.astimezone(zone("PST"))) == "PST"


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("HH:mm", "07:30", "1970-01-01T07:30:00Z"),
        ("yyyy", "2020", "2020-01-01T00:00:00Z"),
        ("yy", "99", "2099-01-01T00:00:00Z"),
        ("yyyy-DDD", "2020-366", "2020-12-31T00:00:00Z"),
        ("YYYY-'W'ww-u", "2021-W01-1", "2021-01-04T00:00:00Z"),
        ("EEE F MM yyyy", "Tue 2 11 2020", "2020-11-10T00:00:00Z"),
        ("yyyy[-MM[-dd]]", "2020-05", "2020-05-01T00:00:00Z"),
        ("yyyy-MM-dd HH:mm z", "2020-07-01 12:00 PDT", "2020-07-01T12:00:00-07:00"),
        ("yyyy-MM-dd HH:mm VV", "2020-07-01 12:00 Asia/Tokyo", "2020-07-01T12:00:00+09:00"),
        ("yyyy-MM-dd zzzz", "2020-07-01 pacific standard time", "2020-07-01T00:00:00-07:00"),
        ("dd MMMM yyyy G", "01 may 2020 AD", "2020-05-01T00:00:00Z"),
        ("hh a", "12 AM", "1970-01-01T00:00:00Z"),
        ("kk", "24", "1970-01-01T00:00:00Z"),
        ("SSS", "250", "1970-01-01T00:00:00.250Z"),
        ("SSSSSSSSS", "123456789", "1970-01-01T00:00:00.123456Z"),
    ],
)
def test_letters_read(pattern: str, text: str, expected: str) -> None:
    """What a text does not state comes from 1970-01-01T00:00:00Z; names are read in either case."""
    assert iso(parser(pattern)(text)) == expected


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("yyyy-MM-dd", "2020-9-25"),
        ("EEE yyyy-MM-dd", "Mon 2020-09-25"),
        ("MM M", "09 8"),
        ("HH hh a", "15 04 PM"),
        ("yyyy-MM-dd VV", "2020-01-01 ../../etc/passwd"),
        ("yyyy-MM-dd VV", "2020-01-01 Europe/Atlantis"),
        ("X", "+1900"),
        ("'T'", "t"),
    ],
)
def test_text_that_does_not_fit(pattern: str, text: str) -> None:
    """Widths are exact, parts must agree, zones must exist, and a zone id never leaves the zone database."""
    with pytest.raises(FunctionError):
        parser(pattern)(text)


@pytest.mark.parametrize(
    "pattern", ["", "yyyy'", "yyyy[", "yyyy]", "bb", "YYYYYYYYYYY", "V", "OO", "X" * 6, "y" * 300, "hello"]
)
def test_wrong_patterns_are_named(pattern: str) -> None:
    """A wrong pattern is an error when it is compiled, not when it is used."""
    with pytest.raises(FunctionError):
        formatter(pattern)


def test_one_letter_names_cannot_be_read() -> None:
    """MMMMM prints, but J is January, June and July."""
    assert formatter("MMMMM")(MOMENT) == "S"
    with pytest.raises(FunctionError):
        parser("MMMMM")


@pytest.mark.parametrize("milliseconds", [10**18, -(10**18), 10**400])
def test_instants_beyond_the_calendar(milliseconds: int) -> None:
    """Years outside 1 to 9999 are an error of the attribute, not a crash."""
    with pytest.raises(FunctionError):
        epoch_formatter(SEED)(milliseconds)


@pytest.mark.parametrize(
    "pattern", ["dMHmsdMHmsdMHmsdMHmsdMHms", "[d][M][H][m][s][d][M][H][m][s][d][M][H][m][s]", "dMHmsdMHmsdMHms" * 3]
)
def test_a_pattern_that_could_take_for_ever_is_refused(pattern: str) -> None:
    """Fields of one digit or two, side by side, share out the same digits in exponentially many ways."""
    from bridge.mapping.values.dates.parsing import parser
    from bridge.mapping.values.failures import FunctionError

    with pytest.raises(FunctionError, match="for ever"):
        parser(pattern)
