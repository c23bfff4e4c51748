"""Checks of single values, compiled from a schema field: coerced as Data Prep does, then held to the constraints.

A check takes the value, where it stands, and what has been said so far; it gives the value to send. Words are those of
AEP's validator, without the value. Sources: data-prep/data-handling, BatchBlaster's output of real failed batches.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from bridge.mapping.values.coercion import double_text, to_boolean, to_number
from bridge.mapping.values.dates.conversion import iso
from bridge.mapping.values.failures import FunctionError
from bridge.mapping.values.regex.java import compile_java
from bridge.xdm.problems import MAX_VIOLATIONS, DroppedValue, EventFinding
from bridge.xdm.required import is_uri_reference

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bridge.xdm.schema.fields import Kind, SchemaField

Place = tuple[Any, str | int] | None
"""Where a value stands: the place of what holds it, and its key or index there; None for the event itself."""

Said = list[EventFinding | DroppedValue]
"""What has been said of one event that does not keep it from leaving: findings, and values that were left out."""

Check = "Callable[[Any, Place, Said], Any]"


@dataclass(frozen=True, slots=True)
class Wrong:
    """What a check gives for a value that AEP would refuse: the violations, at most five, and the value as far as it got.

    ``final``: the event has to be refused for it, whatever is optional around it.
    """

    found: tuple[EventFinding, ...]
    value: Any
    final: bool = False

    def beside(self, other: Wrong | None) -> Wrong:
        """Both as one, ``other`` first; the value is this one's."""
        if other is None:
            return self
        return Wrong((*other.found, *self.found)[:MAX_VIOLATIONS], self.value, self.final or other.final)


_KEY_SHOWN: Final = 64
_ALLOWED_SHOWN: Final = 20
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
_MAX_INT: Final = 2**31
_MAX_EXACT: Final = float(2**53)
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+").fullmatch
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:").match


def pointer(place: Place) -> str:
    """``#/commerce/order``: a JSON pointer as AEP prints it; long keys are cut."""
    steps = []
    while place is not None:
        place, key = place
        text = str(key)
        text = text if len(text) <= _KEY_SHOWN else text[:_KEY_SHOWN] + "…"
        steps.append(text.replace("~", "~0").replace("/", "~1"))
    return "/".join(["#", *reversed(steps)])


def wrong(place: Place, value: Any, *faults: tuple[str, str]) -> Wrong:
    """The value with what is wrong about it: pairs of code and reason."""
    return Wrong(tuple(EventFinding(pointer(place), code, reason) for code, reason in faults[:MAX_VIOLATIONS]), value)


def wrong_type(place: Place, kind: Kind, value: Any) -> Wrong:
    """A value of another type than the schema's that cannot become one."""
    return wrong(place, value, ("DCVS-1104", f"expected type: {_TYPE_NAMES[kind]}, found: {_found(value)}"))


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


def any_value(value: Any, _place: Place, _said: Said) -> Any:
    """Take any value as it is."""
    return value


def scalar_check(field: SchemaField) -> Callable[[Any, Place, Said], Any]:
    """The check of a field that is neither object, map nor array."""
    if field.kind == "string":
        return _text_check(field)
    if field.kind in ("integer", "number"):
        return _number_check(field)
    return _boolean if field.kind == "boolean" else any_value


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
    held = constraints(field)

    def check(value: Any, place: Place, _said: Said) -> Any:
        if type(value) is not str:
            text = text_of(value)
            if text is None:
                return wrong_type(place, "string", value)
            value = text
        if held is not None and (faults := held(value)):
            return wrong(place, value, *faults)
        return value

    return check


