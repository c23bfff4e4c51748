"""What sample events reveal of a mapping set beside kinds: dates that can be read two ways, and what copied objects bring along."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

from bridge.mapping.compiler.schema_fields import schema_path
from bridge.mapping.lint.array_fixes import children_of, matched, renamed
from bridge.mapping.lint.date_texts import date_pattern, is_ambiguous
from bridge.mapping.sets.findings import Finding
from bridge.mapping.syntax.nodes import Call, PathRef
from bridge.mapping.syntax.paths import Every, Key, Path, print_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bridge.mapping.compiler.preparation import Prepared
    from bridge.mapping.compiler.schema_fields import SchemaFields


class Values(Protocol):
    """Sample events that know the values at a path (:class:`bridge.mapping.workshop.samples.Samples`)."""

    def values(self, path: Path) -> list[Any]:
        """The distinct plain values."""

    def below(self, path: Path) -> list[Path]:
        """The paths directly below."""

    def kind(self, path: Path) -> str | None:
        """The kind of value that always stands there."""


def ambiguous_dates(
    prepared: Sequence[Prepared], samples: Values, schema: SchemaFields | None = None
) -> Iterator[Finding]:
    """Rows that read a date without a pattern from text in which day and month could change places."""
    for one in prepared:
        read = _date_without_pattern(one, schema)
        if read is None:
            continue
        texts = [value for value in samples.values(read) if isinstance(value, str)]
        example = next((text for text in texts if is_ambiguous(text)), None)
        if example is None:
            continue
        source = print_path(read)
        found = date_pattern(texts)
        if found is not None and found.pattern is not None and not found.ambiguous:
            why, pattern = f"the other samples say that it is {found.pattern}", found.pattern
        else:
            why, pattern = "nothing in the samples tells which", "dd/MM/yyyy or MM/dd/yyyy"
        message = f"day or month first? {json.dumps(example)} can be read both ways; {why}"
        fix = (
            f"date({source}, {json.dumps(pattern)})" if " or " not in pattern else f'date({source}, "…") with {pattern}'
        )
        yield Finding(one.row.row, "source", "date_ambiguous", message, "warning", fix)


def _date_without_pattern(one: Prepared, schema: SchemaFields | None) -> Path | None:
    """The path that the row reads as a date by the built-in formats."""
    if isinstance(one.node, Call) and one.node.name == "date" and len(one.node.arguments) == 1:
        (argument,) = one.node.arguments
        return argument.path if isinstance(argument, PathRef) else None
    if one.path is None or one.target is None or schema is None:
        return None
    field = schema.type_at(schema_path(one.target))
    return one.path if field is not None and field.format in ("date", "date-time") else None


def copied_children(prepared: Sequence[Prepared], samples: Values, schema: SchemaFields) -> Iterator[Finding]:
    """Objects and arrays of objects that are copied whole, with children that the schema does not name there."""
    for one in prepared:
        if one.path is None or one.target is None or Every() in one.path:
            continue
        at = schema_path(one.target)
        field = schema.type_at(at)
        if field is None or field.type not in ("object", "array"):
            continue
        array = field.type == "array"
        place, source = (f"{at}[*]", (*one.path, Every())) if array else (at, one.path)
        inside = schema.type_at(place)
        if inside is None or inside.type != "object" or samples.kind(source) != "object":
            continue
        known = children_of(schema, place)
        given = [path[-1].name for path in samples.below(source) if isinstance(path[-1], Key)]
        unknown = [name for name in given if name not in known]
        if not known or not unknown:
            continue
        message = (
            f"{print_path(one.path)} is copied whole, but {at} has no field {', '.join(unknown[:8])}"
            f" (it has {', '.join(known[:8])}{', …' if len(known) > 8 else ''})"
        )
        pairs = matched(given, known)
        fix = _fix(one.path, pairs, array=array) if pairs else None
        yield Finding(one.row.row, "source", "copied_unknown", message, "warning", fix)


def _fix(source: Path, pairs: dict[str, str], *, array: bool) -> str:
    if array:
        return renamed(source, pairs)
    parts = (f'"{new}", {print_path((*source, Key(old)))}' for new, old in pairs.items())
    return f"to_object({', '.join(parts)})"
