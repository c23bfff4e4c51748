"""The flag ``primary`` of identities as Data Prep coerces it: a mapping set writes it as the text ``true`` or ``false``.

A schema's check leaves identityMap to rules of its own, which read both; who shows what Data Prep itself makes needs the boolean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge.mapping.values.coercion import BOOLEANS

if TYPE_CHECKING:
    from collections.abc import Mapping


def with_flags(xdm: Mapping[str, Any]) -> dict[str, Any]:
    """The event with every ``primary`` of its identityMap a boolean, where its text is one (data-prep: data-handling)."""
    identities = xdm.get("identityMap")
    if not isinstance(identities, dict):
        return dict(xdm)
    made = {
        name: [_item(item) for item in items] if isinstance(items, list) else items
        for name, items in identities.items()
    }
    return {**xdm, "identityMap": made}


def _item(item: Any) -> Any:
    if not isinstance(item, dict):
        return item
    flag = item.get("primary")
    return {**item, "primary": BOOLEANS.get(flag, flag)} if isinstance(flag, str) else item
