"""Values on their way into XDM: copied, checked and pruned, so that nothing in the output belongs to the event.

Null leaves and empty objects go, also inside copied maps. Nulls inside arrays stay (``to_array(true, ...)`` keeps them by
Adobe's page), empty objects inside arrays go. Dates become ISO 8601 text.
"""

from __future__ import annotations

import math
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from bridge.mapping.syntax.paths import Every, Index, Key
from bridge.mapping.values.arithmetic import LONG_MAX, LONG_MIN
from bridge.mapping.values.dates.iso import utc_text
from bridge.mapping.values.failures import FunctionError

if TYPE_CHECKING:
    from bridge.mapping.syntax.paths import Path, Segment

_FLOAT_MAX: Final = sys.float_info.max
_MAX_BITS: Final = 13_000
"""Python refuses to print integers of more than 4300 digits."""


class Partly(FunctionError):  # noqa: N818 - it brings a value
    """A value of which something cannot stand in XDM; ``rest`` is what is left without it."""

    def __init__(self, reason: str, rest: Any) -> None:
        super().__init__(reason)
        self.rest = rest


def rest_of(error: Exception) -> Any:
    """What is left of a value that could not be taken whole, None when nothing is."""
    return error.rest if isinstance(error, Partly) else None


def clean(value: Any) -> Any:
    """``value`` as it may stand in XDM; None when nothing is left.

    Integers beyond 64 bits become text with the same digits. Raises ``FunctionError`` for what JSON cannot hold; where that
    lies within an object or array it costs only itself, and the error (:class:`Partly`) brings the rest.
    """
    kind = value.__class__
    if kind is str or kind is bool or value is None:
        return value
    if kind is dict:
        return _clean_object(value)
    if kind is int:
        return value if LONG_MIN <= value <= LONG_MAX else digits(value)
    if kind is float:
        if math.isfinite(value):
            return value
        raise FunctionError("the number is not finite")
    if kind is list or kind is tuple:
        return _clean_array(value)
    if isinstance(value, datetime):
        return utc_text(value)
    raise FunctionError("the value cannot be represented in JSON")


def digits(value: int) -> str:
    """An integer of any size in text. Raises ``FunctionError`` for more digits than an event can hold."""
    if value.bit_length() > _MAX_BITS:
        raise FunctionError("the integer has more than 4000 digits")
    return str(value)


def _clean_array(value: list[Any] | tuple[Any, ...]) -> list[Any]:
    cleaned: list[Any] = []
    reason: str | None = None
    for one in value:
        try:
            after = clean(one)
        except FunctionError as error:
            reason = reason or str(error)
            after = rest_of(error)
        if after is not None or one is None:
            cleaned.append(after)
    if reason is not None:
        raise Partly(reason, cleaned)
    return cleaned


def aligned(value: Any, levels: int) -> Any:
    """As :func:`clean`, for an array that is spread over elements: at this many levels what is nothing leaves null in its place.

    Rows beside each other fill the same elements, so no value may move to its neighbour's.
    """
    if not levels or value.__class__ is not list:
        return clean(value)
    kept: list[Any] = []
    reason: str | None = None
    for one in value:
        try:
            kept.append(aligned(one, levels - 1))
        except FunctionError as error:
            reason = reason or str(error)
            kept.append(rest_of(error))
    if reason is not None:
        raise Partly(reason, kept)
    return kept


def _clean_object(value: dict[Any, Any]) -> dict[str, Any] | None:
    # Copied at once, then mended where something is no plain text: most maps of events hold little else.
    found = value.copy()
    reason: str | None = None
    for key, one in value.items():
        kind = one.__class__
        if key.__class__ is not str:
            reason, cleaned = reason or "an object has a key that is not text", None
        elif kind is str or kind is bool:
            continue
        else:
            try:
                cleaned = clean(one)
            except FunctionError as error:
                reason = reason or str(error)
                cleaned = rest_of(error)
        if cleaned is None:
            del found[key]
        elif cleaned is not one:
            found[key] = cleaned
    if reason is not None:
        raise Partly(reason, found or None)
    return found or None


