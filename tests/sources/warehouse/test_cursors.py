"""How far a run has come and from where the next reads: nothing that was committed late or is wrong hides a row."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.sources.warehouse.cursors import begin, from_kept, later, not_after, to_kept

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("cursor", "lag", "since"),
    [
        (datetime(2026, 1, 2, tzinfo=UTC), 3600, datetime(2026, 1, 1, 23, tzinfo=UTC)),
        (datetime(2026, 1, 2), 60, datetime(2026, 1, 1, 23, 59)),
        (date(2026, 1, 2), 1, date(2026, 1, 1)),
        (date(2026, 1, 2), 0, date(2026, 1, 2)),
        (100, 30, 70),
        (2.5, 1, 1.5),
        (Decimal("2.5"), 1, Decimal("1.5")),
        ("2026-01-02", 3600, "2026-01-01"),
        ("2026-01-02 00:00:00", 3600, "2026-01-01 22:59:59"),
        ("2026-01-02T00:00:00.250Z", 0, "2026-01-01T23:59:59Z"),
        ("2026-01-02T00:00:00+02:00", 0, "2026-01-01T23:59:59+02:00"),
        ("v17", 3600, "v17"),
        (datetime.min, 3600, datetime.min),
        (True, 5, True),
    ],
)
def test_begin(cursor, lag, since):
    """The cursor less the lag, in its own type; of a text that is no time nothing can be subtracted."""
    assert begin(cursor, lag) == since


@given(
    st.datetimes(min_value=datetime(1980, 1, 1), max_value=datetime(2100, 1, 1)),
    st.sampled_from([" ", "T"]),
    st.sampled_from(["", ".5", ".123456"]),
    st.sampled_from(["", "Z"]),
)
def test_a_text_is_never_passed_over(moment, sep, fraction, zone):
    """Compared letter by letter, as a database compares texts, the begin is not behind the cursor, whatever its form."""
    text = moment.replace(microsecond=0).isoformat(sep) + fraction + zone
    assert begin(text, 0) <= text


@pytest.mark.parametrize(
    ("cursor", "limited"),
    [
        (datetime(2099, 1, 1, tzinfo=UTC), NOW),
        (datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)),
        (datetime(2099, 1, 1), datetime(2026, 7, 1, 14)),
        (
            datetime(2099, 1, 1, tzinfo=timezone(timedelta(hours=1))),
            datetime(2026, 7, 1, 13, tzinfo=timezone(timedelta(hours=1))),
        ),
        (date(2099, 1, 1), date(2026, 7, 1)),
        ("2099-01-01 00:00:00", "2026-07-01 14:00:00"),
        ("2099-01-01", "2026-07-01"),
        ("2026-06-01 00:00:00.5", "2026-06-01 00:00:00.5"),
        ("2099-01-01T00:00:00Z", "2026-07-01T12:00:00Z"),
        (10**12, 10**12),
        ("v9", "v9"),
    ],
)
def test_not_after(cursor, limited):
    """A stamp of the future counts as now, in the zone that stamps without one have."""
    assert not_after(cursor, NOW, BERLIN) == limited


def test_later():
    """The larger of two; nothing is less than anything."""
    assert later(None, 1) == 1
    assert later(2, None) == 2
    assert later(2, 3) == 3
    assert later(None, None) is None
    assert later("2026-01-01", datetime(2026, 1, 1)) == datetime(2026, 1, 1)
    assert later(datetime(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC)) == datetime(2026, 1, 1, tzinfo=UTC)


@given(
    st.one_of(
        st.datetimes(timezones=st.one_of(st.none(), st.just(UTC))),
        st.dates(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.decimals(allow_nan=False, allow_infinity=False),
        st.text(),
    )
)
def test_kept_and_back(cursor):
    """What is kept is read as the same value of the same type."""
    kept = from_kept(to_kept(cursor))
    assert (type(kept), kept) == (type(cursor), cursor)
