"""``decode`` with constant cases as one dict lookup; what counts as equal is :func:`bridge.mapping.functions.logic.decode_key`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge.mapping.functions.logic import decode_key

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def decoder(cases: Sequence[tuple[Any, Any]], default: Any) -> tuple[dict[str, Any] | None, Callable[[Any], Any]]:
    """A table for text selectors (None when a key is no text) and a function for any selector; the first match wins."""
    texts = all(key.__class__ is str for key, _ in cases)
    table: dict[Any, Any] = {}
    for key, value in cases:
        if key.__class__ not in (list, dict):
            table.setdefault(decode_key(key), value)

    def chosen(selector: Any) -> Any:
        return default if selector.__class__ in (list, dict) else table.get(decode_key(selector), default)

    return table if texts else None, chosen


def same(selector: Any, key: Any) -> bool:
    """Whether ``decode`` takes the two for the same."""
    return bool(decode_key(selector) == decode_key(key))
