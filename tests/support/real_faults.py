"""Ways to break one rule of a value that a schema takes, told from the schema's own tree of fields."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.xdm.schema.fields import SchemaField

_NO_PATTERN = "\x01 no pattern has this \x01"


def faults_of(root: SchemaField, value: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """JSON pointer, code, and the value with the fault in it."""
    for at, code, told, change in _below(root, value, ()):
        yield (
            "/".join(["#", *(str(step).replace("~", "~0").replace("/", "~1") for step in told)]),
            code,
            _changed(value, at, change),
        )


_REMOVED = object()


def _below(
    field: SchemaField, value: Any, at: tuple[Any, ...]
) -> Iterator[tuple[tuple[Any, ...], str, tuple[Any, ...], Any]]:
    if at[:1] == ("identityMap",):
        return
    if field.kind == "object" and isinstance(value, dict):
        if len(value) > 1:
            yield from (((*at, name), "DCVS-1106", at, _REMOVED) for name in field.required & value.keys())
        if field.closed and not field.patterns:
            yield (*at, "zzExtra"), "xdm_unknown_property", (*at, "zzExtra"), "x"
        for name, child in field.properties.items():
            if value.get(name) is not None:
                yield from _below(child, value[name], (*at, name))
    elif field.kind == "array" and isinstance(value, list) and field.items is not None:
        for index, item in enumerate(value[:2]):
            yield from _below(field.items, item, (*at, index))
    elif field.kind == "boolean":
        yield at, "DCVS-1104", at, "maybe"
    elif field.kind in ("integer", "number"):
        yield at, "DCVS-1104", at, "abc"
        if field.maximum is not None and field.enum is None:
            yield at, "xdm_range", at, int(field.maximum) + 1
    elif field.kind == "string" and isinstance(value, str):
        if field.enum is not None:
            yield at, "xdm_enum", at, _NO_PATTERN
        elif field.format in ("date", "date-time"):
            yield at, "xdm_format", at, "no date"
        elif (
            field.max_length is not None
            and field.format is None
            and field.pattern is None
            and field.max_length < 100_000
        ):
            yield at, "xdm_length", at, "x" * (field.max_length + 1)


def _changed(whole: Any, at: tuple[Any, ...], change: Any) -> Any:
    changed = copy.deepcopy(whole)
    here = changed
    for step in at[:-1]:
        here = here[step]
    if change is _REMOVED:
        del here[at[-1]]
    else:
        here[at[-1]] = change
    return changed
