"""Regular expression functions (data-prep/functions, Regular expression functions): Java's syntax, compiled once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge.mapping.functions.arguments import text_of
from bridge.mapping.functions.registry import NOT_CONSTANT, Parameter, function
from bridge.mapping.values.regex.java import compile_java

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bridge.mapping.values.regex.engines import JavaRegex

CATEGORY = "Regular expression"
PARAMETERS = (Parameter("STRING", "string"), Parameter("REGEX", "string"))


def _compiled(use: Callable[[JavaRegex, str], Any]) -> Callable[[Sequence[Any]], Callable[..., Any] | None]:
    """``use`` with the regex of a constant argument compiled at compile time."""

    def at(constants: Sequence[Any]) -> Callable[..., Any] | None:
        if constants[1] is NOT_CONSTANT or constants[1] is None:
            return None
        regex = compile_java(text_of(constants[1]))
        return lambda value, _: None if value is None else use(regex, text_of(value))

    return at


def _extract(regex: JavaRegex, text: str) -> list[str | None]:
    match = regex.search(text)
    return [] if match is None else [match.group(), *match.groups()]


def _matches(regex: JavaRegex, text: str) -> bool:
    return regex.fullmatch(text) is not None


@function(
    "extract_regex",
    CATEGORY,
    "The first match and its groups; an empty array when nothing matches.",
    *PARAMETERS,
    returns="array<string>",
    specialize=_compiled(_extract),
)
def extract_regex(value: Any, regex: Any) -> list[str | None] | None:
    """``extract_regex(STRING, REGEX)``."""
    return None if value is None or regex is None else _extract(compile_java(text_of(regex)), text_of(value))


@function(
    "matches_regex",
    CATEGORY,
    "Whether the whole text matches, as Java's String.matches.",
    *PARAMETERS,
    returns="boolean",
    specialize=_compiled(_matches),
)
def matches_regex(value: Any, regex: Any) -> bool | None:
    """``matches_regex(STRING, REGEX)``."""
    return None if value is None or regex is None else _matches(compile_java(text_of(regex)), text_of(value))
