"""Values of attributes against MoEngage's documented limits: text, lists, objects, and text that was meant as a date. Pure.

None of these keeps an element from being taken: MoEngage answers 200, then cuts, drops or retypes the value without a word.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

import orjson

from bridge.destinations.moengage.limits import (
    LIST_ITEMS,
    NAME_CHARACTERS,
    OBJECT_BYTES,
    OBJECT_ITEMS,
    OBJECT_KEY_FORBIDS,
    OBJECT_KEYS,
    OBJECT_LEVELS,
    VALUE_CHARACTERS,
)
from bridge.destinations.moengage.remarks import Remark

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_DATE_TIME: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z", flags=re.ASCII)
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}", flags=re.ASCII)
_LIKE_A_DATE: Final = re.compile(
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?:[T ]\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?(?: ?(?:Z|UTC|GMT|[+-]\d{2}:?\d{2}))?)?"
    r"|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}(?: \d{1,2}:\d{2}(?::\d{2})?)?",
    flags=re.ASCII | re.IGNORECASE,
)
_SHORTEST_DATE: Final = 8
_LONGEST_DATE: Final = 40
_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,20}://")


def about(value: Any, path: str, field: str, *, objects: bool) -> Iterator[Remark]:
    """What MoEngage would do to a value other than keep it; ``objects``: the workspace takes objects."""
    kind = value.__class__
    if kind is str:
        yield from about_text(value, path, field)
    elif kind is list or kind is tuple:
        yield from _about_list(value, path, field, objects=objects)
    elif kind is dict:
        yield from _about_objects([value], path, field, objects=objects)
    elif kind is not int and kind is not float and kind is not bool:
        yield Remark(path, "value_type", "a value of no type that MoEngage takes", field)


def about_text(text: str, path: str, field: str) -> Iterator[Remark]:
    """Text that is cut or dropped, or that looks like a date and stays text."""
    if len(text) > VALUE_CHARACTERS:
        if _URL.match(text):
            yield Remark(path, "url_long", f"a URL of {len(text)} characters is dropped whole", field)
        else:
            yield Remark(path, "value_long", f"of {len(text)} characters the first {VALUE_CHARACTERS} are kept", field)
    elif text[:1].isdigit() and is_lost_date(text):
        yield Remark(path, "date_text", "it looks like a date, in a form that MoEngage keeps as text", field)


def is_lost_date(text: str) -> bool:
    """Whether it looks like a date and is none of the two forms that become one, or of no day that there is."""
    if not _SHORTEST_DATE <= len(text) <= _LONGEST_DATE:
        return False
    try:
        if _DATE_TIME.fullmatch(text):
            datetime.fromisoformat(text)
            return False
        if _DATE.fullmatch(text):
            date.fromisoformat(text)
            return False
    except ValueError:
        return True
    return _LIKE_A_DATE.fullmatch(text) is not None


def _about_list(values: Sequence[Any], path: str, field: str, *, objects: bool) -> Iterator[Remark]:
    kinds = {_kind(value) for value in values}
    if kinds == {"object"}:
        yield from _about_objects(values, path, field, objects=objects)
        return
    if len(values) > LIST_ITEMS:
        yield Remark(path, "list_long", f"of {len(values)} values only the first {LIST_ITEMS} are kept", field)
    if len(kinds) > 1:
        yield Remark(path, "list_mixed", f"a list of {' and '.join(sorted(kinds))}", field)
    if "list" in kinds or "null" in kinds:
        yield Remark(path, "value_type", "a list holds text, numbers or true and false, or objects", field)
    for at, value in enumerate(values):
        if value.__class__ is str and len(value) > VALUE_CHARACTERS:
            yield from about_text(value, f"{path}/{at}", f"{field}[*]")


def _kind(value: Any) -> str:
    kind = value.__class__
    if kind is str:
        return "text"
    if kind is bool:
        return "boolean"
    if kind is int or kind is float:
        return "number"
    if kind is dict:
        return "object"
    return "null" if value is None else "list"


def _about_objects(values: Sequence[Mapping[str, Any]], path: str, field: str, *, objects: bool) -> Iterator[Remark]:
    """An object, or a list of nothing but objects."""
    if not objects:
        yield Remark(path, "object_off", "the settings do not say that the workspace takes objects", field)
        return
    if not all(values) or not values:
        yield Remark(path, "object_empty", "an object without anything in it is not stored", field)
    if len(values) > OBJECT_ITEMS:
        yield Remark(path, "object_items", f"a list of {len(values)} objects, {OBJECT_ITEMS} are taken", field)
    size = len(orjson.dumps(values if len(values) > 1 else values[0])) if values else 0
    if size > OBJECT_BYTES:
        yield Remark(path, "object_large", f"an object of {size} bytes, {OBJECT_BYTES} are taken", field)
    keys: set[str] = set()
    found: dict[str, Remark] = {}
    for value in values:
        for remark in _within(value, path, field, 1, keys):
            found.setdefault(remark.code, remark)
    if len(keys) > OBJECT_KEYS:
        yield Remark(path, "object_keys", f"an object of {len(keys)} keys, {OBJECT_KEYS} are taken", field)
    yield from found.values()


def _within(value: Mapping[str, Any], path: str, field: str, level: int, keys: set[str]) -> Iterator[Remark]:
    for key, inner in value.items():
        keys.add(f"{level}.{key}")
        place = f"{path}/{escaped(key)}"
        if not key or len(key) > NAME_CHARACTERS or any(mark in key for mark in OBJECT_KEY_FORBIDS):
            yield Remark(
                place, "object_key", "a key of an object is empty, too long or has one of $ . % # in it", field
            )
        if inner.__class__ is str and len(inner) > VALUE_CHARACTERS:
            yield from about_text(inner, place, field)
        elif inner.__class__ is dict or (inner.__class__ is list and any(one.__class__ is dict for one in inner)):
            if level >= OBJECT_LEVELS:
                yield Remark(place, "object_levels", "what is nested deeper than two levels becomes text", field)
                continue
            for one in inner if inner.__class__ is list else (inner,):
                if one.__class__ is dict:
                    yield from _within(one, place, field, level + 1, keys)


def escaped(name: str) -> str:
    """A name as a step of a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1")
