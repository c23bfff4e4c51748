"""What a source cell is, and the placeholders in it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal

from bridge.mapping.syntax.explaining import ExpressionProblem
from bridge.mapping.syntax.parser import parse_expression, unescape
from bridge.mapping.syntax.paths import could_be_path, is_plain_path

if TYPE_CHECKING:
    from collections.abc import Mapping

SourceType = Literal["ATTRIBUTE", "EXPRESSION", "STATIC"]
SOURCE_TYPES: Final = ("ATTRIBUTE", "EXPRESSION", "STATIC")

_QUOTED: Final = re.compile(r"""\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')\s*\Z""", re.DOTALL)
_PLACEHOLDER: Final = re.compile(r"(?<!\$)\{([A-Za-z_][A-Za-z0-9_]*)\}")


def infer_source_type(source: str) -> SourceType:
    """What a source cell is when nothing says so: quoted literal, plain path, else expression."""
    text = _PLACEHOLDER.sub("placeholder_", source).strip()
    if _QUOTED.match(text):
        return "STATIC"
    if is_plain_path(text) and text not in ("true", "false", "null"):
        return "ATTRIBUTE"
    try:
        parse_expression(text)
    except ExpressionProblem:
        return "ATTRIBUTE" if could_be_path(text) else "EXPRESSION"
    return "EXPRESSION"


def fill(text: str, placeholders: Mapping[str, str]) -> tuple[str, list[str]]:
    """``text`` with ``{name}`` replaced, and the names nobody knows. ``${name}`` and ``{"key": …}`` are left alone."""
    unknown: list[str] = []

    def replace(match: re.Match[str]) -> str:
        name = match.group(1)
        if name in placeholders:
            return placeholders[name]
        unknown.append(name)
        return match.group()

    return _PLACEHOLDER.sub(replace, text), unknown


def unquoted(source: str) -> str:
    """The text inside a quoted literal; anything else as it is."""
    match = _QUOTED.match(source)
    if match is None:
        return source
    return unescape(match.group(1) if match.group(1) is not None else match.group(2))
