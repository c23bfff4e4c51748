"""What people and spreadsheets leave in the cells of a mapping set's file: headers in any spelling, blanks of no width, ``sep=``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

OnInvalid = Literal["drop", "reject"]
ON_INVALID: Final = "oninvalid"
Nulls = Literal["skip", "clear", "unset"]
NULLS: Final = "nulls"
_NULLS_SPELLINGS: Final[Mapping[str, Nulls]] = {"skip": "skip", "clear": "clear", "unset": "unset"}
_ON_INVALID_SPELLINGS: Final[Mapping[str, OnInvalid]] = {"drop": "drop", "reject": "reject"}
_ZERO_WIDTH: Final = "\u200b\u2060\ufeff"
_QUOTED_OR_ZERO_WIDTH: Final = re.compile(rf"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|[{_ZERO_WIDTH}]""", re.DOTALL)
_SEPARATOR_LINE: Final = re.compile(r"\s*\"?sep=(.)\"?[ \t]*(?:\r\n|\r|\n)", re.IGNORECASE)


def normal_header(header: str) -> str:
    """A header as :data:`HEADERS` knows it: case, blanks, underscores and hyphens ignored."""
    return re.sub(rf"[\s_\-{_ZERO_WIDTH}]", "", header.strip().strip('"')).lower()


def on_invalid_of(extra: Mapping[str, Any]) -> OnInvalid | None:
    """The value of a column or key named ``on_invalid``, however its name is spelled; None for any other value."""
    for name, value in extra.items():
        if normal_header(name) == ON_INVALID and isinstance(value, str):
            return _ON_INVALID_SPELLINGS.get(value.strip().lower())
    return None


def says_on_invalid(extra: Mapping[str, Any]) -> bool:
    """Whether there is anything in a column or key of that name."""
    return any(normal_header(name) == ON_INVALID and value not in (None, "") for name, value in extra.items())


def nulls_of(extra: Mapping[str, Any]) -> Nulls | None:
    """The value of a column or key named ``nulls``; None for any other value."""
    for name, value in extra.items():
        if normal_header(name) == NULLS and isinstance(value, str):
            return _NULLS_SPELLINGS.get(value.strip().lower())
    return None


def says_nulls(extra: Mapping[str, Any]) -> bool:
    """Whether there is anything in a column or key of that name."""
    return any(normal_header(name) == NULLS and value not in (None, "") for name, value in extra.items())


def blank(cell: str) -> bool:
    """Whether nothing can be seen in a cell."""
    return not cell.strip().strip(_ZERO_WIDTH).strip()


def visible(text: str) -> str:
    """``text`` without blanks of no width, which come in with copied text; inside quotes they stay."""
    if not any(mark in text for mark in _ZERO_WIDTH):
        return text
    return _QUOTED_OR_ZERO_WIDTH.sub(lambda found: found[1] or "", text)


def without_separator_line(text: str) -> tuple[str | None, str]:
    """The delimiter that Excel's first line ``sep=;`` names, and the text behind that line; None where there is no such line."""
    found = _SEPARATOR_LINE.match(text)
    return (None, text) if found is None else (found[1], text[found.end() :])
