"""Expressions of the template language, as far as message templates need them, parsed once into functions of a scope.

Pebble's: names, ``a.b``, ``a[b]``, texts, whole numbers, ``not and or``, comparisons, ``~``, ``c ? a : b``, ``is [not] empty``,
filters (``x | upper``) and calls. What is not here is refused by name, so that nobody takes it for checked.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from bridge.emulators.adobe.platform.destination_sdk.template_values import (
    COMPARISONS,
    CONSTANTS,
    FILTERS,
    FUNCTIONS,
    TESTS,
    TemplateError,
    apply_filter,
    as_text,
    called,
    member,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Scope = Mapping[str, Any]
    Expression = Callable[[Scope], Any]

_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<text>"[^"]*"|'[^']*')|(?P<number>\d+)|(?P<name>[A-Za-z_]\w*)|(?P<sign>==|!=|<=|>=|[.\[\](),|~?:<>=])|(?P<other>\S))""",
)


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
        if sign := self.word(*COMPARISONS):
            right, compare = self._joined(), COMPARISONS[sign]
            return lambda scope: compare(left(scope), right(scope))
        if self.word("is"):
            negated, name = bool(self.word("not")), self.name()
            return lambda scope: bool(called(TESTS, "test", name, [left(scope)])) is not negated
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
        if text in CONSTANTS:
            return _constant(CONSTANTS[text])
        if not self.at_end and self._tokens[self._at] == ("sign", "("):
            arguments = self.arguments()
            return lambda scope: called(FUNCTIONS, "function", text, [one(scope) for one in arguments])
        return lambda scope: scope.get(text)


def _constant(value: Any) -> Expression:
    return lambda _: value


def _member(value: Expression, key: Expression) -> Expression:
    return lambda scope: member(value(scope), key(scope))


def _filter(value: Expression, name: str, arguments: list[Expression]) -> Expression:
    if name not in FILTERS:
        raise TemplateError(f"the emulator does not play the filter {name}")
    return lambda scope: apply_filter(name, value(scope), [one(scope) for one in arguments])


def _either(left: Expression, right: Expression) -> Expression:
    return lambda scope: bool(left(scope) or right(scope))


def _both(left: Expression, right: Expression) -> Expression:
    return lambda scope: bool(left(scope) and right(scope))


def _concatenated(left: Expression, right: Expression) -> Expression:
    return lambda scope: as_text(left(scope)) + as_text(right(scope))
