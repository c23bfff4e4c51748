"""String functions (data-prep/functions, String functions)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge.mapping.functions.arguments import BLANKS, MAX_TEXT, bounded, joined, text_of
from bridge.mapping.functions.registry import NOT_CONSTANT, FunctionError, Parameter, function
from bridge.mapping.values.coercion import to_integer
from bridge.mapping.values.regex.java import compile_java

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CATEGORY = "String"
INPUT = Parameter("INPUT", "string")
STRING = Parameter("STRING", "string")


@function(
    "concat",
    CATEGORY,
    "Joins the given values end to end, as text; nulls add nothing, and nulls alone give null.",
    Parameter("STRING", "string", variadic=True),
    returns="string",
    method=True,
)
def concat(*values: Any) -> str | None:
    """``concat(STRING_1, STRING_2, ...)``."""
    present = [value if type(value) is str else text_of(value) for value in values if value is not None]
    return bounded("".join(present)) if present else None


def _explode_at(constants: Sequence[Any]) -> Callable[..., Any] | None:
    regex = constants[1] if len(constants) > 1 else ","
    if regex is NOT_CONSTANT or regex is None:
        return None
    compiled = compile_java(text_of(regex))
    return lambda value, *_: None if value is None else compiled.split(text_of(value))


@function(
    "explode",
    CATEGORY,
    "Splits text by a regular expression, empty parts kept; by commas where none is given.",
    STRING,
    Parameter("REGEX", "string", required=False),
    returns="array<string>",
    specialize=_explode_at,
)
def explode(value: Any, regex: Any = ",") -> list[str] | None:
    """``explode(STRING, REGEX)``."""
    return None if value is None else compile_java("," if regex is None else text_of(regex)).split(text_of(value))


@function(
    "instr",
    CATEGORY,
    "Position of a substring, counted from 0: the OCCURRENCE-th from START_POSITION on; -1 when there is none.",
    INPUT,
    Parameter("SUBSTRING", "string"),
    Parameter("START_POSITION", "number", required=False),
    Parameter("OCCURRENCE", "number", required=False),
    returns="integer",
)
def instr(value: Any, substring: Any, start: Any = None, occurrence: Any = None) -> int | None:
    """``instr(INPUT, SUBSTRING, START_POSITION, OCCURRENCE)``."""
    if value is None or substring is None:
        return None
    text, sought = text_of(value), text_of(substring)
    at = max(0, to_integer(start)) if start is not None else 0
    wanted = to_integer(occurrence) if occurrence is not None else 1
    if wanted < 1:
        raise FunctionError("instr: OCCURRENCE counts from 1")
    if wanted > len(text) + 1:
        return -1
    found = text.find(sought, at)
    while found >= 0 and wanted > 1:
        found = text.find(sought, found + max(1, len(sought)))
        wanted -= 1
    return found


@function(
    "replacestr",
    CATEGORY,
    "Replaces every occurrence of literal text.",
    INPUT,
    Parameter("TO_FIND", "string"),
    Parameter("TO_REPLACE", "string"),
    returns="string",
)
def replacestr(value: Any, find: Any, replacement: Any) -> str | None:
    """``replacestr(INPUT, TO_FIND, TO_REPLACE)``; nothing is found for an empty or null TO_FIND."""
    if value is None:
        return None
    text = text_of(value)
    if find is None or replacement is None or not (sought := text_of(find)):
        return text
    new = text_of(replacement)
    if len(text) + text.count(sought) * len(new) > MAX_TEXT:
        raise FunctionError(f"the text grew beyond {MAX_TEXT} characters")
    return text.replace(sought, new)


@function(
    "substr",
    CATEGORY,
    "LENGTH characters from START_INDEX (counted from 0) on, as far as the text goes.",
    INPUT,
    Parameter("START_INDEX", "number"),
    Parameter("LENGTH", "number"),
    returns="string",
)
def substr(value: Any, start: Any, length: Any) -> str | None:
    """``substr(INPUT, START_INDEX, LENGTH)``."""
    if value is None or start is None or length is None:
        return None
    first, count = to_integer(start), to_integer(length)
    if first < 0 or count < 0:
        raise FunctionError("substr: START_INDEX and LENGTH are not negative")
    return text_of(value)[first : first + count]


@function("lower", CATEGORY, "Lower-cases text.", INPUT, returns="string", aliases=("lcase",))
def lower(value: Any) -> str | None:
    """``lower(INPUT)``."""
    return None if value is None else text_of(value).lower()


@function("upper", CATEGORY, "Upper-cases text.", INPUT, returns="string", aliases=("ucase",))
def upper(value: Any) -> str | None:
    """``upper(INPUT)``."""
    return None if value is None else text_of(value).upper()


def _separators(separator: Any) -> str:
    return text_of(separator) if separator is not None else " "


def _split_at(constants: Sequence[Any]) -> Callable[..., Any] | None:
    separator = constants[1]
    if separator is NOT_CONSTANT:
        return None
    characters = _separators(separator)
    return lambda value, _: None if value is None else _split(text_of(value), characters)


def _split(text: str, characters: str) -> list[str]:
    if len(characters) != 1:
        if not characters:
            return [text] if text else []
        text = text.translate(dict.fromkeys(map(ord, characters), characters[0]))
    return [part for part in text.split(characters[0]) if part]


@function(
    "split",
    CATEGORY,
    "Splits text at every character that occurs in SEPARATOR; empty parts are left out.",
    INPUT,
    Parameter("SEPARATOR", "string"),
    returns="array<string>",
    specialize=_split_at,
)
def split(value: Any, separator: Any) -> list[str] | None:
    """``split(INPUT, SEPARATOR)``."""
    return None if value is None else _split(text_of(value), _separators(separator))


@function(
    "join",
    CATEGORY,
    "Joins the items of an array with a separator; nulls are left out.",
    Parameter("SEPARATOR", "string"),
    Parameter("OBJECTS", "array", variadic=True),
    returns="string",
)
def join(separator: Any, *objects: Any) -> str | None:
    """``join(SEPARATOR, [OBJECTS])``; items may also stand one by one."""
    items = objects[0] if len(objects) == 1 else list(objects)
    if items is None:
        return None
    if not isinstance(items, list):
        items = [items]
    between = "" if separator is None else text_of(separator)
    return joined(between, [text_of(item) for item in items if item is not None])


def _padding(value: Any, count: Any, padding: Any) -> tuple[str, str] | None:
    if value is None or count is None:
        return None
    text, width = text_of(value), to_integer(count)
    if width > MAX_TEXT:
        raise FunctionError(f"COUNT is more than {MAX_TEXT} characters")
    unit = " " if padding is None else text_of(padding) or " "
    missing = max(0, width - len(text))
    return text, (unit * (missing // len(unit) + 1))[:missing]


PAD = (INPUT, Parameter("COUNT", "number"), Parameter("PADDING", "string"))


@function(
    "lpad", CATEGORY, "Pads text on the left to COUNT characters; longer text stays whole.", *PAD, returns="string"
)
def lpad(value: Any, count: Any, padding: Any) -> str | None:
    """``lpad(INPUT, COUNT, PADDING)``; a null or empty PADDING is one space."""
    parts = _padding(value, count, padding)
    return None if parts is None else parts[1] + parts[0]


@function(
    "rpad", CATEGORY, "Pads text on the right to COUNT characters; longer text stays whole.", *PAD, returns="string"
)
def rpad(value: Any, count: Any, padding: Any) -> str | None:
    """``rpad(INPUT, COUNT, PADDING)``; a null or empty PADDING is one space."""
    parts = _padding(value, count, padding)
    return None if parts is None else parts[0] + parts[1]


@function("left", CATEGORY, "The first COUNT characters.", STRING, Parameter("COUNT", "number"), returns="string")
def left(value: Any, count: Any) -> str | None:
    """``left(STRING, COUNT)``."""
    if value is None or count is None:
        return None
    return text_of(value)[: max(0, to_integer(count))]


@function("right", CATEGORY, "The last COUNT characters.", STRING, Parameter("COUNT", "number"), returns="string")
def right(value: Any, count: Any) -> str | None:
    """``right(STRING, COUNT)``."""
    if value is None or count is None:
        return None
    text = text_of(value)
    return text[max(0, len(text) - max(0, to_integer(count))) :]


@function("ltrim", CATEGORY, "Removes blanks from the beginning.", STRING, returns="string")
def ltrim(value: Any) -> str | None:
    """``ltrim(STRING)``."""
    return None if value is None else text_of(value).lstrip(BLANKS)


@function("rtrim", CATEGORY, "Removes blanks from the end.", STRING, returns="string")
def rtrim(value: Any) -> str | None:
    """``rtrim(STRING)``."""
    return None if value is None else text_of(value).rstrip(BLANKS)


@function("trim", CATEGORY, "Removes blanks from both ends.", STRING, returns="string", method=True)
def trim(value: Any) -> str | None:
    """``trim(STRING)``."""
    return None if value is None else text_of(value).strip(BLANKS)


OPERANDS = (Parameter("STRING1", "string"), Parameter("STRING2", "string"))


@function(
    "equals", CATEGORY, "Equality of text, written STRING1.equals(STRING2).", *OPERANDS, returns="boolean", method=True
)
def equals(value: Any, other: Any) -> bool:
    """``STRING1.equals(STRING2)``: false for null, and for values of different types as in Java."""
    if type(value) is str:
        return type(other) is str and value == other
    if isinstance(value, bool) or isinstance(other, bool):
        return value is other
    return value is not None and value == other


@function(
    "equalsIgnoreCase",
    CATEGORY,
    "Equality of text in any case, written STRING1.equalsIgnoreCase(STRING2).",
    *OPERANDS,
    returns="boolean",
    method=True,
)
def equals_ignore_case(value: Any, other: Any) -> bool:
    """``STRING1.equalsIgnoreCase(STRING2)``: false for null."""
    if value is None or other is None:
        return False
    one, two = text_of(value), text_of(other)
    return len(one) == len(two) and one.upper().lower() == two.upper().lower()
