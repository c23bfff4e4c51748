"""Numbers as JEXL and Java reckon with them; the choices are those of docs/decisions/arithmetic-and-null.md."""

from __future__ import annotations

import math
import re
from datetime import datetime
from typing import Any, Final

from bridge.mapping.values.coercion import to_text
from bridge.mapping.values.failures import FunctionError

LONG_MIN: Final = -(2**63)
LONG_MAX: Final = 2**63 - 1
_FLOAT_TEXT: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?\Z", re.ASCII)
_INT_TEXT: Final = re.compile(r"[+-]?\d{1,19}\Z", re.ASCII)


def number(value: Any) -> int | float:
    """An operand as a number; text that reads as one counts. Raises ``FunctionError``."""
    kind = value.__class__
    if kind is int or kind is float:
        return value  # type: ignore[no-any-return]
    if kind is bool:
        return int(value)
    if kind is str:
        if _INT_TEXT.match(value):
            return int(value)
        if len(value) <= 64 and _FLOAT_TEXT.match(value):
            return float(value)
        raise FunctionError("an operand is text that is not a number")
    raise FunctionError(f"an operand is {kind_of_operand(value)}, not a number")


def kind_of_operand(value: Any) -> str:
    """What a value is, in the words of a message."""
    names = {dict: "an object", list: "an array", str: "text", bool: "a boolean", int: "a number", float: "a number"}
    return names.get(value.__class__, "a date" if isinstance(value, datetime) else "no plain value")


def _long(value: Any) -> Any:
    if value.__class__ is int:
        if not LONG_MIN <= value <= LONG_MAX:
            raise FunctionError("the result is beyond 64 bits")
    elif not math.isfinite(value):
        raise FunctionError("the result is not a finite number")
    return value


def add(left: Any, right: Any) -> Any:
    """Sum of numbers; when both are text, or one is no number, their texts joined."""
    if left.__class__ is int and right.__class__ is int:
        return _long(left + right)
    if left is None or right is None:
        return None
    if not (left.__class__ is str and right.__class__ is str):
        try:
            one, other = number(left), number(right)
        except FunctionError:
            if left.__class__ is not str and right.__class__ is not str:
                raise
        else:
            return _long(one + other)
    return to_text(left) + to_text(right)


def subtract(left: Any, right: Any) -> Any:
    """Difference."""
    if left is None or right is None:
        return None
    return _long(number(left) - number(right))


def multiply(left: Any, right: Any) -> Any:
    """Product."""
    if left.__class__ is int and right.__class__ is int:
        result = left * right
        if LONG_MIN <= result <= LONG_MAX:
            return result
        raise FunctionError("the result is beyond 64 bits")
    if left is None or right is None:
        return None
    return _long(number(left) * number(right))


def divide(left: Any, right: Any) -> Any:
    """Quotient; of two integers the whole part, as Java's longs."""
    if left is None or right is None:
        return None
    one, other = number(left), number(right)
    if other == 0:
        raise FunctionError("division by zero")
    if one.__class__ is int and other.__class__ is int:
        whole = abs(one) // abs(other)
        return _long(whole if (one < 0) == (other < 0) else -whole)
    return _long(one / other)


def modulo(left: Any, right: Any) -> Any:
    """Remainder with the sign of the dividend, as in Java."""
    if left is None or right is None:
        return None
    one, other = number(left), number(right)
    if other == 0:
        raise FunctionError("division by zero")
    if one.__class__ is int and other.__class__ is int:
        rest = abs(one) % abs(other)
        return rest if one >= 0 else -rest
    return math.fmod(one, other)


def negate(value: Any) -> Any:
    """``-x``; of a boolean its opposite, as JEXL has it."""
    if value is None:
        return None
    if value.__class__ is bool:
        return not value
    return _long(-number(value))


def confirm(value: Any) -> Any:
    """``+x``: the number that ``x`` is."""
    return None if value is None or value.__class__ is bool else number(value)


def _bits(value: Any) -> int:
    found = number(value)
    if found.__class__ is int:
        return found
    if not math.isfinite(found) or not LONG_MIN <= found <= LONG_MAX:
        raise FunctionError("an operand has no 64-bit integer")
    return int(found)


def complement(value: Any) -> Any:
    """``~x`` on 64 bits."""
    return None if value is None else _long(~_bits(value))


def bit_and(left: Any, right: Any) -> Any:
    """``x & y`` on 64 bits."""
    return None if left is None or right is None else _long(_bits(left) & _bits(right))


def bit_or(left: Any, right: Any) -> Any:
    """``x | y`` on 64 bits."""
    return None if left is None or right is None else _long(_bits(left) | _bits(right))


def bit_xor(left: Any, right: Any) -> Any:
    """``x ^ y`` on 64 bits."""
    return None if left is None or right is None else _long(_bits(left) ^ _bits(right))
