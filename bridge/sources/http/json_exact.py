r"""What the fast JSON parser would change is found, and read once more by a slow one that changes nothing.

orjson makes a float of an integer beyond 64 bits, rounds decimals to a double, and keeps the last of several members of one
name. An id would have other digits, and an event would be gone, though its request is answered 200. So:

* an integer beyond 64 bits becomes its text, since neither a double nor AEP's ``long`` can hold it;
* a decimal of more than 15 significant digits, or below the range of a double, becomes its text, unless it is what some double
  looks like in so many digits;
* members of one name are put together where nothing is lost: equal values once, objects joined, lists ``events`` one after
  the other, null gives way. Where that cannot be, :data:`AMBIGUOUS` stands in their place;
* :data:`BEYOND_DOUBLE` stands in the place of a number beyond the range of a double.

No JSON writer accepts either of the two, so an event in which one stands cannot be written, and its neighbours can.

Nearly every body costs no more than to look: what was read and written again is what came, byte by byte; or, where blanks
and escapes differ, it has as many quotation marks, and there is no long run of digits outside of texts.
"""

from __future__ import annotations

import json
import re
import sys
from decimal import Context, Decimal, InvalidOperation
from typing import Any, Final

import orjson

_ANY_DOUBLE_HOLDS = 15
"""Significant digits that survive a double, whatever they are; of 16 and 17 only some do."""
_RUN = b"0" * (_ANY_DOUBLE_HOLDS + 1)
_ZERO = 0x30
_DIGITS = bytes(0x30 if byte in b"0123456789." else 0x65 if byte == 0x45 else byte for byte in range(256))
"""Makes every digit and point a 0, and of the two letters before an exponent one."""
_NUMBER = re.compile(rb"[0-9.]+(?:[eE][+-]?[0-9]+)?")
_BEFORE_NUMBERS = b":,[ \t\r\n-"
_TINY = re.compile(rb"0e-000")
"""What a number looks like among :data:`_DIGITS` that may be so small that a double holds fewer digits of it, or none."""
_SMALLEST = sys.float_info.min
_UINT64_DIGITS = 20
_NUMBERED_MARK = b"\\u0022"
_FEW = 100


class Unwritable:
    """Stands in a value where nothing can be put without a change. No JSON writer accepts it."""

    __slots__ = ()


class Ambiguous(Unwritable):
    """Stands where several members of one name have values that cannot be put together."""

    __slots__ = ()


class BeyondDouble(Unwritable):
    """Stands where a number is beyond the range of a double."""

    __slots__ = ()


AMBIGUOUS: Final = Ambiguous()
BEYOND_DOUBLE: Final = BeyondDouble()


def is_changed(body: bytes, document: Any) -> bool:
    """Whether ``document``, which orjson read from ``body``, may say something else than ``body`` does."""
    try:
        written = orjson.dumps(document)
    except orjson.JSONEncodeError:
        return True
    # So write most who write without blanks.
    if written == body:
        return False
    digits = body.translate(_DIGITS)
    if (_RUN in digits and _has_long_number(body, digits)) or _has_tiny_number(body, digits):
        return True
    # A mark that is escaped by its number is written back as \".
    return body.count(b'"') != written.count(b'"') or _has_numbered_mark(body)


def read(text: str | bytes) -> tuple[Any, Unwritable | None]:
    """The value of a JSON text, and :data:`AMBIGUOUS` or :data:`BEYOND_DOUBLE` where one is in it; NaN and the infinities become null.

    Raises ``ValueError`` and ``RecursionError``.
    """
    marker: Unwritable | None = None

    def decimal(digits: str) -> Any:
        nonlocal marker
        try:
            return exact_decimal(digits)
        except ValueError:
            marker = marker or BEYOND_DOUBLE
            return BEYOND_DOUBLE

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal marker
        found = dict(pairs)
        if len(found) != len(pairs):
            found = {}
            for name, value in pairs:
                if name in found:
                    value = _together(name, found[name], value)  # noqa: PLW2901 - it takes the place of both
                    marker = AMBIGUOUS if _holds(value) else marker
                found[name] = value
        return found

    document = json.loads(
        text, object_pairs_hook=members, parse_int=exact_integer, parse_float=decimal, parse_constant=_null
    )
    return document, marker


