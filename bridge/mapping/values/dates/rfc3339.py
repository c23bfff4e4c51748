"""Dates as most of the world writes them (RFC 3339, ISO 8601): tried after the formats that Adobe documents.

``2024-05-05T10:00:00+02:00``, with or without fraction, seconds, zone or the colon of an offset, ``t`` and ``z`` in either case, a
blank for the ``T``, and a zone's name at the end as in Adobe's own sample (``2019-10-17T11:55:12 PST``).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from bridge.mapping.values.dates.zones import offset, zone
from bridge.mapping.values.failures import FunctionError

_WHOLE: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,9}))?)?"
    r" ?(?:([Zz])|([+-])([0-9]{2})(?::?([0-9]{2}))?|([A-Za-z][A-Za-z0-9_+\-/:]{0,63}))?"
).fullmatch
_DAY_OR_MONTH: Final = re.compile(r"([0-9]{1,2})([/-])([0-9]{1,2})\2[0-9]{4}(?: .*)?").fullmatch
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def parse_rfc3339(text: str) -> datetime | None:
    """The date, None where the text has none of these shapes. Raises ``FunctionError`` for a date that does not exist.

    Text without a zone is UTC; what a fraction says beyond microseconds is cut off.
    """
    found = _WHOLE(text)
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, zulu, sign, hours, minutes, named = found.groups()
    where = UTC if zulu or (sign is None and named is None) else zone(named) if named else None
    if where is None:
        if int(minutes or 0) > 59:
            raise FunctionError("a zone offset has minutes from 00 to 59")
        seconds = int(hours) * 3600 + int(minutes or 0) * 60
        where = offset(-seconds if sign == "-" else seconds)
    micro = int((fraction or "0").ljust(9, "0")[:6])
    try:
        return datetime(int(year), int(month), int(day), int(hour), int(minute), int(second or 0), micro, tzinfo=where)
    except ValueError:
        raise FunctionError("there is no such date or time") from None


def of_epoch(milliseconds: float) -> datetime:
    """The date of epoch milliseconds, as ``dformat`` takes them, in UTC. Raises ``FunctionError`` beyond the years 1 to 9999."""
    try:
        whole = int(milliseconds)
        micro = 0 if isinstance(milliseconds, int) else int((milliseconds - whole) * 1000)
        return _EPOCH + timedelta(milliseconds=whole, microseconds=micro)
    except (OverflowError, ValueError):
        raise FunctionError("the date is beyond the years 1 to 9999") from None


def is_ambiguous(text: str) -> bool:
    """Whether text could be read with the day first as well as, as it is, with the month first: ``03/11/2019``, ``03112019``."""
    found = _DAY_OR_MONTH(text)
    if found is not None:
        first, second = int(found[1]), int(found[3])
    elif len(text) == 8 and text.isascii() and text.isdigit() and not _is_year_first(text):
        first, second = int(text[:2]), int(text[2:4])
    else:
        return False
    return first != second and 1 <= first <= 12 and 1 <= second <= 12


def _is_year_first(text: str) -> bool:
    try:
        datetime(int(text[:4]), int(text[4:6]), int(text[6:]), tzinfo=UTC)
    except ValueError:
        return False
    return True
