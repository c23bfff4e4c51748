"""Where the value of a row is when the output is built, and what follows from it for the items of identityMap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bridge.mapping.syntax.paths import Key
from bridge.mapping.values import pycode as py

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bridge.mapping.compiler.output.destinations import Target

    PlainIdentities = Callable[[Sequence[str]], Callable[..., dict[str, Any] | None] | None]
    """Namespaces, one id each -> a function of their ids (null or any value) that gives the whole identityMap, ruled; or
    None for ids that are not plain. None instead of a function where there is none for these namespaces."""


@dataclass(frozen=True, slots=True)
class Constant:
    """A value that is known now."""

    value: Any


@dataclass(frozen=True, slots=True)
class Raw:
    """A variable that still holds the event's own value."""

    variable: str


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A variable that holds a value of our own, pruned."""

    variable: str


Source = Constant | Raw | Cleaned

_ID: Final = Key("id")
_PLAIN_ITEM: Final = ({_ID}, {_ID, Key("primary")})


def plain_call(
    target: Target, sources: Mapping[int, Source], identities: PlainIdentities | None, names: dict[str, Any]
) -> py.Expr | None:
    """The call that gives the identityMap at once, where each of its namespaces holds one item of an id and a flag."""
    if identities is None or target.rows or target.spread:
        return None
    namespaces: list[str] = []
    ids: list[py.Expr] = []
    for segment, items in target.below.items():
        item = next(iter(items.below.values()), None)
        if not isinstance(segment, Key) or items.rows or items.spread or len(items.below) != 1 or item is None:
            return None
        if not item.is_identity or item.rows or item.spread or item.below.keys() not in _PLAIN_ITEM:
            return None
        if any(below.below or below.spread for below in item.below.values()):
            return None
        given = {key: sources[below.rows[-1]] for key, below in item.below.items()}
        held = given.pop(_ID)
        # What a flag says is of no interest, but copying an event's value could give a warning, which must not be missed.
        if isinstance(held, Constant) or any(isinstance(flag, Raw) for flag in given.values()):
            return None
        namespaces.append(segment.name)
        ids.append(py.name(held.variable))
    function = identities(namespaces)
    if function is None:
        return None
    names["identities"] = function
    return py.call("identities", *ids)


def has_id(target: Target, sources: Mapping[int, Source]) -> py.Expr | None:
    """For an item of identityMap the test that it has an id."""
    below = target.below.get(_ID)
    if not target.is_identity or target.rows or below is None or below.below or not below.rows:
        return None
    source = sources[below.rows[-1]]
    if isinstance(source, Constant):
        return py.const(source.value is not None)
    return py.is_not(py.name(source.variable), py.const(None))
