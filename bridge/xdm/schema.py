"""A compiled XDM schema: what to ask it about an event, and about its fields."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bridge.xdm.schema_check import ABSENT, compile_check
from bridge.xdm.schema_fields import SchemaError, SchemaField, load_schema, read_schema
from bridge.xdm.schema_values import CHECKED_FORMATS, Said, search_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bridge.xdm.findings import Finding
    from bridge.xdm.schema_fields import Kind

__all__ = ["CompiledSchema", "FieldInfo", "SchemaError", "compile_schema", "load_schema"]

_STEP: Final = re.compile(r"((?:[^.\[\]\\]|\\.)+)((?:\[(?:[0-9]+|\*)\])*)(?:\.|$)")
_EXEMPT: Final = frozenset({"identityMap"})
"""Its rules are stricter than any schema's (:mod:`bridge.xdm.identity`)."""


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """A field as lint and ``mapping init`` want it.

    ``path`` is a mapping destination: ``a.b``, ``list[*].c``, ``map.*`` for the values of a map. ``required``: what holds
    it must hold it. ``suggestions``: values of ``meta:enum``, not enforced.
    """

    path: str
    type: Kind
    format: str | None
    required: bool
    enum: tuple[Any, ...] | None
    suggestions: tuple[str, ...]
    title: str
    description: str


class CompiledSchema:
    """One schema, compiled: :meth:`check` for every event, :meth:`fields` and :meth:`type_at` for the workshop."""

    __slots__ = ("_check", "root", "unenforced")

    def __init__(self, root: SchemaField) -> None:
        self.root = root
        self._check = compile_check(root, _EXEMPT)
        self.unenforced: tuple[tuple[str, str], ...] = tuple(_unenforced(root, ""))
        """Paths and keywords of the schema that are not checked."""

    def check(self, xdm: dict[str, Any]) -> tuple[dict[str, Any], Sequence[Finding], Sequence[Finding]]:
        """``xdm`` (left as it is) coerced to the schema, nulls pruned; findings; what AEP would refuse it for, up to five.

        identityMap is left to its own rules. Raises nothing.
        """
        said: Said = ([], [])
        sent = self._check(xdm, None, said)
        return ({} if sent is ABSENT else sent), said[0], said[1]

    def fields(self) -> Iterator[FieldInfo]:
        """Every field, depth first, in the schema's order."""
        return _walk(self.root, "")

    def type_at(self, path: str) -> FieldInfo | None:
        r"""The field at a destination path (``a.b[0].c``, ``a\.b`` for a name with a dot), None when there is none."""
        field, required, position = self.root, False, 0
        while position < len(path):
            step = _STEP.match(path, position)
            if step is None or (step.end() == len(path) and path[-1] == "." and path[-2:] != "\\."):
                return None
            name = re.sub(r"\\(.)", r"\1", step[1])
            child = field.properties.get(name) or _unnamed(field)
            if child is None:
                return None
            required, field, position = name in field.required, child, step.end()
            for _ in range(step[2].count("[")):
                if field.kind != "array" or field.items is None:
                    return None
                required, field = False, field.items
        return _info(field, path, required=required) if path else None


def compile_schema(document: Mapping[str, Any], *, tenant: str | None = None) -> CompiledSchema:
    """Compile a resolved XDM schema; ``tenant`` takes the place of the root property ``_yourorgname``.

    Raises :class:`SchemaError` when the document is not a resolved schema.
    """
    root = read_schema(document, tenant=tenant)
    try:
        return CompiledSchema(root)
    except RecursionError:
        raise SchemaError("the schema is nested too deeply") from None


def _unnamed(field: SchemaField) -> SchemaField | None:
    """What holds for a property that the field does not name: a map's values, anything in an open field, else None."""
    if field.kind == "any":
        return field
    return field.values


def _info(field: SchemaField, path: str, *, required: bool) -> FieldInfo:
    return FieldInfo(
        path, field.kind, field.format, required, field.enum, field.suggestions, field.title, field.description
    )


def _walk(field: SchemaField, prefix: str) -> Iterator[FieldInfo]:
    for name, child in field.properties.items():
        path = prefix + re.sub(r"([.\\\[\]])", r"\\\1", name)
        yield _info(child, path, required=name in field.required)
        yield from _below(child, path)


def _below(field: SchemaField, path: str) -> Iterator[FieldInfo]:
    yield from _walk(field, f"{path}.")
    for suffix, inner in ((".*", field.values), ("[*]", field.items)):
        if inner is not None:
            yield _info(inner, path + suffix, required=False)
            yield from _below(inner, path + suffix)


def _unenforced(field: SchemaField, path: str) -> Iterator[tuple[str, str]]:
    yield from ((path, keyword) for keyword in field.unenforced)
    if field.format is not None and field.format not in CHECKED_FORMATS:
        yield path, f"format {field.format}"
    if field.pattern is not None and search_of(field.pattern) is None:
        yield path, f"pattern {field.pattern}"
    for name, child in field.properties.items():
        yield from _unenforced(child, f"{path}.{name}" if path else name)
    for suffix, inner in ((".*", field.values), ("[*]", field.items)):
        if inner is not None:
            yield from _unenforced(inner, path + suffix)
