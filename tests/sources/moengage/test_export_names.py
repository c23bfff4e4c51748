"""What the names of exports say: MoEngage's layouts in all their spellings."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from bridge.sources.moengage.export_names import ExportTimes, NameKind, day_of, is_url, kind_of


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("acme_c/export_day=2025-10-28/event_exports_0123456789abcdef0123456789abcdef.json.gz", "EXPORT"),
        ("c/export_day=28-10-2025/event-exports_1700000000.json.gz", "EXPORT"),
        ("event-exports/app/1/export_day=2025-10-28/export_hour=06/part-0.gz", "EXPORT"),
        ("c/event_exports_1700000000", "EXPORT"),
        ("c/x.NDJSON", "EXPORT"),
        ("c/x.jsonl.gz", "EXPORT"),
        ("c/event_exports_1.json.gz.gpg", "ENCRYPTED"),
        ("c/x.json.PGP", "ENCRYPTED"),
        ("c/_SUCCESS", "OTHER"),
        ("c/.part.json.gz", "OTHER"),
        ("c/_delta.json", "OTHER"),
        ("c/x.csv.gz", "OTHER"),
        ("c/x.parquet", "OTHER"),
        ("c/readme", "OTHER"),
    ],
)
def test_kinds(path, kind) -> None:
    """JSON lines with and without gzip are exports, PGP is told apart, and what lies beside them is neither."""
    assert kind_of(path) is NameKind[kind]


@pytest.mark.parametrize(
    ("path", "day"),
    [
        ("a/export_day=2025-10-28/x", date(2025, 10, 28)),
        ("a/export_day=28-10-2025/x", date(2025, 10, 28)),
        ("export_day=20251028", date(2025, 10, 28)),
        ("a/EXPORT-DAY=2025-02-01/b", date(2025, 2, 1)),
        ("a/export_day=2025-13-01/x", None),
        ("a/export_day=yesterday/x", None),
        ("a/my_export_day_2025-10-28/x", None),
        ("a/x", None),
    ],
)
def test_days(path, day) -> None:
    """Both forms of the day are read; what is no date is no day."""
    assert day_of(path) == day


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("export_day=2025-10-27/x", False),
        ("export_day=28-10-2025", True),
        ("export_day=2025-10-28/export_hour=5/x", False),
        ("export_day=2025-10-28/export_hour=06/x", True),
        ("export_day=2025-10-28/export_hour=99/x", True),
        ("export_day=2025-10-29/export_hour=11/x", True),
        ("export_day=2025-10-29/export_hour=12/x", False),
        ("export_day=2025-10-30/x", False),
        ("other/folder", True),
    ],
)
def test_times(path, wanted) -> None:
    """A day or an hour is wanted when a part of it lies in the times; a folder without a day always."""
    times = ExportTimes(datetime(2025, 10, 28, 6, tzinfo=UTC), datetime(2025, 10, 29, 12, tzinfo=UTC))
    assert times.want(path) is wanted


def test_times_by_modification() -> None:
    """Where the path tells no day, the time at which the object was written decides."""
    times = ExportTimes(datetime(2025, 10, 28, tzinfo=UTC), datetime(2025, 10, 29, tzinfo=UTC))
    assert times.want("x.json", datetime(2025, 10, 28, tzinfo=UTC))
    assert not times.want("x.json", datetime(2025, 10, 29, tzinfo=UTC))
    assert not times.want("x.json", datetime(2025, 10, 27, 23, tzinfo=UTC))
    assert ExportTimes().want("x.json", datetime(2025, 10, 27, 23, tzinfo=UTC))


def test_addresses() -> None:
    """An address is told from a file."""
    assert is_url("s3://a/b")
    assert not is_url("a/b.json")
    assert not is_url("-")
