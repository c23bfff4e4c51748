"""Checks of single values, compiled from a schema field: coerced as Data Prep does, then held to the constraints.

A check takes the value, where it stands, and what has been said so far; it gives the value to send. Words are those of
AEP's validator, without the value. Sources: data-prep/data-handling, BatchBlaster's output of real failed batches.
"""

from __future__ import annotations

import math
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from bridge.mapping.coercion import double_text, to_boolean, to_date, to_number
from bridge.mapping.dates import iso
from bridge.mapping.failures import FunctionError
from bridge.mapping.java_regex import compile_java
from bridge.xdm.findings import MAX_VIOLATIONS, Finding
from bridge.xdm.required import is_uri_reference, parse_date_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bridge.xdm.schema_fields import Kind, SchemaField

Place = tuple[Any, str | int] | None
"""Where a value stands: the place of what holds it, and its key or index there; None for the event itself."""

Said = tuple[list[Finding], list[Finding]]
"""Findings and violations of one event."""

Check = "Callable[[Any, Place, Said], Any]"

_KEY_SHOWN: Final = 64
_BEYOND_LONG: Final = 2**63
_TYPE_NAMES: Final[Mapping[Kind, str]] = {
    "object": "JSONObject",
    "map": "JSONObject",
    "array": "JSONArray",
    "string": "String",
    "integer": "Integer",
    "number": "Number",
    "boolean": "Boolean",
}
_DATES: Final = 4_096
_MAX_INT: Final = 2**31
_MAX_EXACT: Final = float(2**53)
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+").fullmatch
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:").match
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}").fullmatch


def pointer(place: Place) -> str:
    """``#/commerce/order``: a JSON pointer as AEP prints it; long keys are cut."""
    steps = []
    while place is not None:
        place, key = place
        text = str(key)
        text = text if len(text) <= _KEY_SHOWN else text[:_KEY_SHOWN] + "…"
        steps.append(text.replace("~", "~0").replace("/", "~1"))
    return "/".join(["#", *reversed(steps)])


def refuse(said: Said, place: Place, code: str, reason: str) -> None:
    """Note a violation; like AEP's validation, no more than five."""
    if len(said[1]) < MAX_VIOLATIONS:
        said[1].append(Finding(pointer(place), code, reason))


def refuse_type(said: Said, place: Place, kind: Kind, value: Any) -> None:
    """Note that a value is of another type than the schema's and cannot become one."""
    refuse(said, place, "DCVS-1104", f"expected type: {_TYPE_NAMES[kind]}, found: {_found(value)}")


def _found(value: Any) -> str:
    match value:
        case None:
            return "Null"
        case bool():
            return "Boolean"
        case int():
            return "Integer" if -_MAX_INT <= value < _MAX_INT else "Long"
        case float():
            return "Double"
        case str() | datetime():
            return "String"
        case list():
            return "JSONArray"
        case dict():
            return "JSONObject"
    return type(value).__name__


def leave(value: Any, _place: Place, _said: Said) -> Any:
    """Take any value as it is."""
    return value


def scalar_check(field: SchemaField) -> Callable[[Any, Place, Said], Any]:
    """The check of a field that is neither object, map nor array."""
    if field.kind == "string":
        return _text_check(field)
    if field.kind in ("integer", "number"):
        return _number_check(field)
    return _boolean if field.kind == "boolean" else leave


def is_unconstrained(field: SchemaField) -> bool:
    """Whether any value of the field's own type is good."""
    return all(
        constraint is None
        for constraint in (
            field.enum,
            field.format,
            field.pattern,
            field.minimum,
            field.maximum,
            field.exclusive_minimum,
            field.exclusive_maximum,
            field.min_length,
            field.max_length,
        )
    )


def text_of(value: Any) -> str | None:
    """A scalar as text, None for what has none: whole floats print as integers (an id that came as 4000052183.0 stays one)."""
    if value is True:
        return "true"
    if value is False:
        return "false"
    if type(value) is int:
        return str(value) if value.bit_length() < 4096 else None
    if type(value) is float and math.isfinite(value):
        return str(int(value)) if value.is_integer() and abs(value) <= _MAX_EXACT else double_text(value)
    return iso(value) if isinstance(value, datetime) else None


def search_of(pattern: str) -> Callable[[str], object] | None:
    """What finds a pattern of the schema (Java's dialect) in text; None where it cannot be enforced.

    That is a pattern without an equal here, or one that could take for ever; text too long for a regex counts as found.
    """
    try:
        regex = compile_java(pattern)
    except FunctionError:
        return None
    return lambda text: not regex.fits(text) or regex.search(text)


