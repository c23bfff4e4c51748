"""Maps of text: as most events fill them at once, with one look at each value, and objects and arrays as JSON text."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import orjson

from bridge.mapping.values.failures import FunctionError
from bridge.xdm.problems import EventFinding
from bridge.xdm.schema.value_checks import Place, Said, pointer, text_of

if TYPE_CHECKING:
    from collections.abc import Callable

    Check = Callable[[Any, Place, Said], Any]

_SMALL: Final = 2**63
_KEY_KEPT: Final = 64
AS_JSON: Final = "an object or array in a map of text became JSON text"


def texts(value: Any, place: Place, said: Said) -> dict[str, Any] | None:
    """An event's object as a map of text, itself where nothing has to change: what pruning and the map's check make of it.

    None for anything that wants a closer look: no object, an empty one, or one that holds an object, a list of other things
    than text, or a number without a text; then nothing is said either.
    """
    if value.__class__ is not dict or not value:
        return None
    found: dict[str, Any] | None = None
    remarks: list[EventFinding] | None = None
    for key, one in value.items():
        kind = one.__class__
        if kind is str:
            continue
        if found is None:
            found = value.copy()
        if kind is float:
            if 1e-3 <= one < 1e7:  # most numbers there are; text_of gives the same
                text: str | None = repr(one)
                if text[-2:] == ".0":  # type: ignore[index]
                    text = text[:-2]  # type: ignore[index]
            else:
                text = text_of(one)
        elif kind is int:
            text = str(one) if -_SMALL <= one < _SMALL else None
        elif kind is bool:
            text = "true" if one else "false"
        elif one is None:
            del found[key]
            continue
        else:
            text = _json_of_texts(one)
            if text is not None:
                remark = _recurring(place, key) if len(key) <= _KEY_KEPT else _became_json((place, key))
                remarks = [remark] if remarks is None else [*remarks, remark]
        if text is None:
            return None
        found[key] = text
    if found is None:
        return value
    if remarks is not None and found:
        said += remarks
    return found or None


def _became_json(place: Place) -> EventFinding:
    return EventFinding(pointer(place), "map_value_as_json", AS_JSON)


@lru_cache(maxsize=4_096)
def _recurring(place: Place, key: str) -> EventFinding:
    """The same of a key that may well come again."""
    return _became_json((place, key))


def _json_of_texts(value: Any) -> str | None:
    """JSON of a list of text, which pruning leaves as it is; None of anything else."""
    if value.__class__ is not list:
        return None
    for one in value:
        if one.__class__ is not str:
            return None
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:
        return None


def as_json(each: Check) -> Check:
    """Objects and arrays in a map of text become JSON text: keys of a map cannot be mapped one by one, and AEP refuses them."""

    def check(value: Any, place: Place, said: Said) -> Any:
        if type(value) is dict or type(value) is list:
            try:
                text = json_text(value)
            except FunctionError:
                return each(value, place, said)
            said.append(_became_json(place))
            return each(text, place, said)
        return each(value, place, said)

    return check


def json_text(value: Any) -> str:
    """JSON of an object or array, integers of any size by their digits. Raises ``FunctionError`` for what JSON cannot hold."""
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:
        pass
    try:
        # Integers beyond 64 bits, which orjson refuses.
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        text.encode()
    except (ValueError, TypeError, RecursionError):
        raise FunctionError("the value cannot be represented in JSON") from None
    return text
