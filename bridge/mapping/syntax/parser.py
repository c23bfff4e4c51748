r"""Text of an expression to its syntax tree, in linear time and without recursion on the text.

The grammar is ``expression.lark`` beside this module. String escapes are JEXL's: ``\\``, ``\"``, ``\'``, ``\n \t \r \b \f``
and ``\uXXXX``; any other backslash stays, so that regular expressions read as they are written.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from lark import Lark, Token, Transformer, UnexpectedInput
from lark.exceptions import VisitError

from bridge.mapping.syntax.explaining import ExpressionProblem, explained
from bridge.mapping.syntax.nodes import (
    ArrayLiteral,
    Binary,
    Call,
    Lambda,
    Literal,
    MapLiteral,
    Member,
    MethodCall,
    Node,
    PathRef,
    Subscript,
    Ternary,
    Unary,
    depth,
)
from bridge.mapping.syntax.paths import MAX_INDEX, MAX_SEGMENTS, Every, Index, Key, wrapped_key

if TYPE_CHECKING:
    from bridge.mapping.syntax.paths import Segment

MAX_LENGTH: Final = 4096
"""Adobe's limit for a calculated field."""
MAX_TEXT: Final = 65_536
"""What the bridge itself still reads; between the two it works here and lint says that AEP would refuse it."""
MAX_DEPTH: Final = 128
MAX_NUMBER_TEXT: Final = 40

WORDS: Final = {
    "or": "||",
    "and": "&&",
    "eq": "==",
    "ne": "!=",
    "lt": "<",
    "le": "<=",
    "gt": ">",
    "ge": ">=",
    "div": "/",
    "mod": "%",
    "not": "!",
}
"""Operators in word form and the symbol they stand for."""

_ESCAPE: Final = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_LETTERS: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "\\": "\\", '"': '"', "'": "'"}


class _Build(Transformer[Token, Node]):
    """Reduces rules to nodes while the parser runs, so that no parse tree is kept."""

    def null(self, _: list[Any]) -> Node:
        return Literal(None)

    def true(self, _: list[Any]) -> Node:
        return Literal(True)

    def false(self, _: list[Any]) -> Node:
        return Literal(False)

    def number(self, parts: list[Any]) -> Node:
        return Literal(_number(parts[0]))

    def string(self, parts: list[Any]) -> Node:
        return Literal(unescape(parts[0][1:-1]))

    def name(self, parts: list[Any]) -> Any:
        return parts[0]

    def path(self, parts: list[Any]) -> Node:
        token = parts[0]
        return PathRef((_key(token),), token.start_pos + 1, token.type == "WRAPPED")

    def member(self, parts: list[Any]) -> Node:
        return _step(parts[0], _key(parts[1]))

    def every(self, parts: list[Any]) -> Node:
        if not isinstance(parts[0], PathRef):
            raise ExpressionProblem("[*] follows a path, not a computed value")
        return _step(parts[0], Every())

    def subscript(self, parts: list[Any]) -> Node:
        target, index = parts
        if isinstance(index, Literal):
            if isinstance(index.value, str):
                return _step(target, Key(index.value))
            if type(index.value) is int:
                if index.value > MAX_INDEX:
                    raise ExpressionProblem(f"an index is at most {MAX_INDEX}")
                return _step(target, Index(index.value))
        return Subscript(target, index)

    def call(self, parts: list[Any]) -> Node:
        name, arguments = parts
        return Call(str(name), tuple(arguments or ()), name.start_pos + 1)

    def method(self, parts: list[Any]) -> Node:
        target, name, arguments = parts
        return MethodCall(target, str(name), tuple(arguments or ()), name.start_pos + 1)

    def arguments(self, parts: list[Any]) -> Any:
        return parts

    def lambda_(self, parts: list[Any]) -> Node:
        return Lambda(_plain_name(parts[0]), parts[1])

    def array(self, parts: list[Any]) -> Node:
        return ArrayLiteral(tuple(parts[0] or ()))

    def entry(self, parts: list[Any]) -> Any:
        return (parts[0], parts[1])

    def map(self, parts: list[Any]) -> Node:
        return MapLiteral(tuple(part for part in parts if part is not None))

    def empty_map(self, _: list[Any]) -> Node:
        return MapLiteral(())

    def unary(self, parts: list[Any]) -> Node:
        return Unary(WORDS.get(parts[0], str(parts[0])), parts[1])

    def binary(self, parts: list[Any]) -> Node:
        left, operator, right = parts
        return Binary(WORDS.get(operator, str(operator)), left, right)

    def ternary(self, parts: list[Any]) -> Node:
        return Ternary(*parts)


