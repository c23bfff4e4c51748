"""Destinations that pass through an array without an index: the value goes into the array's first element, as Data Prep does.

Adobe's own mappings write ``sku -> productListItems.SKU`` where ``productListItems`` is an array of objects.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bridge.mapping.compiler.schema_fields import schema_path
from bridge.mapping.syntax.paths import Index, Key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.mapping.compiler.preparation import Prepared
    from bridge.mapping.compiler.schema_fields import SchemaFields
    from bridge.mapping.syntax.paths import Path, Segment


def wrapped(prepared: Sequence[Prepared], schema: SchemaFields | None) -> list[Prepared]:
    """The rows with ``[0]`` put in where a name follows an array of the schema."""
    if schema is None:
        return list(prepared)
    return [one if one.target is None else replace(one, target=_indexed(one.target, schema)) for one in prepared]


def _indexed(target: Path, schema: SchemaFields) -> Path:
    found: list[Segment] = []
    for segment in target:
        if found and isinstance(segment, Key):
            field = schema.type_at(schema_path(tuple(found)))
            if field is not None and field.type == "array":
                found.append(Index(0))
        found.append(segment)
    return tuple(found)
