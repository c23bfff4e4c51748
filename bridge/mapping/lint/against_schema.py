"""Destinations of a mapping set held against an XDM schema, as far as it can be known without an event."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Protocol

from bridge.mapping.compiler.schema_fields import Field, SchemaFields, schema_path, tenants_of
from bridge.mapping.functions.catalogue import FUNCTIONS, METHODS
from bridge.mapping.lint.array_fixes import rewrap_fix
from bridge.mapping.sets.findings import Finding
from bridge.mapping.syntax.nodes import ArrayLiteral, Binary, Call, Literal, MapLiteral, MethodCall, Ternary, Unary
from bridge.mapping.syntax.paths import Every, Index, Key, Path, parse_path, print_path
from bridge.mapping.values.spelling import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bridge.mapping.compiler.preparation import Prepared
    from bridge.mapping.syntax.nodes import Node

__all__ = [
    "Field",
    "Kinds",
    "SchemaFields",
    "against_schema",
    "required_by_schema",
    "scalars_with_children",
    "schema_path",
]

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


class Kinds(Protocol):
    """Sample events that know the kind of value at a path."""

    def kind(self, path: Path) -> str | None:
        """The one kind that stands there, None when it varies."""

    def example(self, path: Path) -> Any:
        """A value that stands there."""


def is_plain(one: Prepared, samples: Kinds | None = None) -> bool:
    """Whether a row gives one plain value, as far as its source or the sample events tell."""
    if one.row.source_type == "STATIC" or (one.node is not None and gives(one.node) in _SCALARS):
        return True
    return samples is not None and one.path is not None and samples.kind(one.path) in _SCALARS


def rewrapped(one: Prepared) -> str | None:
    """The name under which ``[*]`` on both sides wraps each value again (data-prep.md, 4), None where it does not."""
    path, target = one.path or (), one.target or ()
    both = any(isinstance(segment, Every) for segment in path) and any(isinstance(segment, Every) for segment in target)
    return path[-1].name if both and isinstance(path[-1], Key) else None


def scalars_with_children(prepared: Sequence[Prepared], samples: Kinds | None = None) -> Iterator[Finding]:
    """Rows that write one plain value where other rows write below it."""
    above = {one.target[:length] for one in prepared if one.target for length in range(1, len(one.target))}
    for one in prepared:
        if one.target is None or one.target not in above:
            continue
        if is_plain(one, samples):
            message = f"{print_path(one.target)} is a single value here, but other rows write below it"
            yield Finding(one.row.row, "destination", "destination_overlap", message)


def against_schema(
    prepared: Sequence[Prepared], schema: SchemaFields, samples: Kinds | None = None
) -> Iterator[Finding]:
    """Destinations that the schema lacks, and values that can never have the field's type.

    With ``samples`` also paths whose value is always of a kind that does not fit.
    """
    every = [field.path for field in schema.fields()]
    strangers = list(_strange_tenants(prepared, schema))
    yield from (finding for finding, _ in strangers)
    strange = {row for _, rows in strangers for row in rows}
    for one in prepared:
        if one.target is None or one.row.row in strange:
            continue
        text = schema_path(one.target)
        field = schema.type_at(text)
        if field is None:
            yield Finding(
                one.row.row, "destination", "destination_unknown", f"the schema has no field {text}",
                fix=nearest(re.sub(r"\[\d+\]", "[*]", text), every),
            )  # fmt: skip
            continue
        wanted_format = getattr(field, "format", None)
        problem = _mismatch(one, field.type, wanted_format) or _outside(one, field)
        if problem is None and samples is not None and one.path is not None:
            problem = _sampled(one.path, one.target, field.type, wanted_format, samples)
        if problem:
            fix = rewrap_fix(one, prepared) if problem.startswith("[*] on both sides") else None
            message = f"{problem}; {text} is of type {field.type}"
            yield Finding(one.row.row, "source", "type_mismatch", message, fix=fix)
        elif samples is not None and one.path is not None and samples.kind(one.path) == "string":
            unfit = constant_problem(samples.example(one.path), field.type)
            if unfit and field.type not in _CONTAINERS:
                said = unfit.replace("the constant", "the text in a sample event")
                yield Finding(
                    one.row.row, "source", "type_mismatch", f"{said}; {text} is of type {field.type}", "warning"
                )


def _strange_tenants(prepared: Sequence[Prepared], schema: SchemaFields) -> Iterator[tuple[Finding, list[int]]]:
    """One finding for all rows below a tenant that the schema does not have."""
    rows: dict[str, list[int]] = {}
    for one in prepared:
        first = one.target[0].name if one.target and isinstance(one.target[0], Key) else ""
        if first.startswith("_") and len(one.target or ()) > 1 and schema.type_at(schema_path((Key(first),))) is None:
            rows.setdefault(first, []).append(one.row.row)
    known = tenants_of(schema)
    for tenant, lines in rows.items():
        if not known:
            continue
        message = f"the schema's tenant is {' or '.join(known)}, not {tenant}: {len(lines)} rows write below it"
        fix = f"BRIDGE_MAPPING__TENANT={known[0]} or --tenant {known[0]}" if len(known) == 1 else None
        yield Finding(lines[0], "destination", "tenant_unknown", message, fix=fix), lines


def of_another_class(schema: SchemaFields, wanted: str) -> Iterator[Finding]:
    """Say that the schema does not describe events: AEP would take none of them into a dataset of its class."""
    reason: str | None = getattr(schema, "wrong_class", None)
    if reason is not None:
        message = f"the schema is not one for events: {reason}"
        yield Finding(0, "file", "schema_class", message, fix=wanted)


def unenforced(prepared: Sequence[Prepared], schema: SchemaFields) -> Iterator[Finding]:
    """Rules of the schema that are not checked, at fields that rows write or bring along: AEP may refuse what passes here."""
    written = [(schema_path(_shared(one.target)), one.row.row) for one in prepared if one.target]
    for path, keyword in getattr(schema, "unenforced", ()):
        row = next((row for place, row in written if path == place or _holds(place, path) or _holds(path, place)), None)
        if row is not None:
            message = f"the schema's {keyword} at {path or 'the root'} is not checked: AEP may refuse what passes here"
            yield Finding(row, "destination", "schema_unenforced", message, "warning")


def _holds(above: str, path: str) -> bool:
    return path.startswith((above + ".", above + "["))


def required_by_schema(
    prepared: Sequence[Prepared], schema: SchemaFields, known: Sequence[str] = ()
) -> Iterator[Finding]:
    """Required fields that no row writes, in objects that rows build field by field; copied objects bring their own.

    ``known``: fields of which it is said elsewhere.
    """
    targets = [_shared(one.target) for one in prepared if one.target]
    whole = set(targets)
    for field in schema.fields():
        if not field.required or ".*" in field.path or field.path in known:
            continue
        path = parse_path(field.path)
        above = path[:-1]
        if any(path[:length] in whole for length in range(1, len(path) + 1)):
            continue
        if any(target[: len(path)] == path for target in targets):
            continue
        if not above or any(target[: len(above)] == above for target in targets):
            where = f"the schema requires it in {print_path(above)}" if above else "the schema requires it"
            yield Finding(0, "destination", "required_missing", f"no row writes {print_path(path)}: {where}")


def _shared(path: Path) -> Path:
    return tuple(Every() if isinstance(segment, Index) else segment for segment in path)


def _mismatch(one: Prepared, wanted: str, wanted_format: str | None) -> str | None:
    """What the row can only ever give, when that never fits ``wanted``."""
    if wanted == "any":
        return None
    if one.row.source_type == "STATIC":
        return constant_problem(one.source, wanted)
    if one.node is None:
        has_star = any(isinstance(segment, Every) for segment in one.path or ())
        into_star = any(isinstance(segment, Every) for segment in one.target or ())
        if has_star and not into_star and wanted != "array":
            return "[*] gives an array"
        leaf = rewrapped(one)
        if leaf is not None and wanted not in ("object", "map"):
            return f"[*] on both sides wraps every value again, as {{{leaf}: ...}}"
        return None
    if isinstance(one.node, Literal):
        return constant_problem(one.node.value, wanted)
    given = gives(one.node)
    if given is None or any(isinstance(segment, Every) for segment in one.target or ()):
        return None
    return _misfit(given, wanted, wanted_format, "the expression gives")


def _outside(one: Prepared, field: Any) -> str | None:
    """A constant that is none of the field's enum."""
    static = one.row.source_type == "STATIC"
    if not static and not isinstance(one.node, Literal):
        return None
    value = one.source if static else getattr(one.node, "value", None)
    allowed = getattr(field, "enum", None)
    if allowed is None or value is None or any(str(value) == str(one) for one in allowed):
        return None
    return f"the constant is not one of the enum's values ({', '.join(map(str, allowed[:10]))})"


