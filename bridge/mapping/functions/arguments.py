"""Arguments taken as text, and the length that no function's text may outgrow."""

from __future__ import annotations

from typing import Any

from bridge.mapping.functions.registry import FunctionError
from bridge.mapping.values.coercion import a_kind, to_text

MAX_TEXT = 1_000_000
"""No function makes text longer than this (an event of AEP holds far less)."""

BLANKS = "".join(map(chr, range(33)))
"""What Java's ``trim`` takes for blank: up to and including the space."""


def text_of(value: Any) -> str:
    """An argument as text; strings, the common case, first. Arrays and objects are none, in Adobe's editor as here."""
    if type(value) is str:
        return value
    if isinstance(value, list | dict):
        raise FunctionError(f"{a_kind(value)} stands where text is wanted")
    return to_text(value)


def bounded(text: str) -> str:
    """The text, unless it outgrew :data:`MAX_TEXT`."""
    if len(text) > MAX_TEXT:
        raise FunctionError(f"the text grew beyond {MAX_TEXT} characters")
    return text


def joined(between: str, parts: list[str]) -> str:
    """The parts with ``between`` in the gaps, unless that outgrew :data:`MAX_TEXT`: asked before it is made."""
    if sum(map(len, parts)) + len(between) * max(0, len(parts) - 1) > MAX_TEXT:
        raise FunctionError(f"the text grew beyond {MAX_TEXT} characters")
    return between.join(parts)
