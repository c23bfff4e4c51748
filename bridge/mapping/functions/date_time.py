"""Date and time functions (data-prep/functions, Date and time functions). Dates are aware ``datetime`` values."""

from __future__ import annotations

import math
from calendar import monthrange
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from bridge.mapping.functions import clock
from bridge.mapping.functions.arguments import text_of
from bridge.mapping.functions.registry import NOT_CONSTANT, FunctionError, Parameter, function
from bridge.mapping.values.coercion import to_date, to_integer, to_number, to_text
from bridge.mapping.values.dates.conversion import epoch_formatter, formatter, of_epoch, parse_date, parser, zone

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CATEGORY = "Date and time"
DATE = Parameter("DATE", "date")
FORMAT = Parameter("FORMAT", "string")
_DAY_DIGITS = 8


@function("now", CATEGORY, "The current date-time, in UTC, to the second.", returns="date", pure=False)
def now() -> datetime:
    """``now()``: the published samples print no fraction."""
    return clock.now().replace(microsecond=0)


@function("timestamp", CATEGORY, "The current epoch time in milliseconds.", returns="integer", pure=False)
def timestamp() -> int:
    """``timestamp()``."""
    return math.floor(clock.now().timestamp() * 1000)


def _format_at(constants: Sequence[Any]) -> Callable[..., Any] | None:
    pattern = constants[1]
    if pattern is NOT_CONSTANT or pattern is None:
        return None
    print_date = formatter(text_of(pattern))
    return lambda value, _: None if value is None else print_date(to_date(value))


@function(
    "format",
    CATEGORY,
    "Prints a date by a date pattern, in the date's own zone.",
    DATE,
    FORMAT,
    returns="string",
    specialize=_format_at,
)
def format_date(value: Any, pattern: Any) -> str | None:
    """``format(DATE, FORMAT)``."""
    if value is None or pattern is None:
        return None
    return formatter(text_of(pattern))(to_date(value))


def _milliseconds(value: Any) -> int:
    number = to_number(value)
    if isinstance(number, int):
        return number
    if not math.isfinite(number):
        raise FunctionError("dformat: TIMESTAMP is not a finite number")
    return math.floor(number)


def _dformat_at(constants: Sequence[Any]) -> Callable[..., Any] | None:
    pattern = constants[1]
    if pattern is NOT_CONSTANT or pattern is None:
        return None
    print_epoch = epoch_formatter(text_of(pattern))

    def dformatted(value: Any, _: Any) -> str | None:
        if type(value) is int:
            return print_epoch(value)
        return None if value is None else print_epoch(_milliseconds(value))

    return dformatted


@function(
    "dformat",
    CATEGORY,
    "Prints epoch milliseconds by a date pattern, in UTC.",
    Parameter("TIMESTAMP", "number"),
    FORMAT,
    returns="string",
    specialize=_dformat_at,
)
def dformat(value: Any, pattern: Any) -> str | None:
    """``dformat(TIMESTAMP, FORMAT)``."""
    if value is None or pattern is None:
        return None
    return epoch_formatter(text_of(pattern))(_milliseconds(value))


def _parsed(value: Any, parse: Callable[[str], datetime]) -> datetime:
    if isinstance(value, datetime):
        return value
    if isinstance(value, str):
        return parse(value)
    number = to_number(value)
    if parse is parse_date and not (isinstance(number, int) and len(str(abs(number))) == _DAY_DIGITS):
        return of_epoch(number)  # a number without a pattern: epoch milliseconds, unless its digits are those of a day
    return parse(to_text(number))


def _date_at(constants: Sequence[Any]) -> Callable[..., Any] | None:
    pattern = constants[1] if len(constants) > 1 else None
    if pattern is NOT_CONSTANT:
        return None
    parse = parse_date if pattern is None else parser(text_of(pattern))

    def dated(value: Any, _: Any = None, default: Any = None) -> datetime | None:
        if value is None:
            return None if default is None else to_date(default)
        return _parsed(value, parse)

    return dated


@function(
    "date",
    CATEGORY,
    "Reads text by the pattern of the source, or by the built-in formats and RFC 3339, a number as epoch milliseconds; DEFAULT_DATE stands in for null.",
    Parameter("DATE", "string"),
    Parameter("FORMAT", "string", required=False),
    Parameter("DEFAULT_DATE", "date", required=False),
    returns="date",
    specialize=_date_at,
)
def date(value: Any, pattern: Any = None, default: Any = None) -> datetime | None:
    """``date(DATE, FORMAT, DEFAULT_DATE)``; text without a zone is UTC."""
    if value is None:
        return None if default is None else to_date(default)
    return _parsed(value, parse_date if pattern is None else parser(text_of(pattern)))


