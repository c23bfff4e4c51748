"""Names at the root of XDM schemas that begin as a tenant's namespace does and are Adobe's own."""

from __future__ import annotations

from typing import Final

ADOBES_ROOTS: Final = frozenset(
    {"_id", "_repo", "_experience", "_channels", "_schema", "_dc", "_xdm", "_links", "_customer"}
)
