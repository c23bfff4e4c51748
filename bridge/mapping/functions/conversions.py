"""Type conversions, JSON text and aggregation (data-prep/functions)."""

from __future__ import annotations

import json
import math
import re
import struct
from datetime import datetime
from typing import Any

import orjson

from bridge.mapping.functions.arguments import text_of
from bridge.mapping.functions.registry import FunctionError, Parameter, function
from bridge.mapping.values.coercion import to_number

CONVERSIONS = "Type conversions"
AGGREGATION = "Aggregation"
STRING = Parameter("STRING", "string")
MAX_INT = 2**31
_LONG_NUMBER = re.compile(r"[0-9]{19}").search


@function(
    "to_bigint", CONVERSIONS, "Text as a whole number of any size; decimals are cut off.", STRING, returns="integer"
)
def to_bigint(value: Any) -> int | None:
    """``to_bigint(STRING)``."""
    return None if value is None else _whole(to_number(value))


def _whole(number: float) -> int:
    if isinstance(number, float) and not math.isfinite(number):
        raise FunctionError("the number is not finite")
    return int(number)


@function("to_integer", CONVERSIONS, "Text as a 32-bit whole number; decimals are cut off.", STRING, returns="integer")
def to_int(value: Any) -> int | None:
    """``to_integer(STRING)``."""
    if value is None:
        return None
    number = _whole(to_number(value))
    if not -MAX_INT <= number < MAX_INT:
        raise FunctionError("to_integer: the number does not fit 32 bits; use to_bigint")
    return number


def _finite(value: Any) -> float:
    try:
        number = float(to_number(value))
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise FunctionError("the number is not finite, or too large for a double")
    return number


@function("to_decimal", CONVERSIONS, "Text as a double.", STRING, returns="number")
def to_decimal(value: Any) -> float | None:
    """``to_decimal(STRING)``."""
    return None if value is None else _finite(value)


@function(
    "to_float",
    CONVERSIONS,
    "Text as a 32-bit float, shown with the fewest digits that tell it.",
    STRING,
    returns="number",
)
def to_float(value: Any) -> float | None:
    """``to_float(STRING)``."""
    if value is None:
        return None
    try:
        packed = struct.pack("<f", _finite(value))
    except OverflowError:
        raise FunctionError("to_float: the number does not fit a 32-bit float") from None
    number: float = struct.unpack("<f", packed)[0]
    shown = (float(f"{number:.{digits}g}") for digits in range(1, 9))
    return next((short for short in shown if struct.pack("<f", short) == packed), float(f"{number:.9g}"))


@function("json_to_object", "JSON", "The value that JSON text spells.", STRING, returns="object")
def json_to_object(value: Any) -> Any:
    """``json_to_object(STRING)``."""
    if value is None:
        return None
    text = text_of(value)
    try:
        found = orjson.loads(text)
        # Integers beyond 64 bits come as floats, which changes their digits.
        return json.loads(text) if _LONG_NUMBER(text) else found
    except (ValueError, RecursionError):
        raise FunctionError("json_to_object: the text is not JSON") from None


def _comparable(values: tuple[Any, ...], name: str) -> list[Any]:
    given = values[0] if len(values) == 1 and isinstance(values[0], list) else values
    present = [value for value in given if value is not None]
    kinds = {_kind(value) for value in present}
    if len(kinds) > 1 or None in kinds:
        raise FunctionError(f"{name}: the values are not all numbers, all text, all dates or all booleans")
    return present


def _kind(value: Any) -> str | None:
    for types, kind in ((bool, "boolean"), (int | float, "number"), (str, "text"), (datetime, "date")):
        if isinstance(value, types):
            return kind
    return None


OPTIONS = Parameter("OPTIONS", variadic=True)


@function("min", AGGREGATION, "The smallest value in natural order; nulls are left out.", OPTIONS)
def smallest(*values: Any) -> Any:
    """``min(OPTIONS...)``: of the arguments, or of one array."""
    return min(_comparable(values, "min"), default=None)


@function("max", AGGREGATION, "The largest value in natural order; nulls are left out.", OPTIONS)
def largest(*values: Any) -> Any:
    """``max(OPTIONS...)``: of the arguments, or of one array."""
    return max(_comparable(values, "max"), default=None)
