"""Functions that make and read objects (data-prep/functions, Hierarchies - Objects)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from bridge.mapping.functions.arguments import text_of
from bridge.mapping.functions.registry import NOT_CONSTANT, FunctionError, Parameter, function

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

CATEGORY = "Hierarchies - Objects"
PAIRS = (Parameter("KEY", "string", required=False), Parameter("VALUE", required=False, variadic=True))


@function("is_empty", CATEGORY, "True for null and for an object, array or text without content.", Parameter("INPUT"))
def is_empty(value: Any) -> bool:
    """``is_empty(INPUT)``."""
    return value is None or (isinstance(value, dict | list | str) and not value)


def paired(name: str) -> Callable[[Sequence[Any]], None]:
    """A compile-time check that keys and values come in pairs."""

    def check(constants: Sequence[Any]) -> None:
        if len(constants) % 2:
            raise FunctionError(f"{name}: keys and values come in pairs, the last key has no value")

    return check


def pairs(name: str, arguments: Sequence[Any]) -> dict[str, Any]:
    """Key, value, key, value ... as an object; keys that are no text become text, later ones replace earlier ones."""
    if len(arguments) % 2:
        raise FunctionError(f"{name}: keys and values come in pairs, the last key has no value")
    made: dict[str, Any] = {}
    for at in range(0, len(arguments), 2):
        key = arguments[at]
        if key is None or isinstance(key, dict | list):
            raise FunctionError(f"{name}: a key is null or no primitive")
        made[text_of(key)] = arguments[at + 1]
    return made


@function(
    "to_object",
    CATEGORY,
    "An object from keys and values in turn.",
    *PAIRS,
    returns="object",
    specialize=paired("to_object"),
)
def to_object(*arguments: Any) -> dict[str, Any]:
    """``to_object(KEY, VALUE, ...)``."""
    return pairs("to_object", arguments)


@function(
    "arrays_to_object",
    CATEGORY,
    "A list of objects from named arrays, item by item.",
    Parameter("KEY", "string"),
    Parameter("ARRAY", "array", variadic=True),
    returns="array<object>",
    aliases=("arrays_to_objects",),
    specialize=paired("arrays_to_object"),
)
def arrays_to_object(*arguments: Any) -> list[dict[str, Any]] | None:
    """``arrays_to_object(KEY, ARRAY, KEY, ARRAY, ...)``: as long as the longest array, without what others lack."""
    named = pairs("arrays_to_object", arguments)
    columns = {key: value for key, value in named.items() if value is not None}
    if any(not isinstance(value, list) for value in columns.values()):
        raise FunctionError("arrays_to_object: every second argument is an array")
    length = max((len(value) for value in columns.values()), default=None)
    if length is None:
        return None
    return [{key: value[at] for key, value in columns.items() if at < len(value)} for at in range(length)]


def _delimiter(value: Any, default: str) -> str:
    return default if value is None else text_of(value) or default


def _fields(text: str, value_delimiter: str, field_delimiter: str) -> dict[str, Any]:
    """``key - value ; key - value``, trimmed; parts without a key are no entries, of equal keys the first counts."""
    made: dict[str, Any] = {}
    for part in text.split(field_delimiter):
        key, found, value = part.partition(value_delimiter)
        if key.strip() and found:
            made.setdefault(key.strip(), value.strip())
    return made


@function(
    "str_to_object",
    CATEGORY,
    "An object from delimited text; keys and values are trimmed.",
    Parameter("STRING", "string"),
    Parameter("VALUE_DELIMITER", "string", required=False),
    Parameter("FIELD_DELIMITER", "string", required=False),
    returns="object",
)
def str_to_object(value: Any, value_delimiter: Any = None, field_delimiter: Any = None) -> dict[str, Any] | None:
    """``str_to_object(STRING, VALUE_DELIMITER, FIELD_DELIMITER)``: by default ``:`` and ``,``."""
    if value is None:
        return None
    return _fields(text_of(value), _delimiter(value_delimiter, ":"), _delimiter(field_delimiter, ","))


@function(
    "get_values",
    CATEGORY,
    "The value of one key in delimited text.",
    Parameter("STRING", "string"),
    Parameter("KEY", "string"),
    Parameter("VALUE_DELIMITER", "string"),
    Parameter("FIELD_DELIMITER", "string", required=False),
    returns="string",
)
def get_values(value: Any, key: Any, value_delimiter: Any, field_delimiter: Any = None) -> str | None:
    """``get_values(STRING, KEY, VALUE_DELIMITER, FIELD_DELIMITER)``."""
    if value is None or key is None:
        return None
    known = _fields(text_of(value), _delimiter(value_delimiter, ":"), _delimiter(field_delimiter, ","))
    return known.get(text_of(key).strip())


@function(
    "get",
    CATEGORY,
    "The value of a key, written OBJECT.get(KEY); of an array the item at an index.",
    Parameter("OBJECT", "object"),
    Parameter("KEY"),
    returns="any",
    aliases=("str_to_object.get",),
    method=True,
)
def get(value: Any, key: Any) -> Any:
    """``str_to_object(...).get(KEY)``."""
    if value is None or key is None:
        return None
    if isinstance(value, dict):
        return value.get(text_of(key))
    if isinstance(value, list) and isinstance(key, int) and not isinstance(key, bool):
        return value[key] if 0 <= key < len(value) else None
    raise FunctionError("get: neither an object with a key nor an array with an index")


@function("nullify", CATEGORY, "Null: the attribute is not copied to the target.", returns="null")
def nullify() -> None:
    """``nullify()``."""


@function(
    "get_keys", CATEGORY, "All keys of an object, in its order.", Parameter("OBJECT", "object"), returns="array<string>"
)
def get_keys(value: Any) -> list[str] | None:
    """``get_keys(OBJECT)``."""
    if value is None:
        return None
    if not isinstance(value, dict):
        raise FunctionError("get_keys: the argument is not an object")
    return list(value)


_STEP = re.compile(r"\.?(?:\$\{((?:[^}\\]|\\.)*)\}|\[(\d{1,9})\]|((?:[^.\[\\]|\\.)+))", re.DOTALL)


_LONGEST_PATH = 4_000


@lru_cache(maxsize=256)
def path_steps(path: str) -> tuple[str | int, ...]:
    r"""``a.b\.c[0].${d e}`` as keys and indexes."""
    if len(path) > _LONGEST_PATH:
        raise FunctionError(f"a path has at most {_LONGEST_PATH} characters")
    steps: list[str | int] = []
    at = 0
    while at < len(path):
        match = _STEP.match(path, at)
        if match is None or match.end() == at:
            raise FunctionError("the argument is not a path of a source attribute")
        wrapped, index, plain = match.groups()
        steps.append(int(index) if index is not None else re.sub(r"\\(.)", r"\1", wrapped if plain is None else plain))
        at = match.end()
    if not steps:
        raise FunctionError("the path is empty")
    return tuple(steps)


def holds(event: Any, steps: Sequence[str | int]) -> bool:
    """Whether the path exists, be its value null or not."""
    found = event
    for step in steps:
        if isinstance(step, int):
            if not isinstance(found, list) or step >= len(found):
                return False
        elif not isinstance(found, dict) or step not in found:
            return False
        found = found[step]
    return True


def _contains_key_at(constants: Sequence[Any]) -> Callable[..., Any] | None:
    path = constants[0]
    if path is NOT_CONSTANT or path is None:
        return None
    steps = path_steps(text_of(path))
    return lambda event, _: holds(event, steps)


def _register_presence(name: str, summary: str, **facts: Any) -> None:
    def present(event: Mapping[str, Any], path: Any) -> bool | None:
        return None if path is None else holds(event, path_steps(text_of(path)))

    present.__name__ = name
    present.__doc__ = f"``{name}(INPUT)``."
    function(
        name,
        CATEGORY,
        summary,
        Parameter("INPUT", "string"),
        returns="boolean",
        needs_event=True,
        specialize=_contains_key_at,
        **facts,
    )(present)


_register_presence("contains_key", "Whether the source has the attribute at this path (given as text).")
_register_presence(
    "is_set", "Whether the source has the attribute at this path; use contains_key instead.", availability="deprecated"
)