def lent(value: Any) -> Any:
    """As :func:`clean`, but an object with nothing to prune is given itself, not a copy: for who changes neither.

    One look at each value finds most objects to be so; whatever is odd in one leaves it to :func:`clean`. Keys are not
    looked at: this is for values of an event, which is JSON.
    """
    if value.__class__ is not dict:
        return clean(value)
    for one in value.values():
        kind = one.__class__
        if kind is str or kind is bool:
            continue
        if kind is int:
            if LONG_MIN <= one <= LONG_MAX:
                continue
        elif kind is float:
            if -_FLOAT_MAX <= one <= _FLOAT_MAX:
                continue
        elif kind is list:
            for inner in one:
                if inner.__class__ is not str:
                    break
            else:
                continue
        return clean(value)
    return value or None


def every(value: Any, path: Path) -> list[Any] | None:
    """What ``[*]`` reads: one entry for each element, null where it lacks the rest of the path; null when no array."""
    if value.__class__ is not list:
        return None
    return [follow(one, path) for one in value] if path else value


def follow(value: Any, path: Path) -> Any:
    """The value at ``path`` below ``value``; null where the path does not exist."""
    for position, segment in enumerate(path):
        if segment.__class__ is Key:
            if value.__class__ is not dict:
                return None
            inner = value.get(segment.name)
            value = follow(value, segment.steps) if inner is None and segment.dotted else inner
        elif segment.__class__ is Index:
            if value.__class__ is not list or len(value) <= segment.value:
                return None
            value = value[segment.value]
        else:
            return every(value, path[position + 1 :])
        if value is None:
            return None
    return value


def flatten(value: Any, levels: int) -> Any:
    """``levels`` levels of nested arrays taken away, nulls with them."""
    for _ in range(levels):
        if value.__class__ is not list:
            return value
        value = [inner for one in value if one is not None for inner in (one if one.__class__ is list else (one,))]
    return value


def without_nulls(value: Any) -> Any:
    """An array read by ``[*]`` for a destination without one: absent leaves leave no trace."""
    return [one for one in value if one is not None] if value.__class__ is list else value


def spread(items: list[Any], value: Any, below: Path, wrap: str | None) -> None:
    """Write the elements of the array ``value`` below the elements of ``items``, by position.

    ``below`` is the destination after its ``[*]``. ``wrap``: the leaf is re-wrapped under its own source key
    (``emails[*].name -> pi[*].names`` gives ``{"names": {"name": ...}}``). Raises ``FunctionError`` when no array.
    """
    if value.__class__ is not list:
        raise FunctionError("[*] in the destination wants an array")
    while len(items) < len(value):
        items.append({})
    for position, leaf in enumerate(value):
        if leaf is None:
            continue
        if not below:
            wrapped = {wrap: leaf} if wrap is not None else leaf
            here = items[position]
            items[position] = {**here, **wrapped} if here.__class__ is dict and wrapped.__class__ is dict else wrapped
            continue
        here = items[position]
        if here.__class__ is not dict:
            here = items[position] = {}
        _write(here, below, leaf, wrap)


def _write(target: Any, path: Path, leaf: Any, wrap: str | None) -> None:
    """Set ``leaf`` at ``path`` below the object ``target``, which is of the bridge's own making."""
    for position, segment in enumerate(path):
        last = position == len(path) - 1
        if last:
            _put(target, segment, {wrap: leaf} if wrap is not None else leaf)
            return
        following = path[position + 1]
        inner = _get(target, segment)
        if isinstance(following, Every):
            if inner.__class__ is not list:
                inner = []
                _put(target, segment, inner)
            spread(inner, leaf, path[position + 2 :], wrap)
            return
        wanted: type = list if isinstance(following, Index) else dict
        if inner.__class__ is not wanted:
            inner = wanted()
            _put(target, segment, inner)
        target = inner


def _get(target: Any, segment: Segment) -> Any:
    if isinstance(segment, Key):
        return target.get(segment.name)
    if isinstance(segment, Index) and segment.value < len(target):
        return target[segment.value]
    return None


def _put(target: Any, segment: Segment, value: Any) -> None:
    if isinstance(segment, Key):
        target[segment.name] = value
    elif isinstance(segment, Index):
        while len(target) <= segment.value:
            target.append({})
        target[segment.value] = value


def prune(items: list[Any]) -> list[Any] | None:
    """An array built element by element, without the elements that stayed empty; null when none is left."""
    return clean(items) or None
