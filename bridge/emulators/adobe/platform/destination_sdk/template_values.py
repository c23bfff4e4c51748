"""Values of the template language: texts and their escaping, members, lists, and what filters, functions and tests give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote_plus

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_REALIZED: Final = frozenset({"realized", "existing"})


class TemplateError(Exception):
    """What is wrong with a template, or what the emulator does not play of the language."""


class Safe(str):
    """A text that is printed as it is."""

    __slots__ = ()


class Escaping:
    """What ``{{ … }}`` escapes: Pebble's older versions leave quotes alone in HTML, its newer ones do not."""

    def __init__(self, *, quotes: bool) -> None:
        self._quotes = quotes

    def printed(self, value: Any) -> str:
        """A value as it comes into the output."""
        if isinstance(value, Safe) or value is None or isinstance(value, bool | int | float):
            return as_text(value)
        return self.escape(as_text(value), quotes=self._quotes)

    @staticmethod
    def escape(text: str, *, quotes: bool) -> str:
        """The text with entities for what is HTML's."""
        text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        return text.replace('"', "&quot;").replace("'", "&#39;") if quotes else text


def as_text(value: Any) -> str:
    """A value as text: nothing for null, JSON for maps and lists."""
    if value is None:
        return ""
    if isinstance(value, str):
        return str(value)
    return orjson.dumps(value).decode()


def member(value: Any, key: Any) -> Any:
    """``value.key``; null where there is none. A map's entry has ``key`` and ``value``."""
    if isinstance(value, Entry):
        return {"key": value.key, "value": value.value}.get(key)
    if isinstance(value, dict):
        return value.get(str(key))
    if isinstance(value, list) and isinstance(key, int) and 0 <= key < len(value):
        return value[key]
    return None


class Entry:
    """One of a map, as ``for`` gives it."""

    __slots__ = ("key", "value")

    def __init__(self, key: str, value: Any) -> None:
        self.key, self.value = key, value


def items(value: Any) -> list[Any]:
    """What ``for`` goes through."""
    if isinstance(value, dict):
        return [Entry(key, one) for key, one in value.items()]
    return value if isinstance(value, list) else []


def _segments(value: Any, *, added: bool) -> dict[str, Any]:
    members = value if isinstance(value, dict) else {}
    return {key: one for key, one in members.items() if (member(one, "status") in _REALIZED) is added}


def _default(value: Any, other: Any) -> Any:
    return other if value in (None, "", [], {}) else value


def _escape(value: Any, strategy: str = "html") -> Safe:
    if strategy not in ("html", "html_attr"):
        raise TemplateError(f"the emulator does not play the escaping strategy {strategy}")
    return Safe(Escaping.escape(as_text(value), quotes=True))


def _sequence(value: Any) -> list[Any]:
    return list(value) if isinstance(value, str) else items(value)


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "raw": lambda value: Safe(as_text(value)),
    "escape": _escape,
    "urlencode": lambda value: None if value is None else quote_plus(as_text(value), safe="*"),
    "upper": lambda value: as_text(value).upper(),
    "lower": lambda value: as_text(value).lower(),
    "trim": lambda value: as_text(value).strip(),
    "default": _default,
    "length": lambda value: len(_sequence(value)),
    "first": lambda value: next(iter(_sequence(value)), None),
    "last": lambda value: next(reversed(_sequence(value)), None),
    "join": lambda value, separator="": separator.join(as_text(one) for one in _sequence(value)),
    "added": lambda value: _segments(value, added=True),
    "removed": lambda value: _segments(value, added=False),
}
FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "addedSegments": FILTERS["added"],
    "removedSegments": FILTERS["removed"],
}
CONSTANTS: Final = {"true": True, "false": False, "null": None, "none": None}
COMPARISONS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "==": lambda left, right: left == right,
    "equals": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
    "contains": lambda left, right: right in (left or ()),
}
TESTS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "empty": lambda value: value in (None, "", [], {}),
    "null": lambda value: value is None,
    "map": lambda value: isinstance(value, dict),
}


def apply_filter(name: str, value: Any, arguments: list[Any]) -> Any:
    """The filter's result. Raises ``TemplateError``."""
    return called(FILTERS, "filter", name, [value, *arguments])


def called(known: Mapping[str, Callable[..., Any]], kind: str, name: str, arguments: list[Any]) -> Any:
    """What the named one of ``known`` gives; ``kind`` is what it is called in errors. Raises ``TemplateError``."""
    if name not in known:
        raise TemplateError(f"the emulator does not play the {kind} {name}")
    try:
        return known[name](*arguments)
    except TypeError:
        raise TemplateError(f"the {kind} {name} does not take these arguments") from None
