"""What the mapping language asks of a schema, and how it spells a destination for it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Protocol

from bridge.mapping.paths import Index, Key

if TYPE_CHECKING:
    from bridge.mapping.paths import Path


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