def _step(target: Node, segment: Segment) -> Node:
    if not isinstance(target, PathRef):
        return Member(target, segment)
    if len(target.path) >= MAX_SEGMENTS:
        raise ExpressionProblem(f"a path has at most {MAX_SEGMENTS} segments", target.position)
    return PathRef((*target.path, segment), target.position, target.wrapped)


def _key(token: Token) -> Key:
    dotted = token.type == "WRAPPED" and "." in re.sub(r"\\.", "", str(token), flags=re.DOTALL)
    return wrapped_key(_plain_name(token), dotted=dotted)


def _plain_name(token: Token) -> str:
    text = str(token)
    if token.type == "WRAPPED":
        return re.sub(r"\\(.)", r"\1", text[2:-1], flags=re.DOTALL)
    return text.replace("\\.", ".")


def _number(token: Token) -> int | float:
    text = str(token).rstrip("lLhHfFdDbB")
    kind = str(token)[len(text) :].lower()
    if len(text) > MAX_NUMBER_TEXT:
        raise ExpressionProblem(f"a number has at most {MAX_NUMBER_TEXT} characters", (token.start_pos or 0) + 1)
    if kind in ("f", "d", "b") or not text.isdigit():
        value = float(text)
        if value in (float("inf"), float("-inf")):
            raise ExpressionProblem("the number is beyond a double", (token.start_pos or 0) + 1)
        return value
    whole = int(text)
    if whole >= 2**63:
        raise ExpressionProblem("the integer is beyond 64 bits", (token.start_pos or 0) + 1)
    return whole


def unescape(inner: str) -> str:
    """The text that a string literal's inside stands for."""
    if "\\" not in inner:
        return inner
    text = _ESCAPE.sub(_unescape_one, inner)
    # A pair of \\u escapes spells one character beyond U+FFFF, as in Java; half a pair becomes the replacement character.
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _unescape_one(match: re.Match[str]) -> str:
    code, letter = match.groups()
    if code:
        return chr(int(code, 16))
    return _LETTERS.get(letter, match.group())


@cache
def _lark() -> Lark:
    return Lark.open(
        "expression.lark",
        rel_to=__file__,
        parser="lalr",
        lexer="contextual",
        transformer=_Build(),
        maybe_placeholders=True,
    )


def parse_expression(text: str) -> Node:
    """The syntax tree of ``text``. Raises :class:`ExpressionProblem` with the position (from 1) and, where known, a fix."""
    if len(text) > MAX_TEXT:
        raise ExpressionProblem(f"an expression has at most {MAX_TEXT} characters, this one has {len(text)}")
    if not text.strip():
        raise ExpressionProblem("the expression is empty")
    try:
        node: Any = _lark().parse(text)
    except UnexpectedInput as unexpected:
        raise explained(unexpected, text) from None
    except VisitError as failed:
        if isinstance(failed.orig_exc, ExpressionProblem):
            raise failed.orig_exc from None
        raise
    if depth(node, MAX_DEPTH) > MAX_DEPTH:
        raise ExpressionProblem(f"nested more than {MAX_DEPTH} levels deep; split it, or use decode or concat")
    return node  # type: ignore[no-any-return]
