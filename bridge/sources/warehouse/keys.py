"""Keys as text and back: as a database compares them. Pure."""

from __future__ import annotations

import uuid
from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def typed_keys(keys: Sequence[str], sample: Sequence[Any]) -> list[tuple[Any, ...]]:
    """The values of each key's columns, of the types that a row of the table has; a key that has no such values is left out."""
    readers = [_reader(value) for value in sample]
    found: list[tuple[Any, ...]] = []
    for key in keys:
        parts = [key] if len(readers) == 1 else orjson.loads(key)
        try:
            found.append(tuple(read(part) for read, part in zip(readers, parts, strict=True)))
        except (ValueError, ArithmeticError):
            continue
    return found


def _reader(value: Any) -> Callable[[str], Any]:
    match value:
        case bool():
            return lambda text: text == "true"
        case int():
            return int
        case Decimal():
            return Decimal
        case float():
            return float
        case uuid.UUID():
            return uuid.UUID
        case datetime():
            return datetime.fromisoformat
        case date():
            return date.fromisoformat
        case time():
            return time.fromisoformat
        case bytes() | bytearray() | memoryview():
            return bytes.fromhex
        case _:
            return str