def _together(name: str, one: Any, other: Any) -> Any:
    if one is None or other is None:
        return one if other is None else other
    # The same event twice is kept twice, as it would be in one list.
    if name == "events" and isinstance(one, list) and isinstance(other, list):
        return one + other
    if _same(one, other):
        return one
    # Two objects called "event" are two events, however little they differ.
    if isinstance(one, dict) and isinstance(other, dict) and name != "event":
        joined = dict(one)
        for inner, value in other.items():
            joined[inner] = _together(inner, joined[inner], value) if inner in joined else value
        return joined
    return AMBIGUOUS


def _same(one: Any, other: Any) -> bool:
    if one.__class__ is not other.__class__:
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(value, other[name]) for name, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


def _holds(value: Any) -> bool:
    waiting = [value]
    while waiting:
        inner = waiting.pop()
        if inner is AMBIGUOUS:
            return True
        if isinstance(inner, dict):
            waiting.extend(inner.values())
        elif isinstance(inner, list):
            waiting.extend(inner)
    return False


def _has_numbered_mark(body: bytes) -> bool:
    # Few bodies have many backslashes, and one byte is found much faster than six.
    at = body.find(b"\\")
    for _ in range(_FEW):
        if at < 0:
            return False
        if body.startswith(_NUMBERED_MARK, at):
            return True
        at = body.find(b"\\", at + 2)
    return _NUMBERED_MARK in body


def _has_long_number(body: bytes, digits: bytes) -> bool:
    at = digits.find(_RUN)
    while at >= 0:
        found = _NUMBER.match(body, at)
        if found is None:
            return False
        # Ids are mostly text, and text is never changed.
        before = body[at - 1 : at]
        if before in _BEFORE_NUMBERS and _is_inexact(("-" if before == b"-" else "") + found[0].decode()):
            return True
        at = digits.find(_RUN, found.end())
    return False


def _has_tiny_number(body: bytes, digits: bytes) -> bool:
    for mark in _TINY.finditer(digits):
        begin = mark.start()
        while begin and digits[begin - 1] == _ZERO:
            begin -= 1
        before = begin - 1 if body[begin - 1 : begin] == b"-" else begin
        # Parts of ids look so, too.
        if body[before - 1 : before] in _BEFORE_NUMBERS[:-1]:
            found = _NUMBER.match(body, begin)
            if found is not None and _is_inexact(found[0].decode()):
                return True
    return False


def _is_inexact(number: str) -> bool:
    try:
        value = exact_integer(number) if number.removeprefix("-").isdecimal() else exact_decimal(number)
    except ValueError:
        return False
    return isinstance(value, str)


def exact_integer(digits: str) -> int | str:
    """An integer, or its digits where 64 bits do not hold it."""
    if len(digits) <= _UINT64_DIGITS and -(2**63) <= (value := int(digits)) < 2**64:
        return value
    return digits


def exact_decimal(text: str) -> float | str:
    """A decimal as a double, or its text where a double would change it. Raises ``ValueError`` beyond the range of a double."""
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError("a number is beyond the range of a double")
    digits = text.lower().partition("e")[0].replace(".", "").lstrip("-0")
    if len(digits) <= _ANY_DOUBLE_HOLDS and (not digits or abs(value) >= _SMALLEST):
        return value
    try:
        exact = Decimal(text)
        printed = Context(prec=len(digits)).create_decimal(Decimal(value))
        return value if exact in (printed, Decimal(repr(value))) else text
    except InvalidOperation:
        return text


def _null(_name: str) -> None:
    return None
