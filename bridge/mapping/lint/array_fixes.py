"""Arrays of objects whose fields have other names in the schema: the expression that makes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.mapping.compiler.schema_fields import schema_path
from bridge.mapping.lint.name_likeness import NO_MATCH, likeness
from bridge.mapping.syntax.paths import Every, Key, Path, parse_path, print_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bridge.mapping.compiler.preparation import Prepared
    from bridge.mapping.compiler.schema_fields import SchemaFields


def renamed(source: Path, names: Mapping[str, str]) -> str:
    """The expression that makes an array of objects of the array at ``source``; ``names``: field of the result -> source's."""
    array = print_path(source)
    parts = [f'"{new}", {array}[*].{print_path((Key(old),))}' for new, old in names.items()]
    return f"arrays_to_objects({', '.join(parts)})"


def matched(children: Iterable[str], wanted: Sequence[str]) -> dict[str, str]:
    """Field of the schema -> child of the sample that means the same, each child at most once."""
    left = list(children)
    pairs: dict[str, str] = {}
    exact = [name for name in wanted if name in left]
    for name in (*exact, *(name for name in wanted if name not in exact)):
        scored = sorted(
            ((1_000 if child == name else likeness((Key(name),), (Key(child),)), child) for child in left), reverse=True
        )
        if scored and scored[0][0] != NO_MATCH:
            pairs[name] = scored[0][1]
            left.remove(scored[0][1])
    return {name: pairs[name] for name in wanted if name in pairs}


def rewrap_fix(one: Prepared, prepared: Sequence[Prepared]) -> str | None:
    """For rows with ``[*]`` on both sides: one row that builds the array, from every such row between the same arrays."""
    mine = _split(one)
    if mine is None:
        return None
    source, target, _, _ = mine
    names = {
        other[3]: other[2] for row in prepared if (other := _split(row)) is not None and other[:2] == (source, target)
    }
    return f"{renamed(source, names)} -> {schema_path(target)}"


def _split(one: Prepared) -> tuple[Path, Path, str, str] | None:
    """Array and child of the source, array and child of the destination, where each is one ``[*]`` and one name."""
    path, target = one.path or (), one.target or ()
    if len(path) < 3 or len(target) < 3 or path[-2] != Every() or target[-2] != Every():
        return None
    if not isinstance(path[-1], Key) or not isinstance(target[-1], Key) or Every() in (*path[:-2], *target[:-2]):
        return None
    return path[:-2], target[:-2], path[-1].name, target[-1].name


def children_of(schema: SchemaFields, path: str) -> list[str]:
    """Names of the fields directly below ``path``."""
    above = parse_path(path)
    found = []
    for field in schema.fields():
        if ".*" in field.path or not field.path.startswith(path):
            continue
        below = parse_path(field.path)
        if len(below) == len(above) + 1 and below[: len(above)] == above and isinstance(below[-1], Key):
            found.append(below[-1].name)
    return found
