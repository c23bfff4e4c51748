"""What operators do at run time: Apache Commons JEXL 3's arithmetic over JSON values and dates.

Where JEXL leaves a choice, this is the bridge's (docs/decisions/arithmetic-and-null.md): null operands of ``+ - * / %`` give
null; integers are Java longs, ``7 / 2`` is 3 and truncates towards zero; a result beyond 64 bits is an error, because XDM
cannot carry it; text that reads as a number counts as one. Messages never quote values.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from bridge.mapping.values.arithmetic import (
    add,
    bit_and,
    bit_or,
    bit_xor,
    complement,
    confirm,
    divide,
    kind_of_operand,
    modulo,
    multiply,
    negate,
    number,
    subtract,
)
from bridge.mapping.values.coercion import to_text
from bridge.mapping.values.failures import FunctionError
from bridge.mapping.values.regex.java import compile_java

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


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
    raise FunctionError(f"{kind_of_operand(left)} and {kind_of_operand(right)} have no order")


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


def map_key(value: Any) -> str:
    """A key of a map literal as text; null is none."""
    if value is None:
        raise FunctionError("a key of a map is null: put quotes around a name that is meant as it stands")
    return to_text(value)


_pattern = lru_cache(maxsize=512)(compile_java)


def matches(left: Any, right: Any) -> bool:
    """``x =~ y``: x matches the whole regular expression y, or is in the array, or is a key of the object y."""
    if left is None or right is None:
        return left is right
    if right.__class__ is str:
        regex = _pattern(right)
        return regex.fullmatch(to_text(left)) is not None
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
    raise FunctionError(f"{kind_of_operand(value)} has no size")


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
