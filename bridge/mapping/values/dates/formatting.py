"""Dates to text by a Java pattern, compiled once: for any zoned date, and much faster for epoch milliseconds in UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import IntEnum
from functools import lru_cache
from typing import TYPE_CHECKING

from bridge.mapping.values.dates.pattern import MONTHS, QUARTERS, WEEKDAYS, Field, Literal, Section, Token, tokenize
from bridge.mapping.values.dates.zone_names import zone_name
from bridge.mapping.values.dates.zones import localized, seconds_of, sexagesimal, zone_id
from bridge.mapping.values.failures import FunctionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_EPOCH_ORDINAL = datetime(1970, 1, 1, tzinfo=UTC).toordinal()
_TABLE_ENTRIES = 4096


class Grain(IntEnum):
    """What of an instant in UTC a letter depends on."""

    DAY = 0
    MINUTE = 1
    SECOND = 2
    MILLI = 3
    CONSTANT = 4


_GRAINS = {
    **dict.fromkeys("GYyMLwWDdFEuQq", Grain.DAY),
    **dict.fromkeys("aHkKhm", Grain.MINUTE),
    "s": Grain.SECOND,
    "S": Grain.MILLI,
    **dict.fromkeys("zZXVO", Grain.CONSTANT),
}


@lru_cache(maxsize=256)
def formatter(pattern: str) -> Callable[[datetime], str]:
    """Print an aware date in its own zone by ``pattern``."""
    printers = [_printer(token) for token in _flat(tokenize(pattern))]
    return lambda date: "".join([printer(date) for printer in printers])


@lru_cache(maxsize=256)
def epoch_formatter(pattern: str) -> Callable[[int], str]:
    """Print epoch milliseconds in UTC by ``pattern``.

    Events come in the order of time, more or less, so what was printed lately is mostly what is asked for again.
    """
    return _Lately(_epoch_printer(pattern)).__getitem__


class _Lately(dict[int, str]):
    """The texts of the last instants that were printed."""

    def __init__(self, printer: Callable[[int], str]) -> None:
        super().__init__()
        self._printer = printer

    def __missing__(self, milliseconds: int) -> str:
        text = self._printer(milliseconds)
        if len(self) >= _TABLE_ENTRIES:
            self.clear()
        self[milliseconds] = text
        return text


def _epoch_printer(pattern: str) -> Callable[[int], str]:
    """What prints the instants that were not printed lately, in a few look-ups.

    Neighbouring letters of the same grain share a table from day, minute of the day, second or millisecond to their
    text, filled as met.
    """
    segments = _segments(_flat(tokenize(pattern)))
    grains = [grain for grain, _ in segments]
    if grains == [Grain.DAY, Grain.MINUTE, Grain.SECOND]:
        days, minutes, seconds = (table for _, table in segments)

        def day_minute_second(milliseconds: int) -> str:
            day, rest = divmod(milliseconds // 1000, 86_400)
            return days[day] + minutes[rest // 60] + seconds[rest % 60]

        return day_minute_second
    if grains == [Grain.DAY]:
        only = segments[0][1]
        return lambda milliseconds: only[milliseconds // 86_400_000]

    def general(milliseconds: int) -> str:
        second, milli = divmod(milliseconds, 1000)
        day, rest = divmod(second, 86_400)
        at = (day, rest // 60, rest % 60, milli, 0)
        return "".join([table[at[grain]] for grain, table in segments])

    return general


class _Table(dict[int, str]):
    """The text of a run of letters by the part of the instant that they print."""

    def __init__(self, grain: Grain, printers: Sequence[Callable[[datetime], str]]) -> None:
        super().__init__()
        self._grain = grain
        self._printers = printers

    def __missing__(self, at: int) -> str:
        if len(self) >= _TABLE_ENTRIES:
            self.clear()
        date = _instant(self._grain, at)
        text = self[at] = "".join([printer(date) for printer in self._printers])
        return text


def _instant(grain: Grain, at: int) -> datetime:
    if grain is Grain.DAY:
        try:
            return datetime.fromordinal(_EPOCH_ORDINAL + at).replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            raise FunctionError("the instant lies outside the years 1 to 9999") from None
    if grain is Grain.MINUTE:
        return datetime(1970, 1, 1, at // 60, at % 60, tzinfo=UTC)
    if grain is Grain.SECOND:
        return datetime(1970, 1, 1, 0, 0, at, tzinfo=UTC)
    return datetime(1970, 1, 1, microsecond=at * 1000 if grain is Grain.MILLI else 0, tzinfo=UTC)


def _segments(tokens: Iterable[Literal | Field]) -> list[tuple[Grain, _Table]]:
    runs: list[tuple[Grain, list[Callable[[datetime], str]]]] = []
    for token in tokens:
        grain = _GRAINS[token.letter] if isinstance(token, Field) else Grain.CONSTANT
        if runs and (grain in (runs[-1][0], Grain.CONSTANT)):
            runs[-1][1].append(_printer(token))
        elif runs and runs[-1][0] is Grain.CONSTANT:
            runs[-1] = (grain, [*runs[-1][1], _printer(token)])
        else:
            runs.append((grain, [_printer(token)]))
    return [(grain, _Table(grain, printers)) for grain, printers in runs]


def _flat(tokens: Iterable[Token]) -> list[Literal | Field]:
    flat: list[Literal | Field] = []
    for token in tokens:
        flat.extend(_flat(token.tokens) if isinstance(token, Section) else [token])
    return flat


def _printer(token: Literal | Field) -> Callable[[datetime], str]:
    if isinstance(token, Literal):
        text = token.text
        return lambda _: text
    letter, width = token.letter, token.width
    if letter in _NUMBERS:
        number = _NUMBERS[letter]
        return lambda date: f"{number(date):0{width}d}"
    return _TEXTS[letter](width)


def _year(number: Callable[[datetime], int]) -> Callable[[int], Callable[[datetime], str]]:
    def by_width(width: int) -> Callable[[datetime], str]:
        if width == 2:
            return lambda date: f"{number(date) % 100:02d}"
        return lambda date: f"{number(date):0{width}d}"

    return by_width


def _month(width: int) -> Callable[[datetime], str]:
    if width < 3:
        return lambda date: f"{date.month:0{width}d}"
    return _text([*MONTHS], lambda date: date.month - 1, width)


def _text(names: list[str], index: Callable[[datetime], int], width: int) -> Callable[[datetime], str]:
    """Short text up to three letters, full at four, one letter at five."""
    cut = {4: None, 5: 1}.get(width, 3)
    shown = [name[:cut] for name in names]
    return lambda date: shown[index(date)]


def _quarter(width: int) -> Callable[[datetime], str]:
    if width == 3:
        return lambda date: f"Q{(date.month + 2) // 3}"
    if width == 4:
        return lambda date: QUARTERS[(date.month - 1) // 3]
    digits = 2 if width == 2 else 1
    return lambda date: f"{(date.month + 2) // 3:0{digits}d}"


def _fraction(width: int) -> Callable[[datetime], str]:
    """Up to three letters the number of milliseconds (SimpleDateFormat), beyond it the fraction (DateTimeFormatter)."""
    if width <= 3:
        return lambda date: f"{date.microsecond // 1000:0{width}d}"
    return lambda date: f"{date.microsecond:06d}000"[:width]


def _era(width: int) -> Callable[[datetime], str]:
    text = {4: "Anno Domini", 5: "A"}.get(width, "AD")
    return lambda _: text


def _rfc822(width: int) -> Callable[[datetime], str]:
    if width == 4:
        return lambda date: localized(date, short=False)
    if width == 5:
        return lambda date: sexagesimal(seconds_of(date), ":") if seconds_of(date) else "Z"
    return lambda date: sexagesimal(seconds_of(date) // 60 * 60, "")


def _iso_offset(width: int) -> Callable[[datetime], str]:
    colon = ":" if width in (3, 5) else ""
    minutes = "if any" if width == 1 else "always"

    def text(date: datetime) -> str:
        seconds = seconds_of(date)
        if width <= 3:
            seconds = int(seconds / 60) * 60  # these widths have no place for seconds
        return sexagesimal(seconds, colon, minutes=minutes) if seconds else "Z"

    return text


def week_of_month(date: datetime) -> int:
    """The ISO week of the month: weeks begin on Monday, the first has four days of the month or more; 0 before it."""
    start = (date.day - date.isoweekday()) % 7
    return (7 + (7 - start if start >= 4 else -start) + date.day - 1) // 7


_NUMBERS: dict[str, Callable[[datetime], int]] = {
    "w": lambda date: date.isocalendar()[1],
    "W": week_of_month,
    "D": lambda date: date.timetuple().tm_yday,
    "d": lambda date: date.day,
    "F": lambda date: (date.day - 1) // 7 + 1,
    "u": lambda date: date.isoweekday(),
    "H": lambda date: date.hour,
    "k": lambda date: date.hour or 24,
    "K": lambda date: date.hour % 12,
    "h": lambda date: date.hour % 12 or 12,
    "m": lambda date: date.minute,
    "s": lambda date: date.second,
}

_TEXTS: dict[str, Callable[[int], Callable[[datetime], str]]] = {
    "G": _era,
    "y": _year(lambda date: date.year),
    "Y": _year(lambda date: date.isocalendar()[0]),
    "M": _month,
    "L": _month,
    "E": lambda width: _text([*WEEKDAYS], lambda date: date.weekday(), width),
    "a": lambda _: lambda date: "AM" if date.hour < 12 else "PM",
    "S": _fraction,
    "z": lambda width: lambda date: zone_name(date, full=width == 4),
    "Z": _rfc822,
    "X": _iso_offset,
    "V": lambda _: zone_id,
    "O": lambda width: lambda date: localized(date, short=width == 1),
    "Q": _quarter,
    "q": _quarter,
}
