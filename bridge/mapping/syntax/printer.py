"""A syntax tree back to text: ``parse_expression(print_expression(tree)) == tree``, with only the parentheses it needs."""

from __future__ import annotations

from typing import Final

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
)
from bridge.mapping.syntax.paths import Index, Key, print_key, print_path, print_step

KEYWORDS: Final = frozenset(
    [
        "new",
        "mod",
        "or",
        "break",
        "var",
        "lt",
        "for",
        "false",
        "while",
        "eq",
        "gt",
        "div",
        "not",
        "null",
        "continue",
        "else",
        "and",
        "ne",
        "true",
        "le",
        "if",
        "ge",
        "return",
        "_errors",
        "do",
        "function",
        "empty",
        "size",
    ]
)
"""The reserved words of Adobe's page, beside the names of all functions."""

_LEVELS: Final = {
    "?:": 1,
    "??": 1,
    "||": 2,
    "&&": 3,
    "|": 4,
    "^": 5,
    "&": 6,
    "==": 7,
    "!=": 7,
    **dict.fromkeys(("<", "<=", ">", ">=", "=~", "!~", "=^", "!^", "=$", "!$"), 8),
    "+": 9,
    "-": 9,
    "*": 10,
    "/": 10,
    "%": 10,
}
_TERNARY: Final = 1
_UNARY: Final = 11
_POSTFIX: Final = 12
_SINGLE: Final = frozenset({7, 8})
"""Levels whose operators do not chain: ``a == b == c`` is no expression."""


def print_expression(node: Node) -> str:
    """The text of ``node``."""
    return _print(node)[0]


def print_text(text: str) -> str:
    """``text`` as a string literal."""
    letters = []
    for letter in text:
        if letter in '"\\':
            letters.append("\\" + letter)
        elif letter == "\n":
            letters.append("\\n")
        elif letter == "\t":
            letters.append("\\t")
        elif ord(letter) < 0x20 or letter in "\x7f\x85\u2028\u2029":
            letters.append(f"\\u{ord(letter):04x}")
        else:
            letters.append(letter)
    return '"' + "".join(letters) + '"'


def _print(node: Node) -> tuple[str, int]:
    """Text and how tightly it binds."""
    match node:
        case Literal(value):
            return _literal(value), _POSTFIX
        case PathRef(path):
            first = path[0]
            head = print_step(first, reserved=KEYWORDS) if isinstance(first, Key) else ""
            rest = print_path(path[1:])
            return head + ("." if len(path) > 1 and isinstance(path[1], Key) else "") + rest, _POSTFIX
        case ArrayLiteral(items):
            return "[" + _list(items) + "]", _POSTFIX
        case MapLiteral(entries):
            inside = ", ".join(f"{_at(key, _TERNARY + 1)}: {_at(value, _TERNARY)}" for key, value in entries)
            return "{" + inside + "}", _POSTFIX
        case Call(name, arguments):
            return f"{name}({_list(arguments)})", _POSTFIX
        case MethodCall(target, name, arguments):
            return f"{_target(target)}.{name}({_list(arguments)})", _POSTFIX
        case Member(target, segment):
            if isinstance(segment, Key):
                return f"{_target(target)}.{print_step(segment)}", _POSTFIX
            return f"{_target(target)}[{segment.value if isinstance(segment, Index) else '*'}]", _POSTFIX
        case Subscript(target, index):
            return f"{_target(target)}[{_at(index, _TERNARY)}]", _POSTFIX
        case Unary(operator, operand):
            inner = _at(operand, _UNARY)
            spaced = operator.isalpha() or inner.startswith(operator)
            return operator + (" " if spaced else "") + inner, _UNARY
        case Binary(operator, left, right):
            level = _LEVELS[operator]
            right_level = _TERNARY if level == _TERNARY else level + 1
            left_level = level + 1 if level in _SINGLE or level == _TERNARY else level
            return f"{_at(left, left_level)} {operator} {_at(right, right_level)}", level
        case Ternary(condition, yes, no):
            return f"{_at(condition, _TERNARY + 1)} ? {_at(yes, _TERNARY)} : {_at(no, _TERNARY)}", _TERNARY
        case Lambda(parameter, body):
            return f"{print_key(parameter)} -> {_at(body, _TERNARY)}", 0


def _at(node: Node, level: int) -> str:
    text, own = _print(node)
    return text if own >= level else f"({text})"


def _target(node: Node) -> str:
    text = _at(node, _POSTFIX)
    # Digits before a dot would read as a fraction; a bare path before a step would swallow it.
    return f"({text})" if isinstance(node, Literal) and not isinstance(node.value, str) else text


def _list(nodes: tuple[Node, ...]) -> str:
    return ", ".join(_print(node)[0] for node in nodes)


def _literal(value: bool | float | str | None) -> str:
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, str):
        return print_text(value)
    return repr(value)
