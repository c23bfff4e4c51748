"""Successive changes of one user folded into one: last value wins, edits of lists are combined in order. Pure.

Lists that are edited are taken for sets, as MoEngage's documents do not say whether an added value that is there already comes
twice, and what is edited is taken for a list. ``fold`` gives None for what one element cannot say exactly; both are sent then, in their order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from bridge.destinations.moengage.limits import ADD, EDITS, LIST_ITEMS, REMOVE

if TYPE_CHECKING:
    from collections.abc import Mapping

_USER: Final = b'{"type":"customer"'
_FOLDED: Final = frozenset({"type", "customer_id", "attributes", "unset_attributes", "update_existing_only"})


def fold_items(first: bytes, second: bytes) -> bytes | None:
    """As :func:`fold`, of encoded elements; None also for what are no users."""
    if not (first.startswith(_USER) and second.startswith(_USER)):
        return None
    folded = fold(orjson.loads(first), orjson.loads(second))
    return None if folded is None else orjson.dumps(folded)


def fold(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any] | None:
    """One element of a user that does what ``first`` and then ``second`` do; None where there is none."""
    # Whether two that are identified by attributes are one user is Identity Resolution's to say.
    if (
        "customer_id" not in first
        or first["customer_id"] != second.get("customer_id")
        or first.get("update_existing_only") != second.get("update_existing_only")
        or not (first.keys() | second.keys()) <= _FOLDED
    ):
        return None
    changes, later = _changes(first), _changes(second)
    if changes is None or later is None:
        return None
    for name, change in later.items():
        before = changes.pop(name, None)  # a change moves to the end, where it was made
        after = change if before is None else _after(before, change)
        if after is None:
            return None
        changes[name] = after
    return _element(first, changes)


_Change = tuple[str, Any]
"""What happens to one attribute: ``("set", value)``, ``("add", values)``, ``("remove", values)`` or ``("unset", entry)``."""


def _changes(element: Mapping[str, Any]) -> dict[str, _Change] | None:
    """By attribute; None where one has several changes, or a pattern unsets what cannot be named."""
    attributes = element.get("attributes") or {}
    found: dict[str, _Change] = {name: ("set", value) for name, value in attributes.items() if name not in EDITS}
    for edit, word in ((ADD, "add"), (REMOVE, "remove")):
        for name, values in (attributes.get(edit) or {}).items():
            if name in found:
                return None
            found[name] = (word, values)
    for entry in element.get("unset_attributes") or ():
        name = entry["attr"]
        if entry["type"] != "equals" or entry.get("case_sensitive") is not True or name in found:
            return None
        found[name] = ("unset", entry)
    return found


def _after(before: _Change, change: _Change) -> _Change | None:
    """One change that does both; None where none does."""
    word, value = change
    if word in ("set", "unset"):
        return change
    was, had = before
    if was == word:
        # What is longer than a list may be is cut, at another place than where the two would be.
        both = _union(had, value)
        return (word, both) if len(both) <= LIST_ITEMS else None
    if was == "unset":
        return ("set", _union([], value)) if word == "add" else before
    if was != "set":
        # Added and removed values of one attribute cannot stand in one call: only where nothing of the first is left.
        return change if not _less(had, value) else None
    if not isinstance(had, list) or any(isinstance(one, dict | list) for one in had):
        return None
    left = _union(had, value) if word == "add" else _less(had, value)
    # An empty list might be ignored, and of a long one it is not known what MoEngage keeps.
    return ("set", left) if 0 < len(left) <= LIST_ITEMS else None


def _key(value: Any) -> tuple[type, Any]:
    """Values that are equal in JSON: true is not 1, but 1 is 1.0."""
    return (bool if isinstance(value, bool) else float if isinstance(value, int | float) else str), value


def _union(values: list[Any], more: list[Any]) -> list[Any]:
    return list({_key(value): value for value in [*values, *more]}.values())


def _less(values: list[Any], gone: list[Any]) -> list[Any]:
    removed = {_key(value) for value in gone}
    return [value for value in values if _key(value) not in removed]


def _element(first: Mapping[str, Any], changes: Mapping[str, _Change]) -> dict[str, Any]:
    attributes: dict[str, Any] = {}
    edits: dict[str, dict[str, Any]] = {}
    unset: list[Any] = []
    for name, (word, value) in changes.items():
        if word == "set":
            attributes[name] = value
        elif word == "unset":
            unset.append(value)
        else:
            edits.setdefault(ADD if word == "add" else REMOVE, {})[name] = value
    element = {key: first[key] for key in ("type", "customer_id", "update_existing_only") if key in first}
    if attributes or edits or not unset:
        element["attributes"] = {**attributes, **edits}
    if unset:
        element["unset_attributes"] = unset
    return element
