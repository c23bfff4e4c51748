"""What operators do at run time: Apache Commons JEXL 3's arithmetic over JSON values and dates.

Where JEXL leaves a choice, this is the bridge's (docs/decisions/arithmetic-and-null.md): null operands of ``+ - * / %`` give
null; integers are Java longs, ``7 / 2`` is 3 and truncates towards zero; a result beyond 64 bits is an error, because XDM
cannot carry it; text that reads as a number counts as one. Messages never quote values.
"""

from __future__ import annotations

import math
import re
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from bridge.mapping.coercion import to_text
from bridge.mapping.failures import FunctionError
from bridge.mapping.java_regex import compile_java, subject

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LONG_MIN: Final = -(2**63)
LONG_MAX: Final = 2**63 - 1
_FLOAT_TEXT: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?\Z", re.ASCII)
_INT_TEXT: Final = re.compile(r"[+-]?\d{1,19}\Z", re.ASCII)


def truth(value: Any) -> bool:
    """Whether a condition holds: null, false, 0, NaN, "" and "false" do not."""
    if value is True or value is False:
        return value
    if value is None:
        return False
    kind = value.__class__
    if kind is str:
        return bool(value) and bool(value != "false")
    if kind is int or kind is float:
        return bool(value != 0 and value == value)  # noqa: PLR0124 - NaN
    return True


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
        raise FunctionError("an operand is text that is no number")
    raise FunctionError(f"an operand is {_a(value)}, not a number")


def _a(value: Any) -> str:
    names = {dict: "an object", list: "an array", str: "text", bool: "a boolean", int: "a number", float: "a number"}
    return names.get(value.__class__, "a date" if isinstance(value, datetime) else "no plain value")


def _long(value: Any) -> Any:
    if value.__class__ is int:
        if not LONG_MIN <= value <= LONG_MAX:
            raise FunctionError("the result is beyond 64 bits")
    elif not math.isfinite(value):
        raise FunctionError("the result is no finite number")
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


def equal(left: Any, right: Any) -> bool:
    """``==``: null equals only null, numbers equal text that reads as the same number, arrays and objects by content."""
    if left.__class__ is str and right.__class__ is str:
        return bool(left == right)
    if left is None or right is None:
        return left is right
    if left.__class__ is bool or right.__class__ is bool:
        return truth(left) == truth(right)
    if left.__class__ in _NUMBERS or right.__class__ in _NUMBERS:
        try:
            return number(left) == number(right)
        except FunctionError:
            return False
    if isinstance(left, datetime) and isinstance(right, datetime):
        return left == right
    if left.__class__ is str or right.__class__ is str:
        return to_text(left) == to_text(right)
    return left.__class__ is right.__class__ and bool(left == right)


_NUMBERS: Final = frozenset({int, float})


def unequal(left: Any, right: Any) -> bool:
    """``!=``."""
    return not equal(left, right)


def compare(left: Any, right: Any) -> int:
    """-1, 0 or 1. Neither side is null. Raises ``FunctionError`` for what has no order."""
    if left.__class__ in _NUMBERS or right.__class__ in _NUMBERS:
        one, other = number(left), number(right)
        return (one > other) - (one < other)
    if isinstance(left, datetime) and isinstance(right, datetime):
        return (left > right) - (left < right)
    if left.__class__ is bool and right.__class__ is bool:
        return int(left) - int(right)
    if left.__class__ is str or right.__class__ is str:
        text, other_text = to_text(left), to_text(right)
        return (text > other_text) - (text < other_text)
    raise FunctionError(f"{_a(left)} and {_a(right)} have no order")


def less(left: Any, right: Any) -> bool:
    """``<``: false when a side is null."""
    return left is not None and right is not None and compare(left, right) < 0


def less_equal(left: Any, right: Any) -> bool:
    """``<=``: true for null and null, else false when a side is null."""
    return left is right if left is None or right is None else compare(left, right) <= 0


def greater(left: Any, right: Any) -> bool:
    """``>``: false when a side is null."""
    return left is not None and right is not None and compare(left, right) > 0


def greater_equal(left: Any, right: Any) -> bool:
    """``>=``: true for null and null, else false when a side is null."""
    return left is right if left is None or right is None else compare(left, right) >= 0


_pattern = lru_cache(maxsize=512)(compile_java)


def matches(left: Any, right: Any) -> bool:
    """``x =~ y``: x matches the whole regular expression y, or is in the array, or is a key of the object y."""
    if left is None or right is None:
        return left is right
    if right.__class__ is str:
        return _pattern(right).fullmatch(subject(to_text(left))) is not None
    if right.__class__ is list:
        if left.__class__ is list:
            return all(any(equal(one, other) for other in right) for one in left)
        return any(equal(left, one) for one in right)
    if right.__class__ is dict:
        return all(key in right for key in left) if left.__class__ is dict else to_text(left) in right
    raise FunctionError("the right side of =~ is neither text, array nor object")


def starts(left: Any, right: Any) -> bool:
    """``x =^ y``: the text x begins with y."""
    if left is None or right is None:
        return left is right
    return to_text(left).startswith(to_text(right))


def ends(left: Any, right: Any) -> bool:
    """``x =$ y``: the text x ends with y."""
    if left is None or right is None:
        return left is right
    return to_text(left).endswith(to_text(right))


def empty(value: Any) -> bool:
    """``empty x``: null, "", an empty array or object, 0 and NaN."""
    if value is None:
        return True
    kind = value.__class__
    if kind is str or kind is list or kind is dict:
        return not value
    return (kind is int or kind is float) and not truth(value)


def size(value: Any) -> int:
    """``size x``: characters of text, elements of an array, keys of an object; 0 for null."""
    if value is None:
        return 0
    if value.__class__ in (str, list, dict):
        return len(value)
    raise FunctionError(f"{_a(value)} has no size")


def step(value: Any, key: Any) -> Any:
    """``x[key]`` and ``x.key`` of a computed value: null when there is nothing."""
    if value.__class__ is dict:
        return value.get(key if key.__class__ is str else to_text(key)) if key is not None else None
    if value.__class__ is list and key.__class__ is int and 0 <= key < len(value):
        return value[key]
    return None


BINARY: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "+": add,
    "-": subtract,
    "*": multiply,
    "/": divide,
    "%": modulo,
    "|": bit_or,
    "^": bit_xor,
    "&": bit_and,
    "==": equal,
    "!=": unequal,
    "<": less,
    "<=": less_equal,
    ">": greater,
    ">=": greater_equal,
    "=~": matches,
    "=^": starts,
    "=$": ends,
}
NEGATED: Final[Mapping[str, str]] = {"!~": "=~", "!^": "=^", "!$": "=$"}
UNARY: Final[Mapping[str, Callable[[Any], Any]]] = {
    "-": negate,
    "+": confirm,
    "~": complement,
    "empty": empty,
    "size": size,
}
ALWAYS_BOOLEAN: Final = frozenset(
    {"==", "!=", "<", "<=", ">", ">=", "=~", "!~", "=^", "!^", "=$", "!$", "&&", "||", "!", "empty"}
)
"""Operators whose result needs no test of its truth."""
