"""Text to dates by a Java pattern, compiled once; strict: the whole text must match and every value must exist.

Widths are DateTimeFormatter's: ``M`` reads one digit or two, ``MM`` exactly two, ``yyyy`` exactly four. Names are read in
either case. What a pattern does not state comes from 1970-01-01T00:00:00Z.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING

from bridge.mapping.values.dates.formatting import week_of_month
from bridge.mapping.values.dates.pattern import MONTHS, QUARTERS, WEEKDAYS, Field, Literal, Section, Token, tokenize
from bridge.mapping.values.dates.zone_names import zones_by_name
from bridge.mapping.values.dates.zones import offset, zone
from bridge.mapping.values.failures import FunctionError
from bridge.mapping.values.regex.cost import longest_within
from bridge.mapping.values.regex.tree import tree_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

MAX_TEXT = 200
"""No date is longer; longer text is refused before any regex sees it."""
_MOST_STEPS = 3_000_000
"""Backtracking steps that a text may take in the worst case: some hundredths of a second."""


@lru_cache(maxsize=256)
def parser(pattern: str) -> Callable[[str], datetime]:
    """Read text by ``pattern`` to an aware date; :class:`FunctionError` when it does not fit."""
    fields: list[tuple[str, Callable[[str], Any]]] = []
    translated = _regex(pattern, tokenize(pattern), fields)
    # Fields of one digit or two side by side can share out the same digits in exponentially many ways. (Case is not followed here:
    # only digits are shared out, as names hold none.)
    if longest_within(tree_of(translated), _MOST_STEPS, MAX_TEXT, anywhere=False) < MAX_TEXT:
        raise FunctionError(
            f"the date pattern {pattern!r} can take for ever",
            hint="give fields that stand side by side a fixed width (dd, MM, HH), or put something between them",
        )
    regex = re.compile(translated, re.IGNORECASE | re.ASCII)
    fullmatch = regex.fullmatch
    resolve = _plain(fields) or _general(fields)

    def parse(text: str) -> datetime:
        match = fullmatch(text) if len(text) <= MAX_TEXT else None
        if match is None:
            raise FunctionError(f"the text does not fit the date pattern {pattern!r}")
        try:
            return resolve(match.groups())
        except (ValueError, OverflowError):
            raise FunctionError(f"no such date or time under the pattern {pattern!r}") from None

    return parse


_PLAIN = ("y", "M", "d", "H", "m", "s", "S")


def _plain(fields: Sequence[tuple[str, Callable[[str], Any]]]) -> Callable[[Sequence[Any]], datetime] | None:
    """The short way for numbers from the year down, each once, with an optional offset: ``datetime`` checks the ranges."""
    known = dict(fields)
    letters = [letter for letter, _ in fields]
    count = len(known) - ("zone" in known)
    if len(known) != len(fields) or not 3 <= count <= 7 or not set(_PLAIN[:count]) <= set(known):
        return None
    if (
        known["y"] is not int
        or known["M"] not in (_MONTH, _MONTH_NAME, _MONTH_FULL)
        or known.get("S") not in (None, _millis)
    ):
        return None
    take = itemgetter(*(letters.index(letter) for letter in _PLAIN[:count]))
    month = int if known["M"] is _MONTH else known["M"]
    zone_at = letters.index("zone") if "zone" in known else None
    zone_of = known.get("zone", _offset)
    build: Callable[..., datetime] = datetime
    general = _general(fields)

    def resolve(groups: Sequence[Any]) -> datetime:
        if None in groups:
            return general(groups)
        where = UTC if zone_at is None else zone_of(groups[zone_at])
        parts = take(groups)
        if count == 7:
            year, month_text, *rest, milli = parts
            return build(int(year), month(month_text), *map(int, rest), int(milli) * 1000, where)
        year, month_text, *rest = parts
        return build(int(year), month(month_text), *map(int, rest), tzinfo=where)

    return resolve


def _general(fields: Sequence[tuple[str, Callable[[str], Any]]]) -> Callable[[Sequence[Any]], datetime]:
    def resolve(groups: Sequence[Any]) -> datetime:
        known: dict[str, Any] = {}
        for (letter, read), text in zip(fields, groups, strict=True):
            if text is not None:
                value = read(text)
                if known.setdefault(letter, value) != value:
                    raise ValueError
        day = _day(known)
        _agree(day, known)
        hour = _hour(known)
        return datetime(
            day.year, day.month, day.day, hour, known.get("m", 0), known.get("s", 0), known.get("S", 0),
            tzinfo=known.get("zone", UTC),
        )  # fmt: skip

    return resolve


def _day(known: Mapping[str, Any]) -> date:
    year = known.get("y", 1970)
    weekday = known.get("E", known.get("u"))
    if "D" in known and "M" not in known and "d" not in known:
        return date(year, 1, 1) + timedelta(days=known["D"] - 1)
    if "w" in known and "M" not in known and "d" not in known:
        return date.fromisocalendar(known.get("Y", year), known["w"], weekday or 1)
    if "F" in known and weekday and "d" not in known:
        first = date(year, known.get("M", 1), 1)
        return first + timedelta(days=(weekday - first.isoweekday()) % 7 + 7 * (known["F"] - 1))
    if "Y" in known and "y" not in known:
        year = known["Y"]
    month = known.get("M", 3 * known["Q"] - 2 if "Q" in known else 1)
    return date(year, month, known.get("d", 1))


_DERIVED: dict[str, Callable[[date], int]] = {
    "y": lambda day: day.year,
    "M": lambda day: day.month,
    "D": lambda day: day.timetuple().tm_yday,
    "Y": lambda day: day.isocalendar()[0],
    "w": lambda day: day.isocalendar()[1],
    "W": lambda day: week_of_month(datetime(day.year, day.month, day.day, tzinfo=UTC)),
    "F": lambda day: (day.day - 1) // 7 + 1,
    "E": lambda day: day.isoweekday(),
    "u": lambda day: day.isoweekday(),
    "Q": lambda day: (day.month + 2) // 3,
}


def _agree(day: date, known: Mapping[str, Any]) -> None:
    """What the text states besides the date (its weekday, its week) must be true of it."""
    for letter, value in known.items():
        derive = _DERIVED.get(letter)
        if derive is not None and derive(day) != value and not (letter == "Y" and "w" not in known):
            raise ValueError(letter)


def _hour(known: Mapping[str, Any]) -> int:
    hour: int = known.get("H", known.get("k", -1) % 24 if "k" in known else -1)
    half = known.get("h", known.get("K"))
    if half is not None:
        of_day = half % 12 + 12 * known.get("a", 0)
        if hour not in (-1, of_day):
            raise ValueError
        return int(of_day)
    if hour < 0:
        return 12 * int(known.get("a", 0))
    if "a" in known and known["a"] != hour // 12:
        raise ValueError
    return hour


def _regex(pattern: str, tokens: Iterable[Token], fields: list[tuple[str, Callable[[str], Any]]]) -> str:
    parts = []
    for token in tokens:
        if isinstance(token, Literal):
            # Only names are read in either case; literal text is itself.
            parts.append(f"(?-i:{re.escape(token.text)})")
        elif isinstance(token, Section):
            parts.append(f"(?:{_regex(pattern, token.tokens, fields)})?")
        else:
            name, regex, read = _field(pattern, token)
            parts.append(f"({regex})")
            fields.append((name, read))
    return "".join(parts)


def _field(pattern: str, field: Field) -> tuple[str, str, Callable[[str], Any]]:
    """The name under which a letter's value is known, its regex, and how its text is read."""
    letter, width = field.letter, field.width
    if letter in _ZONES:
        regex, zone_of = _ZONES[letter](width)
        return "zone", regex, zone_of
    if letter in "MLEQqG" and width == 5 and letter not in "Qq":
        raise FunctionError(f"date pattern {pattern!r}: {letter * 5} prints one letter, which cannot be read back")
    name = {"L": "M", "q": "Q"}.get(letter, letter)
    if (letter in "ML" and width >= 3) or letter == "E":
        if letter == "E":
            return name, *_choice([text if width == 4 else text[:3] for text in WEEKDAYS], 1)
        return name, _MONTH_FULL_REGEX if width == 4 else _MONTH_NAME_REGEX, _MONTH_FULL if width == 4 else _MONTH_NAME
    if letter in "Qq" and width in (3, 4):
        return name, *_choice([f"Q{n}" for n in (1, 2, 3, 4)] if width == 3 else list(QUARTERS), 1)
    if letter == "G":
        return name, *_choice(["Anno Domini"] if width == 4 else ["AD"], 1)
    if letter == "a":
        return name, *_choice(["AM", "PM"], 0)
    if letter in "yY":
        return name, *_year(width)
    if letter == "S":
        return name, *_fraction(width)
    low, high = _RANGES[letter]
    most = len(str(high))
    digits = f"{{1,{most}}}" if width == 1 else f"{{{width},{max(width, most if letter == 'D' else width)}}}"
    return name, f"[0-9]{digits}", _MONTH if name == "M" else _within(low, high)


