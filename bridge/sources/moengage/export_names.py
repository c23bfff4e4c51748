"""What the name of an object says: whether it is an export of MoEngage's, of which day and hour, and whether a key is needed.

MoEngage's own pages disagree about the form of the day (``2025-10-28``, ``28-10-2025``), of the name (``event_exports_ID``,
``event-exports_ID``) and about folders before them (S3 and GCS pages), so every one is read. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from typing import Final

_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_DAY: Final = re.compile(r"(?:^|/)export[_-]?day=([^/]+)(?:/|$)", re.IGNORECASE)
_HOUR: Final = re.compile(r"(?:^|/)export[_-]?hour=(\d{1,2})(?:/|$)", re.IGNORECASE)
_YEAR_FIRST: Final = re.compile(r"(\d{4})[-_.]?(\d{2})[-_.]?(\d{2})")
_DAY_FIRST: Final = re.compile(r"(\d{2})[-_.](\d{2})[-_.](\d{4})")
_ENCRYPTED: Final = re.compile(r"\.(?:gpg|pgp|asc)$", re.IGNORECASE)
_JSON: Final = re.compile(r"\.(?:json|jsonl|ndjson)(?:\.gz|\.gzip)?$", re.IGNORECASE)
_BARE: Final = re.compile(r"[^._][^.]*(?:\.gz|\.gzip)|event[_-]exports?[_-][^.]*", re.IGNORECASE)


def is_url(name: str) -> bool:
    """Whether a name on the command line is an address of object storage and no file."""
    return _URL.match(name) is not None


class NameKind(Enum):
    """What an object is, by its name."""

    EXPORT = "export"
    ENCRYPTED = "encrypted"
    OTHER = "other"


def kind_of(path: str) -> NameKind:
    """By the last part of the path: JSON lines, gzip or not; PGP; something else."""
    name = path.rsplit("/", 1)[-1]
    if _ENCRYPTED.search(name):
        return NameKind.ENCRYPTED
    if name[:1] not in (".", "_") and (_JSON.search(name) or _BARE.fullmatch(name)):
        return NameKind.EXPORT
    return NameKind.OTHER


def day_of(path: str) -> date | None:
    """The day of the folder ``export_day=…``; None where there is none, or none that is a date."""
    found = _DAY.search(path)
    if found is None:
        return None
    if parts := _YEAR_FIRST.fullmatch(found[1]):
        year, month, day = map(int, parts.groups())
    elif parts := _DAY_FIRST.fullmatch(found[1]):
        day, month, year = map(int, parts.groups())
    else:
        return None
    try:
        return date(year, month, day)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class ExportTimes:
    """Which exports are wanted: of ``since`` or later, before ``until`` (UTC); None is without a bound."""

    since: datetime | None = None
    until: datetime | None = None

    def want(self, path: str, modified: datetime | None = None) -> bool:
        """Whether the hour, or the day, of the path has a part in these times.

        Of a path that tells no day ``modified`` decides; without that it is wanted.
        """
        day = day_of(path)
        if day is None:
            begin, end = modified, modified
            return begin is None or end is None or self._meet(begin, end + timedelta(microseconds=1))
        begin, length = datetime(day.year, day.month, day.day, tzinfo=UTC), timedelta(days=1)
        hour = _HOUR.search(path)
        if hour is not None and int(hour[1]) < 24:
            begin, length = begin + timedelta(hours=int(hour[1])), timedelta(hours=1)
        return self._meet(begin, begin + length)

    def _meet(self, begin: datetime, end: datetime) -> bool:
        return (self.since is None or end > self.since) and (self.until is None or begin < self.until)
