"""The date pattern that a number of texts have in common, and whether it is certain which number is the day."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from bridge.mapping.values.dates.conversion import parse_date, parser
from bridge.mapping.values.failures import FunctionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_NUMERIC: Final = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4})(?:([ T])(\d{1,2}):(\d{2})(?::(\d{2}))?)?\Z")
_COMMON: Final = (
    "yyyy-MM-dd'T'HH:mm:ssXXX",
    "yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
    "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX",
    "yyyy-MM-dd'T'HH:mm:ss",
    "yyyy-MM-dd'T'HH:mm",
    "yyyy/MM/dd HH:mm:ss",
    "yyyy.MM.dd HH:mm:ss",
    "dd MMM yyyy",
    "d MMM yyyy",
    "dd MMM yyyy HH:mm:ss",
    "d MMMM yyyy",
    "MMM dd, yyyy",
    "MMM d, yyyy",
    "MMMM d, yyyy",
    "EEE, dd MMM yyyy HH:mm:ss zzz",
    "EEE, d MMM yyyy HH:mm:ss zzz",
    "EEE, dd MMM yyyy HH:mm:ss Z",
    "EEE, d MMM yyyy HH:mm:ss Z",
    "yyyyMMddHHmmss",
    "HH:mm:ss dd.MM.yyyy",
)
"""Tried in this order for texts that no built-in format reads."""


class DatePattern(NamedTuple):
    """``pattern``: None where the built-in formats read every text rightly. ``ambiguous``: day or month first is a guess."""

    pattern: str | None
    ambiguous: bool = False


def date_pattern(texts: Iterable[str]) -> DatePattern | None:
    """The pattern that reads all ``texts``; None when they are no dates or have no pattern in common."""
    every = list(dict.fromkeys(texts))
    if not every:
        return None
    numeric = [_NUMERIC.match(text) for text in every]
    if all(numeric):
        return _numeric([match for match in numeric if match is not None])
    if all(_reads(text) for text in every):
        return DatePattern(None, any(map(is_ambiguous, every)))
    for pattern in _COMMON:
        try:
            read = parser(pattern)
            for text in every:
                read(text)
        except FunctionError:
            continue
        return DatePattern(pattern)
    return None


def is_ambiguous(text: str) -> bool:
    """Whether day and month of the text could change places: ``03/11/2019``."""
    match = _NUMERIC.match(text)
    return match is not None and match[1] != match[3] and int(match[1]) <= 12 and int(match[3]) <= 12


def epoch_unit(numbers: Sequence[float]) -> str | None:
    """``seconds`` or ``milliseconds`` when every number is such an instant between 1980 and 2100, else None."""
    if numbers and all(315_532_800 <= number < 4_102_444_800 for number in numbers):
        return "seconds"
    if numbers and all(315_532_800_000 <= number < 4_102_444_800_000 for number in numbers):
        return "milliseconds"
    return None


def _numeric(found: Sequence[re.Match[str]]) -> DatePattern | None:
    marks = {(match[2], match[5], bool(match[6]), bool(match[8])) for match in found}
    if len(marks) > 1:
        return None
    mark, join, timed, seconds = marks.pop()
    day_first = any(int(match[1]) > 12 for match in found)
    month_first = any(int(match[3]) > 12 for match in found)
    if day_first and month_first:
        return None
    ambiguous = not (day_first or month_first) and any(match[1] != match[3] for match in found)
    # 03.11.2019 has the day first wherever it is written so; with a slash or a hyphen it depends on the country.
    day_first = day_first or (not month_first and mark == ".")
    two = all(len(match[1]) == 2 and len(match[3]) == 2 for match in found)
    day, month = ("dd", "MM") if two else ("d", "M")
    date = mark.join((day, month) if day_first else (month, day)) + f"{mark}yyyy"
    time = f"{chr(39) + 'T' + chr(39) if join == 'T' else ' '}HH:mm{':ss' if seconds else ''}" if timed else ""
    return DatePattern(date + time, ambiguous and mark != ".")


def _reads(text: str) -> bool:
    try:
        parse_date(text)
    except FunctionError:
        return False
    return True