_RANGES = {
    "M": (1, 12), "L": (1, 12), "d": (1, 31), "D": (1, 366), "w": (1, 53), "W": (0, 6), "F": (1, 5), "u": (1, 7),
    "H": (0, 23), "k": (1, 24), "K": (0, 11), "h": (1, 12), "m": (0, 59), "s": (0, 59), "Q": (1, 4), "q": (1, 4),
}  # fmt: skip


def _within(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        number = int(text)
        if not low <= number <= high:
            raise ValueError
        return number

    return read


def _choice(names: Sequence[str], first: int) -> tuple[str, Callable[[str], int]]:
    places = {name.lower(): place for place, name in enumerate(names, first)}
    return "|".join(re.escape(name) for name in names), lambda text: places[text.lower()]


_MONTH = _within(1, 12)
_MONTH_NAME_REGEX, _MONTH_NAME = _choice([text[:3] for text in MONTHS], 1)
_MONTH_FULL_REGEX, _MONTH_FULL = _choice(MONTHS, 1)


def _year(width: int) -> tuple[str, Callable[[str], int]]:
    if width == 2:
        return "[0-9]{2}", lambda text: 2000 + int(text)
    return {1: "[0-9]{1,4}", 3: "[0-9]{3,4}"}.get(width, f"[0-9]{{{width}}}"), int


def _fraction(width: int) -> tuple[str, Callable[[str], int]]:
    """Microseconds: of up to three letters a number of milliseconds, of more a fraction."""
    if width <= 3:
        return f"[0-9]{{{width},3}}", _millis
    return f"[0-9]{{{width}}}", lambda text: int(text.ljust(6, "0")[:6])


def _millis(text: str) -> int:
    return 1000 * int(text)


@lru_cache(maxsize=256)
def _offset(text: str) -> Any:
    """``Z``, or sign and digits with or without colons."""
    if text in ("Z", "z"):
        return UTC
    digits = text[1:].replace(":", "").ljust(6, "0")
    minutes, seconds = int(digits[2:4]), int(digits[4:])
    if minutes > 59 or seconds > 59:
        raise ValueError
    total = int(digits[:2]) * 3600 + minutes * 60 + seconds
    return offset(-total if text[0] == "-" else total)


def _named(text: str) -> Any:
    known = zones_by_name().get(text.lower())
    return zone(known[0] if known else text)


_D2 = "[0-9]{2}"
_ISO = {
    1: f"(?-i:Z)|[+-]{_D2}(?:{_D2})?",
    2: f"(?-i:Z)|[+-]{_D2}{_D2}",
    3: f"(?-i:Z)|[+-]{_D2}:{_D2}",
    4: f"(?-i:Z)|[+-]{_D2}{_D2}(?:{_D2})?",
    5: f"(?-i:Z)|[+-]{_D2}:{_D2}(?::{_D2})?",
}
_LOCALIZED = rf"GMT(?:[+-][0-9]{{1,2}}(?::{_D2})?)?"
_LOCALIZED_FULL = rf"GMT(?:[+-]{_D2}:{_D2})?"

_RFC822: dict[int, tuple[str, Callable[[str], Any]]] = {4: (_LOCALIZED_FULL, zone), 5: (_ISO[5], _offset)}

_ZONES: dict[str, Callable[[int], tuple[str, Callable[[str], Any]]]] = {
    "X": lambda width: (_ISO[width], _offset),
    "Z": lambda width: _RFC822.get(width, (f"[+-]{_D2}{_D2}", _offset)),
    "O": lambda width: (_LOCALIZED if width == 1 else _LOCALIZED_FULL, zone),
    "V": lambda _: (rf"[A-Za-z][A-Za-z0-9_+\-/:]*|[+-]{_D2}:{_D2}", zone),
    "z": lambda width: (r"[A-Za-z][A-Za-z .\u2019'\-]*" if width == 4 else r"[A-Za-z][A-Za-z0-9_+\-/:]*", _named),
}
