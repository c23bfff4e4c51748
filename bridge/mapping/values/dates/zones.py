"""Time zones as Java's date patterns read and print them: offsets, region ids, English names."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bridge.mapping.values.failures import FunctionError

MAX_OFFSET = 18 * 3600
"""java.time.ZoneOffset goes to 18 hours either way."""

_OFFSET = re.compile(r"(?:UTC|GMT|UT)?([+-])([0-9]{1,2})(?::?([0-9]{2})(?::?([0-9]{2}))?)?")
_REGION = re.compile(r"[A-Za-z][A-Za-z0-9_+\-]*(?:/[A-Za-z0-9_+\-]+){0,2}")

# Names that people write, in hours: java.util.TimeZone resolves them to regions; the offset they state is what counts.
ABBREVIATIONS = {
    "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7, "AKST": -9, "AKDT": -8,
    "HST": -10, "AST": -4, "ADT": -3, "NST": -3.5, "NDT": -2.5, "BRT": -3, "ART": -3, "WET": 0, "WEST": 1, "BST": 1,
    "CET": 1, "CEST": 2, "EET": 2, "EEST": 3, "MSK": 3, "SAST": 2, "CAT": 2, "EAT": 3, "WAT": 1, "TRT": 3, "GST": 4,
    "PKT": 5, "IST": 5.5, "ICT": 7, "WIB": 7, "SGT": 8, "HKT": 8, "AWST": 8, "JST": 9, "KST": 9, "ACST": 9.5,
    "ACDT": 10.5, "AEST": 10, "AEDT": 11, "NZST": 12, "NZDT": 13,
}  # fmt: skip


def offset(seconds: int) -> tzinfo:
    """A fixed offset in seconds east of UTC."""
    if abs(seconds) > MAX_OFFSET:
        raise FunctionError("a zone offset goes to 18:00 at most")
    return timezone(timedelta(seconds=seconds)) if seconds else UTC


@lru_cache(maxsize=1024)
def zone(name: str) -> tzinfo:
    """The zone of an id (Europe/Paris), an offset (Z, +02:00, GMT+8) or an abbreviation (PST)."""
    if name in ("Z", "UTC", "GMT", "UT", "Etc/UTC", "Zulu"):
        return UTC
    if match := _OFFSET.fullmatch(name):
        sign, hours, minutes, seconds = match.groups()
        if int(minutes or 0) > 59 or int(seconds or 0) > 59:
            raise FunctionError("a zone offset has minutes and seconds from 00 to 59")
        total = int(hours) * 3600 + int(minutes or 0) * 60 + int(seconds or 0)
        return offset(-total if sign == "-" else total)
    if name.upper() in ABBREVIATIONS:
        return timezone(timedelta(hours=ABBREVIATIONS[name.upper()]), name.upper())
    if _REGION.fullmatch(name):
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass
    raise FunctionError("no such time zone")


def seconds_of(date: datetime) -> int:
    """The offset of an aware date in seconds."""
    shift = date.utcoffset()
    return 0 if shift is None else shift.days * 86_400 + shift.seconds


def sexagesimal(seconds: int, colon: str, *, short_hour: bool = False, minutes: str = "always") -> str:
    """An offset as text: sign, hours, minutes (``always`` or ``if any``), seconds where there are any."""
    sign = "-" if seconds < 0 else "+"
    hours, rest = divmod(abs(seconds), 3600)
    minute, second = divmod(rest, 60)
    text = f"{sign}{hours}" if short_hour else f"{sign}{hours:02d}"
    if minute or second or minutes == "always":
        text += f"{colon}{minute:02d}"
    return text + f"{colon}{second:02d}" if second else text


def localized(date: datetime, *, short: bool) -> str:
    """``GMT+8`` (short) or ``GMT+08:00``; ``GMT`` at zero."""
    seconds = seconds_of(date)
    if not seconds:
        return "GMT"
    return "GMT" + sexagesimal(seconds, ":", short_hour=short, minutes="if any" if short else "always")


def zone_id(date: datetime) -> str:
    """``Europe/Paris`` of a region, ``+02:00`` of an offset, ``UTC`` of UTC."""
    if isinstance(date.tzinfo, ZoneInfo):
        return date.tzinfo.key
    seconds = seconds_of(date)
    return sexagesimal(seconds, ":") if seconds else "UTC"
