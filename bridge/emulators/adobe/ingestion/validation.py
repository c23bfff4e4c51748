"""The validation of AEP's streaming ingestion: strict, nothing is coerced, five violations a record at most.

Compiled from the fields of a resolved schema (:mod:`bridge.xdm.schema.fields`), and on purpose not by the checks that the
bridge holds its events to: those coerce first, and an emulator that shared them would never see what they let through.

Codes seen in real failed batches: DCVS-1103 (pattern), DCVS-1104 (type, null included), DCVS-1106 (required). Adobe publishes
no list; 1105 (format) is unverified, and 1107 (enum), 1108 (range), 1109 (length), 1110 (extraneous key) are made up here.
"""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

from bridge.xdm.required import is_uri_reference
from bridge.xdm.schema.value_checks import search_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from bridge.xdm.schema.fields import Kind, SchemaField

    Check = Callable[[Any, "Place", "list[Violation]"], None]

Place = tuple[Any, str | int] | None
MOST: Final = 5
_NAMES: Final[Mapping[Kind, str]] = {
    "object": "JSONObject",
    "map": "JSONObject",
    "array": "JSONArray",
    "string": "String",
    "integer": "Integer",
    "number": "Number",
    "boolean": "Boolean",
}
_DATE_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)", flags=re.ASCII)
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+")
_MAX_INT: Final = 2**31


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is wrong with a record; ``pointer`` as AEP prints it (``#/commerce/order``)."""

    code: str
    keyword: str
    pointer: str
    message: str

    @property
    def told(self) -> str:
        """Pointer and message in one."""
        return f"{self.pointer}: {self.message}"


def compile_validation(root: SchemaField) -> Callable[[Any], list[Violation]]:
    """A function that gives what is wrong with a record, nothing when it passes."""
    check = _check(root)

    def validate(entity: Any) -> list[Violation]:
        out: list[Violation] = []
        if check is not None:
            check(entity, None, out)
        return out[:MOST]

    return validate


def _check(field: SchemaField) -> Check | None:
    match field.kind:
        case "object" | "map":
            return _object(field)
        case "array":
            return _array(field)
        case "string":
            return _string(field)
        case "integer" | "number":
            return _number(field)
        case "boolean":
            return _boolean
    return None


def _plain(field: SchemaField) -> type[Any] | None:
    """The Python type of which every value is right without a look."""
    constraints = (field.enum, field.format, field.pattern, field.min_length, field.max_length)
    if field.kind == "string" and all(one is None for one in constraints):
        return str
    return bool if field.kind == "boolean" and field.enum is None else None


def _object(field: SchemaField) -> Check:
    checks = {name: _check(child) for name, child in field.properties.items()}
    plain = {name: type_ for name, child in field.properties.items() if (type_ := _plain(child)) is not None}
    rest = None if field.values is None else _check(field.values)
    rest_plain = None if field.values is None else _plain(field.values)
    patterns = [(search_of(pattern), _check(child)) for pattern, child in field.patterns]
    required, kind = field.required, field.kind
    # A pattern that cannot be read here may match any name.
    closed = field.closed and all(search is not None for search, _ in patterns)

    def check(value: Any, place: Place, out: list[Violation]) -> None:
        if type(value) is not dict:
            out.append(_wrong_type(kind, value, place))
            return
        for key, item in value.items():
            if key in checks:
                if type(item) is plain.get(key):
                    continue
                each = checks[key]
            else:
                matching = [one for search, one in patterns if search is not None and search(key)]
                if closed and not matching:
                    message = f"extraneous key [{key}] is not permitted"
                    out.append(Violation("DCVS-1110-400", "additionalProperties", _pointer(place), message))
                    continue
                each = matching[0] if matching else rest
                if not matching and type(item) is rest_plain:
                    continue
            if each is not None:
                each(item, (place, key), out)
        if required and not required <= value.keys():
            out.extend(
                Violation("DCVS-1106-400", "required", _pointer(place), f"required key [{key}] not found")
                for key in sorted(required - value.keys())
            )

    return check


def _array(field: SchemaField) -> Check:
    each = None if field.items is None else _check(field.items)

    def check(value: Any, place: Place, out: list[Violation]) -> None:
        if type(value) is not list:
            out.append(_wrong_type("array", value, place))
            return
        if each is not None:
            for index, item in enumerate(value):
                each(item, (place, index), out)
        out.extend(_length(field, len(value), "Items", "item count", place))

    return check


def _length(field: SchemaField, length: int, noun: str, words: str, place: Place) -> Iterator[Violation]:
    fewest, most = field.min_length, field.max_length
    if fewest is not None and length < fewest:
        message = f"expected minimum {words}: {fewest}, found: {length}"
        yield Violation("DCVS-1109-400", f"min{noun}", _pointer(place), message)
    if most is not None and length > most:
        message = f"expected maximum {words}: {most}, found: {length}"
        yield Violation("DCVS-1109-400", f"max{noun}", _pointer(place), message)


def _string(field: SchemaField) -> Check:
    search = None if field.pattern is None else search_of(field.pattern)
    is_right = _FORMATS.get(field.format or "")

    def check(value: Any, place: Place, out: list[Violation]) -> None:
        if type(value) is not str:
            out.append(_wrong_type("string", value, place))
            return
        if search is not None and not search(value):
            message = f"string [{value[:100]}] does not match pattern {field.pattern}"
            out.append(Violation("DCVS-1103-400", "pattern", _pointer(place), message))
        if is_right is not None and not is_right(value):
            message = f"[{value[:100]}] is not a valid {field.format}"
            out.append(Violation("DCVS-1105-400", "format", _pointer(place), message))
        _check_enum(field, value, place, out)
        out.extend(_length(field, len(value), "Length", "length", place))

    return check


_BOUNDS: Final[Mapping[str, tuple[Callable[[Any, Any], bool], str, str]]] = {
    "minimum": (operator.ge, "minimum", "is not greater or equal to"),
    "maximum": (operator.le, "maximum", "is not less or equal to"),
    "exclusive_minimum": (operator.gt, "exclusiveMinimum", "is not greater than"),
    "exclusive_maximum": (operator.lt, "exclusiveMaximum", "is not less than"),
}


def _number(field: SchemaField) -> Check:
    whole = field.kind == "integer"
    tests = [(bound, *test) for name, test in _BOUNDS.items() if (bound := getattr(field, name)) is not None]

    def check(value: Any, place: Place, out: list[Violation]) -> None:
        kind = type(value)
        if kind is not int and (whole or kind is not float):
            out.append(_wrong_type(field.kind, value, place))
            return
        for bound, holds, keyword, words in tests:
            if not holds(value, bound):
                out.append(Violation("DCVS-1108-400", keyword, _pointer(place), f"{value} {words} {bound:g}"))
        _check_enum(field, value, place, out)

    return check


def _boolean(value: Any, place: Place, out: list[Violation]) -> None:
    if type(value) is not bool:
        out.append(_wrong_type("boolean", value, place))


def _check_enum(field: SchemaField, value: Any, place: Place, out: list[Violation]) -> None:
    if field.enum is not None and value not in field.enum:
        message = f"{str(value)[:100]} is not a valid enum value"
        out.append(Violation("DCVS-1107-400", "enum", _pointer(place), message))


def _wrong_type(kind: Kind, value: Any, place: Place) -> Violation:
    message = f"expected type: {_NAMES[kind]}, found: {_found(value)}"
    return Violation("DCVS-1104-400", "type", _pointer(place), message)


def _found(value: Any) -> str:
    if value is None:
        return "Null"
    if isinstance(value, bool):
        return "Boolean"
    if isinstance(value, int):
        return "Integer" if -_MAX_INT <= value < _MAX_INT else "Long"
    return {float: "Double", str: "String", list: "JSONArray", dict: "JSONObject"}[type(value)]


def _pointer(place: Place) -> str:
    steps: list[str] = []
    while place is not None:
        place, step = place
        steps.append(str(step).replace("~", "~0").replace("/", "~1"))
    return "/".join(["#", *reversed(steps)])


def _is_date_time(text: str) -> bool:
    if _DATE_TIME.fullmatch(text) is None:
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _is_date(text: str) -> bool:
    try:
        return len(text) == 10 and date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


_FORMATS: Final[Mapping[str, Callable[[str], bool]]] = {
    "date-time": _is_date_time,
    "date": _is_date,
    "uri-reference": is_uri_reference,
    "uri": lambda text: _URI.match(text) is not None and is_uri_reference(text),
    "email": lambda text: _EMAIL.fullmatch(text) is not None,
}
