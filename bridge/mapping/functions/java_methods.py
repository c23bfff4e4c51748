"""Java methods of text, maps and lists that people call on values: ``name.toLowerCase()``.

The language is JEXL (Apache Commons), where any public method of a value can be called; these are the ones of
java.lang.String, Map and List that make sense in a mapping. Of null a method gives null.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from bridge.mapping.functions.arguments import BLANKS, MAX_TEXT, bounded, text_of
from bridge.mapping.functions.registry import NOT_CONSTANT, FunctionError, Parameter, method
from bridge.mapping.values.coercion import a_kind, to_integer, to_text
from bridge.mapping.values.regex.java import compile_java

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bridge.mapping.values.regex.engines import JavaRegex, Match

OTHER = Parameter("OTHER", "string")
REGEX = Parameter("REGEX", "string")
FROM = Parameter("FROM", "number", required=False)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise FunctionError(f"{a_kind(value)} has no such method; text has")
    return value


def _register(
    name: str, summary: str, body: Callable[..., Any], *parameters: Parameter, returns: str = "string", **facts: Any
) -> None:
    """A method of text: null of null, an error of other values."""

    def call(value: Any, *arguments: Any) -> Any:
        return None if value is None else body(_text(value), *arguments)

    call.__name__ = name
    call.__doc__ = f"``value.{name}(...)``."
    method(name, summary, *parameters, returns=returns, **facts)(call)


def _need(value: Any) -> str:
    if value is None:
        raise FunctionError("the argument is null")
    return text_of(value)


def _substring(text: str, first: Any, end: Any = None) -> str:
    start = to_integer(first)
    stop = len(text) if end is None else to_integer(end)
    if not 0 <= start <= stop <= len(text):
        raise FunctionError("substring: the positions lie outside the text")
    return text[start:stop]


def _char_at(text: str, place: Any) -> str:
    at = to_integer(place)
    if not 0 <= at < len(text):
        raise FunctionError("charAt: the position lies outside the text")
    return text[at]


def _repeat(text: str, times: Any) -> str:
    count = to_integer(times)
    if count < 0 or count * len(text) > MAX_TEXT:
        raise FunctionError(f"repeat: COUNT is negative, or the text would grow beyond {MAX_TEXT} characters")
    return text * count


def _replace(text: str, old: Any, new: Any) -> str:
    sought, replacement = _need(old), _need(new)
    if len(text) + (text.count(sought) * len(replacement)) > MAX_TEXT:
        raise FunctionError(f"the text grew beyond {MAX_TEXT} characters")
    return text.replace(sought, replacement)


def _last_index(text: str, other: Any, start: Any = None) -> int:
    sought = _need(other)
    return text.rfind(sought) if start is None else text.rfind(sought, 0, max(0, to_integer(start)) + len(sought))


_register("toLowerCase", "Lower-cases text.", str.lower)
_register("toUpperCase", "Upper-cases text.", str.upper)
_register("strip", "Removes white space from both ends.", str.strip)
_register("isBlank", "Whether text has only white space.", lambda text: not text.strip(), returns="boolean")
_register(
    "contains", "Whether text holds other text.", lambda text, other: _need(other) in text, OTHER, returns="boolean"
)
_register(
    "endsWith", "Whether text ends so.", lambda text, other: text.endswith(_need(other)), OTHER, returns="boolean"
)
_register(
    "startsWith",
    "Whether text begins so, or goes on so at FROM.",
    lambda text, other, start=0: to_integer(start) >= 0 and text.startswith(_need(other), to_integer(start)),
    OTHER,
    FROM,
    returns="boolean",
)
_register("substring", "The text from START up to, not including, END.", _substring, Parameter("START", "number"),
          Parameter("END", "number", required=False))  # fmt: skip
_register(
    "indexOf",
    "Position of other text, from 0; -1 when it is not there.",
    lambda text, other, start=0: text.find(_need(other), max(0, to_integer(start))),
    OTHER,
    FROM,
    returns="integer",
)
_register("lastIndexOf", "Position of the last occurrence; -1 when there is none.", _last_index, OTHER, FROM,
          returns="integer")  # fmt: skip
_register("charAt", "The character at a position.", _char_at, Parameter("INDEX", "number"))
_register("repeat", "The text COUNT times.", _repeat, Parameter("COUNT", "number"))
_register("replace", "Replaces every occurrence of literal text.", _replace, OTHER, Parameter("REPLACEMENT", "string"))
_register(
    "compareTo",
    "Below zero, zero or above it, as text stands before, with or after other text.",
    lambda text, other: (text > _need(other)) - (text < _need(other)),
    OTHER,
    returns="integer",
)


_REFERENCE = re.compile(r"\\(.)|\$\{([A-Za-z][A-Za-z0-9]*)\}|\$([0-9])|([$\\])", re.DOTALL)


def _template(replacement: str) -> Callable[[Match], str]:
    """Java's replacement text: ``$1``, ``${name}``, and a backslash before what stands for itself."""
    parts: list[str | int | tuple[str]] = []
    at = 0
    for found in _REFERENCE.finditer(replacement):
        parts.append(replacement[at : found.start()])
        literal, named, number, wrong = found.groups()
        if wrong:
            raise FunctionError("the replacement has a $ or \\ that refers to nothing; write \\$ or \\\\")
        parts.append(literal if literal is not None else (named,) if named else int(number))
        at = found.end()
    parts.append(replacement[at:])

    def expand(match: Match) -> str:
        try:
            return "".join(
                part if isinstance(part, str) else match[part[0] if isinstance(part, tuple) else part] or ""
                for part in parts
            )
        except IndexError:
            raise FunctionError("the replacement names a group that the regular expression has not") from None

    return expand


