"""Checks of objects, maps and arrays, compiled from schema fields to closures: per event no schema is looked at.

Nothing is changed in place, for the mapping may have put the event's own objects into the XDM: what a coercion or a
pruned null changes is copied, everything else is shared.
"""

from __future__ import annotations

from operator import is_
from typing import TYPE_CHECKING, Any, Final

import orjson

from bridge.xdm.findings import Finding
from bridge.xdm.schema_values import (
    Place,
    Said,
    is_unconstrained,
    leave,
    pointer,
    refuse,
    refuse_type,
    scalar_check,
    text_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bridge.xdm.schema_fields import Kind, SchemaField

    Check = Callable[[Any, Place, Said], Any]

ABSENT: Final = object()
"""What a check gives for a value that is not to be sent: a null, or an object of which nothing is left."""

_SCALARS: Final = (bool, int, float)
_EXACT: Final[Mapping[Kind, type[Any]]] = {"string": str, "integer": int, "boolean": bool}


def compile_check(field: SchemaField, exempt: frozenset[str] = frozenset()) -> Check:
    """The check of one field; ``exempt``: properties of it that are left as they are."""
    match field.kind:
        case "object":
            return _object_check(field, exempt)
        case "map":
            return _map_check(field)
        case "array":
            return _array_check(field)
    return scalar_check(field)


def _exact_type(field: SchemaField | None) -> type[Any] | None:
    """The Python type of which every value is good without a look, None where a check is needed."""
    return _EXACT.get(field.kind) if field is not None and is_unconstrained(field) else None


def _object_check(field: SchemaField, exempt: frozenset[str]) -> Check:
    checks = {
        name: leave if name in exempt or child.kind == "any" else compile_check(child)
        for name, child in field.properties.items()
    }
    exact = {
        name: kind for name, child in field.properties.items() if (kind := _exact_type(child)) and name not in exempt
    }
    unnamed = _forbid if field.closed else leave if field.values is None else compile_check(field.values)
    required = field.required

    def check(value: Any, place: Place, said: Said) -> Any:
        if type(value) is not dict:
            refuse_type(said, place, "object", value)
            return value
        changed: dict[str, Any] | None = None
        for key, item in value.items():
            if type(item) is exact.get(key):
                continue
            sent = ABSENT if item is None else checks.get(key, unnamed)(item, (place, key), said)
            if sent is not item:
                changed = _changed(value, changed, key, sent)
        if changed is not None:
            value = changed
            if not value:
                return ABSENT
        if required and not required <= value.keys():
            for key in sorted(required - value.keys()):
                refuse(said, place, "DCVS-1106", f"required key [{key}] not found")
        return value

    return check


def _changed(value: dict[str, Any], changed: dict[str, Any] | None, key: str, sent: Any) -> dict[str, Any]:
    if changed is None:
        changed = dict(value)
    if sent is ABSENT:
        del changed[key]
    else:
        changed[key] = sent
    return changed


def _forbid(value: Any, place: Place, said: Said) -> Any:
    refuse(said, place, "xdm_unknown_property", "extraneous key is not permitted")
    return value


def _map_check(field: SchemaField) -> Check:
    values = field.values
    exact = _exact_type(values)
    each: Check = leave if values is None else compile_check(values)
    if values is not None and values.kind == "string":
        each = _as_json(each)
    # A number or a boolean is its text at once where any text is good.
    scalars = _SCALARS if exact is str else ()

    def check(value: Any, place: Place, said: Said) -> Any:
        if type(value) is not dict:
            refuse_type(said, place, "map", value)
            return value
        changed: dict[str, Any] | None = None
        for key, item in value.items():
            kind = type(item)
            if kind is exact:
                continue
            if kind in scalars and (text := text_of(item)) is not None:
                if changed is None:
                    changed = value.copy()
                changed[key] = text
                continue
            sent = ABSENT if item is None else each(item, (place, key), said)
            if sent is not item:
                changed = _changed(value, changed, key, sent)
        if changed is None:
            return value
        return changed or ABSENT

    return check


def _as_json(each: Check) -> Check:
    """Objects and arrays in a map of text become JSON text: keys of a map cannot be mapped one by one, and AEP refuses them."""

    def check(value: Any, place: Place, said: Said) -> Any:
        if type(value) is dict or type(value) is list:
            try:
                text = orjson.dumps(value).decode()
            except (orjson.JSONEncodeError, RecursionError):
                return each(value, place, said)
            said[0].append(
                Finding(pointer(place), "map_value_as_json", "an object or array in a map of text became JSON text")
            )
            return each(text, place, said)
        return each(value, place, said)

    return check


def _array_check(field: SchemaField) -> Check:
    items = field.items
    exact = _exact_type(items)
    each: Check = leave if items is None else compile_check(items)
    fewest, most = field.min_length or 0, field.max_length

    def check(value: Any, place: Place, said: Said) -> Any:
        if type(value) is not list:
            refuse_type(said, place, "array", value)
            return value
        kept = [
            item if type(item) is exact else each(item, (place, index), said)
            for index, item in enumerate(value)
            if item is not None
        ]
        if ABSENT in kept:
            kept = [item for item in kept if item is not ABSENT]
        if len(kept) < fewest:
            refuse(said, place, "xdm_length", f"expected minimum item count: {fewest}, found: {len(kept)}")
        if most is not None and len(kept) > most:
            refuse(said, place, "xdm_length", f"expected maximum item count: {most}, found: {len(kept)}")
        return value if len(kept) == len(value) and all(map(is_, kept, value)) else kept

    return check