def constraints(field: SchemaField) -> Callable[[str], list[tuple[str, str]]] | None:
    """What gives the code and reason of every constraint that a text breaks; None where the field has none."""
    searches = None if field.pattern is None else search_of(field.pattern)
    fits = _FORMATS.get(field.format or "")
    enum, shortest, longest = field.enum, field.min_length or 0, field.max_length
    if not (searches or fits or enum is not None or shortest or longest is not None):
        return None
    allowed = "" if enum is None else none_of("string", enum)

    def faults(value: str) -> list[tuple[str, str]]:
        found = []
        if searches is not None and not searches(value):
            found.append(("DCVS-1103", f"string does not match pattern {field.pattern}"))
        if enum is not None and value not in enum:
            found.append(("xdm_enum", allowed))
        if fits is not None and not fits(value):
            found.append(("xdm_format", f"string is not a valid {field.format}"))
        if len(value) < shortest:
            found.append(("xdm_length", f"expected minLength: {shortest}, actual: {len(value)}"))
        if longest is not None and len(value) > longest:
            found.append(("xdm_length", f"expected maxLength: {longest}, actual: {len(value)}"))
        return found

    return faults


def none_of(kind: str, enum: Sequence[Any]) -> str:
    """The words for a value outside its enum, with the values that are allowed."""
    shown = ", ".join(str(value)[:_KEY_SHOWN] for value in enum[:_ALLOWED_SHOWN])
    more = f" and {len(enum) - _ALLOWED_SHOWN} more" if len(enum) > _ALLOWED_SHOWN else ""
    return f"{kind} is not one of the enum's values ({shown}{more})"


_FORMATS: Final[Mapping[str, Callable[[str], Any]]] = {
    "uri-reference": is_uri_reference,
    "uri": lambda text: _URI(text) is not None and is_uri_reference(text),
    "email": _EMAIL,
}
"""Formats that are checked; other ones are not enforced."""

CHECKED_FORMATS: Final = frozenset({*_FORMATS, "date-time", "date"})


def _number_check(field: SchemaField) -> Callable[[Any, Place, Said], Any]:
    kind: Kind = field.kind
    whole = kind == "integer"
    least, most, above, below = field.minimum, field.maximum, field.exclusive_minimum, field.exclusive_maximum
    enum = field.enum
    allowed = "" if enum is None else none_of("number", enum)

    def check(value: Any, place: Place, _said: Said) -> Any:
        number = value
        if type(number) is not int and type(number) is not float:
            try:
                number = to_number(value)
            except FunctionError:
                return wrong_type(place, kind, value)
        if type(number) is float:
            if not math.isfinite(number):
                return wrong(
                    place, value, ("DCVS-1104", f"expected type: {_TYPE_NAMES[kind]}, found: no finite number")
                )
            if whole:
                if not number.is_integer():
                    return wrong_type(place, kind, number)
                number = int(number)
        elif not -_BEYOND_LONG <= number < _BEYOND_LONG:
            if whole:
                return wrong(place, value, ("xdm_range", "integer is beyond 64 bits"))
            try:
                number = float(number)  # as a double, as every reader of JSON takes it
            except OverflowError:
                return wrong(place, value, ("xdm_range", "number is too large for a double"))
        if whole and not -_BEYOND_LONG <= number < _BEYOND_LONG:
            return wrong(place, value, ("xdm_range", "integer is beyond 64 bits"))
        faults = []
        if least is not None and number < least:
            faults.append(("xdm_range", f"number is not greater or equal to {least}"))
        if most is not None and number > most:
            faults.append(("xdm_range", f"number is not less or equal to {most}"))
        if above is not None and number <= above:
            faults.append(("xdm_range", f"number is not greater than {above}"))
        if below is not None and number >= below:
            faults.append(("xdm_range", f"number is not less than {below}"))
        if enum is not None and number not in enum:
            faults.append(("xdm_enum", allowed))
        return wrong(place, number, *faults) if faults else number

    return check


def _boolean(value: Any, place: Place, _said: Said) -> Any:
    try:
        return to_boolean(value)
    except FunctionError:
        return wrong_type(place, "boolean", value)