def _replace_by(regex: JavaRegex, text: str, replacement: Any, count: int) -> str:
    expand = _template(_need(replacement))
    parts: list[str] = []
    start = made = 0
    for number, match in enumerate(regex.find_all(text)):
        if number == count > 0:
            break
        new = expand(match)
        made += len(new)
        if made > MAX_TEXT:
            raise FunctionError(f"the text grew beyond {MAX_TEXT} characters")
        parts += (text[start : match.start()], new)
        start = match.end()
    return "".join([*parts, text[start:]])


def _split_by(regex: JavaRegex, text: str, limit: Any = 0) -> list[str]:
    """``String.split(regex, limit)``: without a limit empty parts at the end are dropped."""
    most = to_integer(limit)
    parts = regex.split(text, most or -1)
    if most == 0:
        while len(parts) > 1 and not parts[-1]:
            parts.pop()
        if parts == [""] and text:
            parts = []
    return parts


def _register_regex(
    name: str, summary: str, body: Callable[..., Any], *parameters: Parameter, returns: str = "string"
) -> None:
    """A method whose first argument is a regex, compiled at compile time where it is constant."""

    def specialize(constants: Sequence[Any]) -> Callable[..., Any] | None:
        if constants[1] is NOT_CONSTANT or constants[1] is None:
            return None
        regex = compile_java(text_of(constants[1]))
        return lambda value, _, *more: None if value is None else body(regex, _text(value), *more)

    _register(
        name,
        summary,
        lambda text, regex, *more: body(compile_java(_need(regex)), text, *more),
        REGEX,
        *parameters,
        returns=returns,
        specialize=specialize,
    )


_register_regex(
    "matches",
    "Whether the whole text matches a regular expression.",
    lambda regex, text: regex.fullmatch(text) is not None,
    returns="boolean",
)
_register_regex(
    "replaceAll",
    "Replaces every match of a regular expression; $1 is a group.",
    lambda regex, text, new: _replace_by(regex, text, new, 0),
    Parameter("REPLACEMENT", "string"),
)
_register_regex(
    "replaceFirst",
    "Replaces the first match of a regular expression; $1 is a group.",
    lambda regex, text, new: _replace_by(regex, text, new, 1),
    Parameter("REPLACEMENT", "string"),
)
_register_regex(
    "split",
    "Splits text by a regular expression, as Java does (not like the function split).",
    _split_by,
    Parameter("LIMIT", "number", required=False),
    returns="array<string>",
)


def _sized(value: Any) -> int | None:
    if value is None:
        return None
    if not isinstance(value, str | list | dict):
        raise FunctionError(f"{a_kind(value)} has no length")
    return len(value)


@method("length", "How many characters text has.", returns="integer")
def length(value: Any) -> int | None:
    """``value.length()``."""
    return _sized(value)


@method("size", "How many items an array or keys an object has.", returns="integer")
def size(value: Any) -> int | None:
    """``value.size()``."""
    return _sized(value)


@method("isEmpty", "Whether text, an array or an object has nothing in it.", returns="boolean")
def is_empty(value: Any) -> bool | None:
    """``value.isEmpty()``."""
    count = _sized(value)
    return None if count is None else count == 0


@method("toString", "The value as text.")
def to_string(value: Any) -> str | None:
    """``value.toString()``: of anything, as Java prints it."""
    return None if value is None else bounded(to_text(value))


@method("containsKey", "Whether an object has a key.", Parameter("KEY", "string"), returns="boolean")
def contains_key(value: Any, key: Any) -> bool | None:
    """``value.containsKey(KEY)``."""
    if value is None:
        return None
    if not isinstance(value, dict):
        raise FunctionError(f"{a_kind(value)} has no keys")
    return key is not None and text_of(key) in value


@method("stripLeading", "Removes blanks from the beginning.")
def strip_leading(value: Any) -> str | None:
    """``value.stripLeading()``."""
    return None if value is None else _text(value).lstrip(BLANKS)


@method("stripTrailing", "Removes blanks from the end.")
def strip_trailing(value: Any) -> str | None:
    """``value.stripTrailing()``."""
    return None if value is None else _text(value).rstrip(BLANKS)
