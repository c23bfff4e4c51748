"""The tenant that a schema's file names, for who has not said it in the settings."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bridge.model.xdm_roots import ADOBES_ROOTS

if TYPE_CHECKING:
    from pathlib import Path


def only_tenant(schema: Path) -> str | None:
    """The one namespace of a tenant at the root of the schema; None where there is none, or are several.

    A file that cannot be read has none: what is wrong with it is told by whoever compiles it.
    """
    try:
        document = json.loads(schema.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return None
    found = {name for part in _parts(document) for name, field in _properties(part) if _is_tenant(name, field)}
    return found.pop() if len(found) == 1 else None


def _parts(document: Any) -> list[Any]:
    """The document and what it is composed of."""
    composed = document.get("allOf") if isinstance(document, dict) else None
    return [document, *(composed if isinstance(composed, list) else [])]


def _properties(part: Any) -> list[tuple[str, Any]]:
    properties = part.get("properties") if isinstance(part, dict) else None
    return list(properties.items()) if isinstance(properties, dict) else []


def _is_tenant(name: str, field: Any) -> bool:
    holds = isinstance(field, dict) and (field.get("type") == "object" or "properties" in field or "$ref" in field)
    return holds and name.startswith("_") and name not in ADOBES_ROOTS