def _text_check(field: SchemaField) -> Callable[[Any, Place, Said], Any]:
    if field.format in ("date-time", "date"):
        return _date_check(field.format)
    searches = None if field.pattern is None else search_of(field.pattern)
    fits = _FORMATS.get(field.format or "")
    enum, shortest, longest = field.enum, field.min_length or 0, field.max_length
    free = is_unconstrained(field) or not (searches or fits or enum or shortest or longest is not None)

    def check(value: Any, place: Place, said: Said) -> Any:
        if type(value) is not str:
            text = text_of(value)
            if text is None:
                refuse_type(said, place, "string", value)
                return value
            value = text
        if free:
            return value
        if searches is not None and not searches(value):
            refuse(said, place, "DCVS-1103", f"string does not match pattern {field.pattern}")
        if enum is not None and value not in enum:
            refuse(said, place, "xdm_enum", "string is not one of the enum's values")
        if fits is not None and not fits(value):
            refuse(said, place, "xdm_format", f"string is not a valid {field.format}")
        if len(value) < shortest:
            refuse(said, place, "xdm_length", f"expected minLength: {shortest}, actual: {len(value)}")
        if longest is not None and len(value) > longest:
            refuse(said, place, "xdm_length", f"expected maxLength: {longest}, actual: {len(value)}")
        return value

    return check


_FORMATS: Final[Mapping[str, Callable[[str], Any]]] = {
    "uri-reference": is_uri_reference,
    "uri": lambda text: _URI(text) is not None and is_uri_reference(text),
    "email": _EMAIL,
}
"""Formats that are checked; other ones are not enforced."""

CHECKED_FORMATS: Final = frozenset({*_FORMATS, "date-time", "date"})


def _date_check(name: str) -> Callable[[Any, Place, Said], Any]:
    with_time = name == "date-time"
    right: set[str] = set()

    def check(value: Any, place: Place, said: Said) -> Any:
        # Neighbours share their second: what has been found right need not be taken apart again.
        if type(value) is str and value in right:
            return value
        if type(value) is str and (parse_date_time(value) is not None if with_time else _is_date(value)):
            if len(right) >= _DATES:
                right.clear()
            right.add(value)
            return value
        if type(value) is not str and not isinstance(value, datetime):
            refuse_type(said, place, "string", value)
            return value
        try:
            text = iso(to_date(value))
        except (FunctionError, ValueError, OverflowError):
            refuse(said, place, "xdm_format", f"string is not a valid {name}, nor one of Data Prep's date formats")
            return value
        return text if with_time else text[:10]

    return check


def _is_date(text: str) -> bool:
    return _DATE(text) is not None and parse_date_time(f"{text}T00:00:00Z") is not None


def _number_check(field: SchemaField) -> Callable[[Any, Place, Said], Any]:
    kind: Kind = field.kind
    whole = kind == "integer"
    least, most, above, below = field.minimum, field.maximum, field.exclusive_minimum, field.exclusive_maximum
    enum = field.enum

    def check(value: Any, place: Place, said: Said) -> Any:
        number = value
        if type(number) is not int and type(number) is not float:
            try:
                number = to_number(value)
            except FunctionError:
                refuse_type(said, place, kind, value)
                return value
        if type(number) is float:
            if not math.isfinite(number):
                refuse(said, place, "DCVS-1104", f"expected type: {_TYPE_NAMES[kind]}, found: no finite number")
                return value
            if whole:
                if not number.is_integer():
                    refuse_type(said, place, kind, number)
                    return value
                number = int(number)
        if whole and not -_BEYOND_LONG <= number < _BEYOND_LONG:
            refuse(said, place, "xdm_range", "integer is beyond 64 bits")
        if least is not None and number < least:
            refuse(said, place, "xdm_range", f"number is not greater or equal to {least}")
        if most is not None and number > most:
            refuse(said, place, "xdm_range", f"number is not less or equal to {most}")
        if above is not None and number <= above:
            refuse(said, place, "xdm_range", f"number is not greater than {above}")
        if below is not None and number >= below:
            refuse(said, place, "xdm_range", f"number is not less than {below}")
        if enum is not None and number not in enum:
            refuse(said, place, "xdm_enum", "number is not one of the enum's values")
        return number

    return check


def _boolean(value: Any, place: Place, said: Said) -> Any:
    try:
        return to_boolean(value)
    except FunctionError:
        refuse_type(said, place, "boolean", value)
        return value
