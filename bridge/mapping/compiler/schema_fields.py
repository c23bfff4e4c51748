"""What the workshop asks of a schema: its fields, the field at a destination, and which root is the customer's own."""

from __future__ import annotations

import re
from typing import Any, Protocol

from bridge.mapping.syntax.paths import Index, Key, Path
from bridge.model.xdm_roots import ADOBES_ROOTS


class Field(Protocol):
    """What is asked about a field of the schema."""

    @property
    def type(self) -> str:
        """``object``, ``map``, ``array``, ``string``, ``integer``, ``number``, ``boolean`` or ``any``."""

    @property
    def path(self) -> str:
        """The destination path."""


class SchemaFields(Protocol):
    """A schema that knows its fields (:class:`bridge.xdm.schema.compiled_schema.CompiledSchema`)."""

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


def tenants_of(schema: SchemaFields) -> list[str]:
    """The roots that hold a customer's own fields: objects with an underscore that are not Adobe's."""
    return [
        field.path
        for field in schema.fields()
        if field.path.startswith("_")
        and "." not in field.path
        and field.type == "object"
        and field.path not in ADOBES_ROOTS
    ]
