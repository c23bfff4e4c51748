"""The tree of fields that an XDM schema is, and what each field's values must satisfy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from bridge.model.errors import BridgeError

if TYPE_CHECKING:
    from collections.abc import Mapping

PLACEHOLDER_TENANT: Final = "_yourorgname"
"""The tenant namespace of the shipped sample schema; reading replaces it with the configured one."""

EXAMPLE_ID: Final = "https://ns.adobe.com/yourorgname/schemas/moengage-events"
"""The ``$id`` of the shipped sample schema."""

Kind = Literal["object", "map", "array", "string", "integer", "number", "boolean", "any"]


class SchemaError(BridgeError):
    """A schema file cannot be read, or is not a resolved XDM schema."""


@dataclass(frozen=True, slots=True)
class SchemaField:
    """One field: its kind, what it holds, and what its values must satisfy (None where the schema says nothing)."""

    kind: Kind
    title: str = ""
    description: str = ""
    format: str | None = None
    properties: Mapping[str, SchemaField] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    values: SchemaField | None = None
    """Of a map: every value. Of an object: properties it does not name; None leaves them alone."""
    patterns: tuple[tuple[str, SchemaField], ...] = ()
    """Patterns (Java's dialect) of names that the field does not state, each with what holds for its values."""
    closed: bool = False
    """Properties that are not named are forbidden (``additionalProperties: false``)."""
    items: SchemaField | None = None
    enum: tuple[Any, ...] | None = None
    suggestions: tuple[str, ...] = ()
    """``meta:enum``: known values and their labels' keys, not enforced."""
    pattern: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    exclusive_minimum: float | None = None
    exclusive_maximum: float | None = None
    min_length: int | None = None
    """Of text in characters, of an array in items."""
    max_length: int | None = None
    unenforced: tuple[str, ...] = ()
    """Keywords of the schema that are not checked."""


ANYTHING: Final = SchemaField("any")
