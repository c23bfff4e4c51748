"""Values turned into other types as Data Prep (Java) does: text, numbers, booleans, dates.

Values are what JSON gives and aware ``datetime``. Every function raises :class:`FunctionError` for what cannot be turned;
messages name types, never values. Sources: data-prep/data-handling (booleans, dates), Data Prep OpenAPI (number to string).
"""

from __future__ import annotations

import math
import re
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from bridge.mapping.values.dates.conversion import formatter, parse_date
from bridge.mapping.values.failures import FunctionError

if TYPE_CHECKING:
    from collections.abc import Mapping

BOOLEANS: Mapping[str, bool] = {
    **dict.fromkeys(("y", "yes", "Y", "YES", "on", "ON", "true", "TRUE"), True),
    **dict.fromkeys(("n", "N", "no", "NO", "off", "OFF", "false", "FALSE"), False),
}
"""The exact spellings; any other (``True``, ``1``, a blank around) is no boolean."""

_INTEGER = re.compile(r"[+-]?[0-9]{1,400}")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]{1,400}(?:\.[0-9]{0,400})?|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,5})?")
_BLANKS = "".join(map(chr, range(33)))

_JAVA_DATE = formatter("EEE MMM dd HH:mm:ss zzz yyyy")


def kind_of(value: Any) -> str:
    """The word for a value's type in messages."""
    for types, word in _KINDS:
        if isinstance(value, types):
            return word
    return "null" if value is None else type(value).__name__


def a_kind(value: Any) -> str:
    """``a string``, ``an array``."""
    kind = kind_of(value)
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


_KINDS: tuple[tuple[Any, str], ...] = (
    (bool, "boolean"),
    (int | float, "number"),
    (str, "string"),
    (datetime, "date"),
    (list, "array"),
    (dict, "object"),
)


def to_text(value: Any) -> str:
    """Text as Java's ``String.valueOf``: ``true``, ``1.0E10``, ``[a, b]``, ``{k=v}``, ``null``.

    A date prints as java.util.Date does (``Fri Sep 25 15:17:31 PDT 2020``): that is what Adobe's sample of ``concat`` shows.
    """
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, int):
        return _integer_text(value)
    if isinstance(value, float):
        return double_text(value)
    if isinstance(value, datetime):
        return _JAVA_DATE(value)
    if isinstance(value, list):
        return "[" + ", ".join([to_text(item) for item in value]) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join([f"{key}={to_text(item)}" for key, item in value.items()]) + "}"
    raise FunctionError(f"{a_kind(value)} has no text")


def _integer_text(value: int) -> str:
    if value.bit_length() > 4096:
        raise FunctionError("the integer is too long to print")
    return str(value)


def double_text(value: float) -> str:
    """``Double.toString``: decimal from 10^-3 to 10^7, else ``d.dE+n``; always with a fraction."""
    if 1e-3 <= value < 1e7:
        return repr(value)  # most numbers there are; Python and Java print these alike
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    sign = "-" if math.copysign(1.0, value) < 0 else ""
    size = abs(value)
    if size == 0 or 1e-3 <= size < 1e7:
        plain = repr(size) if "e" not in repr(size) else f"{Decimal(repr(size)):f}"
        return sign + plain
    _, digits, exponent = Decimal(repr(size)).as_tuple()
    text = "".join(map(str, digits)).rstrip("0") or "0"
    power = int(exponent) + len(digits) - 1
    return f"{sign}{text[0]}.{text[1:] or '0'}E{power}"


def to_number(value: Any) -> int | float:
    """A number, or the number that text spells in decimal (blanks around it do not matter); whole text stays whole."""
    if isinstance(value, bool):
        raise FunctionError("a boolean is not a number")
    if isinstance(value, int | float):
        return value
    if isinstance(value, str):
        text = value.strip(_BLANKS)
        if _INTEGER.fullmatch(text):
            return int(text)
        if _DECIMAL.fullmatch(text):
            number = float(text)
            if math.isfinite(number):
                return number
        raise FunctionError("the text is not a number")
    raise FunctionError(f"{a_kind(value)} is not a number")


def to_integer(value: Any) -> int:
    """A whole number: of doubles (``5.0``) and of text (``"5"``, ``"5.0"``) only when nothing is lost."""
    number = to_number(value)
    if isinstance(number, int):
        return number
    if number.is_integer():
        return int(number)
    raise FunctionError("the number is not whole")


def to_boolean(value: Any) -> bool:
    """A boolean, or the text of one in the documented spellings."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        known = BOOLEANS.get(value)
        if known is not None:
            return known
        raise FunctionError("the text is not one of the spellings of a boolean (y, yes, on, true, n, no, off, false)")
    raise FunctionError(f"{a_kind(value)} is not a boolean")


def to_date(value: Any) -> datetime:
    """A date, or text in one of the built-in formats (:data:`bridge.mapping.values.dates.conversion.FALLBACK_FORMATS`)."""
    if isinstance(value, datetime):
        return value
    if isinstance(value, str):
        return parse_date(value)
    raise FunctionError(f"{a_kind(value)} is not a date")
