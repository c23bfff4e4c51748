"""Destinations of a mapping set held against an XDM schema, as far as it can be known without an event."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Protocol

from bridge.mapping.findings import Finding, nearest
from bridge.mapping.functions import FUNCTIONS
from bridge.mapping.functions.registry import methods
from bridge.mapping.nodes import ArrayLiteral, Binary, Call, Literal, MapLiteral, MethodCall, Ternary, Unary
from bridge.mapping.paths import Every, Index, Key, Path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bridge.mapping.compiler import Prepared
    from bridge.mapping.nodes import Node

_SCALARS: Final = frozenset({"string", "integer", "number", "boolean", "date"})
_CONTAINERS: Final = frozenset({"object", "map", "array"})
_RETURNS: Final[Mapping[str, str]] = {
    "string": "string", "integer": "integer", "long": "integer", "number": "number", "double": "number",
    "float": "number", "decimal": "number", "bigint": "integer", "boolean": "boolean", "date": "date",
    "zoneddatetime": "date", "map": "map", "object": "object", "array": "array",
}  # fmt: skip
_NUMBER: Final = re.compile(r"\s*[+-]?\d+(\.\d+)?([eE][+-]?\d+)?\s*\Z")
_BOOLEAN: Final = frozenset(
    ["y", "yes", "Y", "YES", "on", "ON", "true", "TRUE", "n", "N", "no", "NO", "off", "OFF", "false", "FALSE"]
)


class Field(Protocol):
    """What is asked about a field of the schema."""

    @property
    def type(self) -> str:
        """``object``, ``map``, ``array``, ``string``, ``integer``, ``number``, ``boolean`` or ``any``."""

    @property
    def path(self) -> str:
        """The destination path."""


class SchemaFields(Protocol):
    """A schema that knows its fields (:class:`bridge.xdm.schema.CompiledSchema`)."""

    def type_at(self, path: str) -> Any:
        """The field at a destination path, None when there is none."""

    def fields(self) -> Any:
        """Every field."""


def schema_path(path: Path) -> str:
    """A destination in the spelling that schemas understand: dots and brackets of names escaped."""
    text = ""
    for segment in path:
        if isinstance(segment, Key):
            text += ("." if text else "") + re.sub(r"([.\\\[\]])", r"\\\1", segment.name)
        else:
            text += f"[{segment.value if isinstance(segment, Index) else '*'}]"
    return text


def against_schema(prepared: Sequence[Prepared], schema: SchemaFields) -> Iterator[Finding]:
    """Destinations that the schema lacks, and values that can never have the field's type."""
    every = [field.path for field in schema.fields()]
    for one in prepared:
        if one.target is None:
            continue
        text = schema_path(one.target)
        field = schema.type_at(text)
        if field is None:
            yield Finding(
                one.row.row, "destination", "destination_unknown", f"the schema has no field {text}",
                fix=nearest(re.sub(r"\[\d+\]", "[*]", text), every),
            )  # fmt: skip
            continue
        problem = _mismatch(one, field.type, getattr(field, "format", None))
        if problem:
            yield Finding(one.row.row, "source", "type_mismatch", f"{problem}; {text} is of type {field.type}")


def _mismatch(one: Prepared, wanted: str, wanted_format: str | None) -> str | None:
    """What the row can only ever give, when that never fits ``wanted``."""
    if wanted == "any":
        return None
    if one.row.source_type == "STATIC":
        return _constant_problem(one.source, wanted)
    if one.node is None:
        has_star = any(isinstance(segment, Every) for segment in one.path or ())
        into_star = any(isinstance(segment, Every) for segment in one.target or ())
        return "[*] gives an array" if has_star and not into_star and wanted != "array" else None
    if isinstance(one.node, Literal):
        return _constant_problem(one.node.value, wanted)
    given = gives(one.node)
    if given is None or any(isinstance(segment, Every) for segment in one.target or ()):
        return None
    if given in _CONTAINERS and wanted in _SCALARS:
        return f"the expression gives {'an' if given[0] in 'ao' else 'a'} {given}"
    if given in _SCALARS and wanted in _CONTAINERS:
        return f"the expression gives a {given}"
    if given == "array" and wanted in ("map", "object"):
        return "the expression gives an array"
    if given in ("map", "object") and wanted == "array":
        return f"the expression gives {'an object' if given == 'object' else 'a map'}"
    if given == "date" and wanted in ("integer", "number", "boolean"):
        return "the expression gives a date"
    if given == "boolean" and wanted in ("integer", "number"):
        return "the expression gives a boolean"
    if given in ("number", "integer", "boolean") and wanted_format in ("date-time", "date"):
        return f"the expression gives a {given}, where a date is wanted (dformat makes one of epoch milliseconds)"
    return None


def _constant_problem(value: Any, wanted: str) -> str | None:
    if value is None:
        return None
    if wanted in _CONTAINERS:
        return "the value is a single constant"
    text = str(value)
    if wanted in ("integer", "number") and (value.__class__ is bool or not _NUMBER.match(text)):
        return "the constant is no number"
    if wanted == "integer" and value.__class__ is str and not float(text).is_integer():
        return "the constant is no whole number"
    if wanted == "boolean" and value.__class__ is not bool and text not in _BOOLEAN:
        return "the constant is no boolean (true, false, yes, no, on, off, y, n)"
    return None


def gives(node: Node) -> str | None:
    """The kind of value that ``node`` gives whenever it is not null, where that is certain."""
    match node:
        case Literal(value):
            kinds = {bool: "boolean", int: "integer", float: "number", str: "string"}
            return kinds.get(type(value))
        case ArrayLiteral():
            return "array"
        case MapLiteral():
            return "map"
        case Call(name) if name in FUNCTIONS:
            if name == "iif" and len(node.arguments) == 3:
                return _both(gives(node.arguments[1]), gives(node.arguments[2]))
            return _returns(FUNCTIONS[name].returns)
        case MethodCall(_, name) if name in methods():
            return _returns(methods()[name].returns)
        case Unary(operator):
            return {"!": "boolean", "empty": "boolean", "size": "integer", "~": "integer"}.get(operator)
        case Binary(operator):
            if operator in ("-", "*", "/", "%"):
                return "number"
            return None if operator in ("+", "?:", "??", "|", "&", "^") else "boolean"
        case Ternary(_, yes, no):
            return _both(gives(yes), gives(no))
    return None


def _both(one: str | None, other: str | None) -> str | None:
    return one if one == other else None


def _returns(text: str) -> str | None:
    word = re.split(r"[<(|\s]", text.strip().lower(), maxsplit=1)[0]
    return _RETURNS.get(word) if "|" not in text else None
