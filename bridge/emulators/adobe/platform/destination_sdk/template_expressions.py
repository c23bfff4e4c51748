"""Expressions of the template language, as far as message templates need them, parsed once into functions of a scope.

Pebble's: names, ``a.b``, ``a[b]``, texts, whole numbers, ``not and or``, comparisons, ``~``, ``c ? a : b``, ``is [not] empty``,
filters (``x | upper``) and calls. What is not here is refused by name, so that nobody takes it for checked.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote_plus

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Scope = Mapping[str, Any]
    Expression = Callable[[Scope], Any]

_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<text>"[^"]*"|'[^']*')|(?P<number>\d+)|(?P<name>[A-Za-z_]\w*)|(?P<sign>==|!=|<=|>=|[.\[\](),|~?:<>=])|(?P<other>\S))""",
)
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


_FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
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
_FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "addedSegments": _FILTERS["added"],
    "removedSegments": _FILTERS["removed"],
}
_CONSTANTS: Final = {"true": True, "false": False, "null": None, "none": None}
_COMPARISONS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "==": lambda left, right: left == right,
    "equals": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
    "contains": lambda left, right: right in (left or ()),
}
_TESTS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "empty": lambda value: value in (None, "", [], {}),
    "null": lambda value: value is None,
    "map": lambda value: isinstance(value, dict),
}


def apply_filter(name: str, value: Any, arguments: list[Any]) -> Any:
    """The filter's result. Raises ``TemplateError``."""
    return _called(_FILTERS, "filter", name, [value, *arguments])


def _called(known: Mapping[str, Callable[..., Any]], kind: str, name: str, arguments: list[Any]) -> Any:
    if name not in known:
        raise TemplateError(f"the emulator does not play the {kind} {name}")
    try:
        return known[name](*arguments)
    except TypeError:
        raise TemplateError(f"the {kind} {name} does not take these arguments") from None


class Parser:
    """Reads one expression, or the head of a tag."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[tuple[str, str]] = []
        for found in _TOKEN.finditer(text):
            kind = str(found.lastgroup)
            if kind == "other":
                raise TemplateError(f"unexpected {found[kind]!r} in {text.strip()!r}")
            self._tokens.append((kind, found[kind]))
        self._at = 0

    @property
    def at_end(self) -> bool:
        """Whether everything is read."""
        return self._at >= len(self._tokens)

    def finish(self) -> None:
        """Raise ``TemplateError`` where something is left."""
        if not self.at_end:
            raise TemplateError(f"unexpected {self._tokens[self._at][1]!r} in {self._text.strip()!r}")

    def name(self) -> str:
        """The name that comes next."""
        kind, text = self._next()
        if kind != "name":
            raise TemplateError(f"expected a name in {self._text.strip()!r}")
        return text

    def word(self, *words: str) -> str:
        """The word or sign that comes next, if it is one of these; "" else."""
        if not self.at_end and self._tokens[self._at][0] in ("name", "sign") and self._tokens[self._at][1] in words:
            self._at += 1
            return self._tokens[self._at - 1][1]
        return ""

    def expect(self, word: str) -> None:
        """Read that word or sign."""
        if not self.word(word):
            raise TemplateError(f"expected {word!r} in {self._text.strip()!r}")

    def expression(self) -> Expression:
        """A whole expression."""
        condition = self._or()
        if not self.word("?"):
            return condition
        yes = self.expression()
        self.expect(":")
        no = self.expression()
        return lambda scope: yes(scope) if condition(scope) else no(scope)

    def _next(self) -> tuple[str, str]:
        if self.at_end:
            raise TemplateError(f"{self._text.strip()!r} ends too early")
        self._at += 1
        return self._tokens[self._at - 1]

    def _or(self) -> Expression:
        left = self._and()
        while self.word("or"):
            left = _either(left, self._and())
        return left

    def _and(self) -> Expression:
        left = self._not()
        while self.word("and"):
            left = _both(left, self._not())
        return left

    def _not(self) -> Expression:
        if self.word("not"):
            inner = self._not()
            return lambda scope: not inner(scope)
        return self._comparison()

    def _comparison(self) -> Expression:
        left = self._joined()
        if sign := self.word(*_COMPARISONS):
            right, compare = self._joined(), _COMPARISONS[sign]
            return lambda scope: compare(left(scope), right(scope))
        if self.word("is"):
            negated, name = bool(self.word("not")), self.name()
            return lambda scope: bool(_called(_TESTS, "test", name, [left(scope)])) is not negated
        return left

    def _joined(self) -> Expression:
        left = self._filtered()
        while self.word("~"):
            left = _concatenated(left, self._filtered())
        return left

    def _filtered(self) -> Expression:
        value = self._postfix()
        while self.word("|"):
            value = _filter(value, self.name(), self.arguments())
        return value

    def arguments(self) -> list[Expression]:
        """What stands in parentheses; names of arguments are not looked at."""
        found: list[Expression] = []
        if not self.word("("):
            return found
        while not self.word(")"):
            if found:
                self.expect(",")
            if self._at + 1 < len(self._tokens) and self._tokens[self._at + 1] == ("sign", "="):
                self._at += 2
            found.append(self.expression())
        return found

    def _postfix(self) -> Expression:
        value = self._primary()
        while sign := self.word(".", "["):
            if sign == ".":
                value = _member(value, _constant(self.name()))
            else:
                value = _member(value, self.expression())
                self.expect("]")
        return value

    def _primary(self) -> Expression:
        kind, text = self._next()
        if kind == "text":
            return _constant(text[1:-1])
        if kind == "number":
            return _constant(int(text))
        if text == "(":
            inner = self.expression()
            self.expect(")")
            return inner
        if kind != "name":
            raise TemplateError(f"unexpected {text!r} in {self._text.strip()!r}")
        if text in _CONSTANTS:
            return _constant(_CONSTANTS[text])
        if not self.at_end and self._tokens[self._at] == ("sign", "("):
            arguments = self.arguments()
            return lambda scope: _called(_FUNCTIONS, "function", text, [one(scope) for one in arguments])
        return lambda scope: scope.get(text)


def _constant(value: Any) -> Expression:
    return lambda _: value


def _member(value: Expression, key: Expression) -> Expression:
    return lambda scope: member(value(scope), key(scope))


def _filter(value: Expression, name: str, arguments: list[Expression]) -> Expression:
    if name not in _FILTERS:
        raise TemplateError(f"the emulator does not play the filter {name}")
    return lambda scope: apply_filter(name, value(scope), [one(scope) for one in arguments])


def _either(left: Expression, right: Expression) -> Expression:
    return lambda scope: bool(left(scope) or right(scope))


def _both(left: Expression, right: Expression) -> Expression:
    return lambda scope: bool(left(scope) and right(scope))


def _concatenated(left: Expression, right: Expression) -> Expression:
    return lambda scope: as_text(left(scope)) + as_text(right(scope))