_PARTS: dict[str, tuple[tuple[str, ...], Callable[[datetime], int]]] = {
    "year": (("yyyy", "yy"), lambda at: at.year),
    "quarter": (("qq", "q"), lambda at: (at.month + 2) // 3),
    "month": (("mm", "m"), lambda at: at.month),
    "dayofyear": (("dy", "y"), lambda at: at.timetuple().tm_yday),
    "day": (("dd", "d"), lambda at: at.day),
    "week": (("ww", "w"), lambda at: at.isocalendar()[1]),
    "weekday": (("dw",), lambda at: at.isoweekday() % 7 + 1),
    "hour": (("hh", "hh24"), lambda at: at.hour),
    "hh12": ((), lambda at: at.hour % 12 or 12),
    "minute": (("mi", "n"), lambda at: at.minute),
    "second": (("ss", "s"), lambda at: at.second),
    "millisecond": (("sss",), lambda at: at.microsecond // 1000),
}
_PART_OF = {name: read for part, (others, read) in _PARTS.items() for name in (part, *others)}
_FIELD_OF = {
    name: part
    for part in ("year", "month", "day", "hour", "minute", "second")
    for name in (part, *_PARTS[part][0])
    if name != "hh24"
}


def _component(name: Any, known: dict[str, Any], caller: str) -> Any:
    found = known.get(text_of(name).lower())
    if found is None:
        raise FunctionError(f"{caller}: COMPONENT is one of {', '.join(known)}")
    return found


def _existing(at: datetime) -> datetime:
    """As java.time does, a time that clocks skip in spring is moved on by what they skip."""
    return at.astimezone(UTC).astimezone(at.tzinfo)


def _date_part_at(constants: Sequence[Any]) -> Callable[..., Any] | None:
    if constants[0] is NOT_CONSTANT or constants[0] is None:
        return None
    read = _component(constants[0], _PART_OF, "date_part")
    return lambda _, value: None if value is None else read(to_date(value))


@function(
    "date_part",
    CATEGORY,
    "One component of a date as a number; w is the ISO week, dw counts from Sunday = 1.",
    Parameter("COMPONENT", "string"),
    DATE,
    returns="integer",
    specialize=_date_part_at,
)
def date_part(component: Any, value: Any) -> int | None:
    """``date_part(COMPONENT, DATE)``."""
    if component is None or value is None:
        return None
    part: int = _component(component, _PART_OF, "date_part")(to_date(value))
    return part


def _set_date_part_at(constants: Sequence[Any]) -> None:
    if constants[0] is not NOT_CONSTANT and constants[0] is not None:
        _component(constants[0], _FIELD_OF, "set_date_part")


@function(
    "set_date_part",
    CATEGORY,
    "A date with one component replaced, to the second; m is the month, n or mi the minute.",
    Parameter("COMPONENT", "string"),
    Parameter("VALUE", "number"),
    DATE,
    returns="date",
    specialize=_set_date_part_at,
)
def set_date_part(component: Any, number: Any, value: Any) -> datetime | None:
    """``set_date_part(COMPONENT, VALUE, DATE)``: the published sample drops the milliseconds of its input."""
    if component is None or number is None or value is None:
        return None
    field: str = _component(component, _FIELD_OF, "set_date_part")
    at = to_date(value)
    changed: dict[str, Any] = {field: to_integer(number)}
    try:
        if field in ("year", "month"):
            first = at.replace(day=1, **changed)
            changed["day"] = min(at.day, monthrange(first.year, first.month)[1])
        return _existing(at.replace(microsecond=0, **changed))
    except (ValueError, OverflowError):
        raise FunctionError(f"set_date_part: no date has such a {field}") from None


@function(
    "make_date_time",
    CATEGORY,
    "A date from its parts, in a zone (an id such as America/Los_Angeles, or an offset).",
    Parameter("YEAR", "number"),
    Parameter("MONTH", "number"),
    Parameter("DAY", "number"),
    Parameter("HOUR", "number"),
    Parameter("MINUTE", "number"),
    Parameter("SECOND", "number"),
    Parameter("NANOSECOND", "number"),
    Parameter("TIMEZONE", "string"),
    returns="date",
    aliases=("make_timestamp",),
)
def make_date_time(*parts: Any) -> datetime | None:
    """``make_date_time(YEAR, MONTH, DAY, HOUR, MINUTE, SECOND, NANOSECOND, TIMEZONE)``; kept to the microsecond."""
    if any(part is None for part in parts):
        return None
    year, month, day, hour, minute, second, nanosecond = (to_integer(part) for part in parts[:7])
    if not 0 <= nanosecond <= 999_999_999:
        raise FunctionError("make_date_time: NANOSECOND is from 0 to 999999999")
    where = zone(text_of(parts[7]))
    try:
        return _existing(datetime(year, month, day, hour, minute, second, nanosecond // 1000, tzinfo=where))
    except (ValueError, OverflowError):
        raise FunctionError("make_date_time: there is no such date or time") from None


@function("zone_date_to_utc", CATEGORY, "The same instant in UTC.", DATE, returns="date")
def zone_date_to_utc(value: Any) -> datetime | None:
    """``zone_date_to_utc(DATE)``."""
    return None if value is None else _moved(to_date(value), UTC)


def _to_zone_at(constants: Sequence[Any]) -> None:
    if constants[1] is not NOT_CONSTANT and constants[1] is not None:
        zone(text_of(constants[1]))


@function(
    "zone_date_to_zone",
    CATEGORY,
    "The same instant in another zone.",
    DATE,
    Parameter("ZONE", "string"),
    returns="date",
    specialize=_to_zone_at,
)
def zone_date_to_zone(value: Any, name: Any) -> datetime | None:
    """``zone_date_to_zone(DATE, ZONE)``."""
    return None if value is None or name is None else _moved(to_date(value), zone(text_of(name)))


def _moved(value: datetime, where: Any) -> datetime:
    try:
        return value.astimezone(where)
    except (ValueError, OverflowError):
        raise FunctionError("the date lies outside the years 1 to 9999 there") from None