def _sampled(path: Path, target: Path, wanted: str, wanted_format: str | None, samples: Kinds) -> str | None:
    """What the sample events hold at ``path``, when that does not fit; ``[*]`` stays with the rules for expressions."""
    if any(isinstance(segment, Every) for segment in (*path, *target)):
        return None
    kind = samples.kind(path)
    return None if kind is None else _misfit(kind, wanted, wanted_format, "the sample events hold")


def _misfit(given: str, wanted: str, wanted_format: str | None, who: str) -> str | None:
    if wanted == "any":
        return None
    if (given in _CONTAINERS) != (wanted in _CONTAINERS):
        return f"{who} {_a(given)}"
    if given in _CONTAINERS and (given == "array") != (wanted == "array"):
        return f"{who} {_a(given)}"
    if given == "date" and wanted in ("integer", "number", "boolean"):
        return f"{who} a date"
    if given in ("integer", "number") and wanted == "boolean":
        return f"{who} {_a(given)}"
    if given == "boolean" and wanted in ("integer", "number"):
        return f"{who} a boolean"
    if given in ("number", "integer", "boolean") and wanted_format in ("date-time", "date"):
        return f"{who} {_a(given)}, where a date is wanted (dformat makes one of epoch milliseconds)"
    return None


def _a(kind: str) -> str:
    return f"{'an' if kind[0] in 'aio' else 'a'} {kind}"


def constant_problem(value: Any, wanted: str) -> str | None:
    """Why a value that is known can never become ``wanted``, None when it can."""
    if value is None:
        return None
    if wanted in _CONTAINERS:
        return "the value is a single constant"
    text = str(value)
    if wanted in ("integer", "number") and (value.__class__ is bool or not _NUMBER.match(text)):
        return "the constant is not a number"
    if wanted == "integer" and value.__class__ is str and not float(text).is_integer():
        return "the constant is not a whole number"
    if wanted == "boolean" and value.__class__ is not bool and text not in _BOOLEAN:
        return "the constant is not a boolean (true, false, yes, no, on, off, y, n)"
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
        case MethodCall(_, name) if name in METHODS:
            return _returns(METHODS[name].returns)
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
