"""Maps of text as most events fill them: text, some numbers and booleans, nulls, lists of text. One look at each value."""

from __future__ import annotations

from typing import Any, Final

import orjson

from bridge.xdm.findings import Finding
from bridge.xdm.schema_values import Place, Said, pointer, text_of

_SMALL: Final = 2**63
AS_JSON: Final = "an object or array in a map of text became JSON text"


def texts(value: Any, place: Place, said: Said) -> dict[str, Any] | None:
    """An event's object as a map of text, itself where nothing has to change: what pruning and the map's check make of it.

    None for anything that wants a closer look: no object, an empty one, or one that holds an object, a list of other things
    than text, or a number without a text; then nothing is said either.
    """
    if value.__class__ is not dict or not value:
        return None
    found: dict[str, Any] | None = None
    remarks: list[Finding] | None = None
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
                remark = Finding(pointer((place, key)), "map_value_as_json", AS_JSON)
                remarks = [remark] if remarks is None else [*remarks, remark]
        if text is None:
            return None
        found[key] = text
    if found is None:
        return value
    if remarks is not None and found:
        said += remarks
    return found or None


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
