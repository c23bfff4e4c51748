"""Logical functions and the choice of the first value that is there (data-prep/functions, Logical operators)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge.mapping.functions.registry import FunctionError, Parameter, function

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CATEGORY = "Logical operators"


def decode_key(value: Any) -> Any:
    """What two values share exactly when ``decode`` takes them for the same: numbers by value, true is not 1."""
    return (value,) if isinstance(value, bool) else value


def decode_table(options: Sequence[Any]) -> tuple[dict[Any, Any], Any]:
    """Constant options as (key -> value, default); the first of equal keys wins. For the compiler, too."""
    table: dict[Any, Any] = {}
    for at in range(0, len(options) - 1, 2):
        table.setdefault(decode_key(options[at]), options[at + 1])
    return table, options[-1] if len(options) % 2 else None


def _decode_at(constants: Sequence[Any]) -> Callable[..., Any] | None:
    options = constants[1:]
    keys = options[0 : len(options) - 1 : 2]
    if not all(isinstance(key, str | int | float) for key in keys):
        return None
    # Values may be known only with the event, so the table leads to their place among the arguments.
    places: dict[Any, int] = {}
    for place, key in enumerate(keys):
        places.setdefault(decode_key(key), 2 * place + 1)
    default = len(options) - 1 if len(options) % 2 else None

    def chosen(key: Any, *given: Any) -> Any:
        place = default if isinstance(key, list | dict) else places.get(decode_key(key), default)
        return None if place is None else given[place]

    return chosen


@function(
    "decode",
    CATEGORY,
    "Looks KEY up among the pairs that follow; an odd one at the end is the default, else null.",
    Parameter("KEY"),
    Parameter("OPTIONS", variadic=True),
    returns="any",
    lazy=True,
    specialize=_decode_at,
)
def decode(key: Any, *options: Any) -> Any:
    """``decode(KEY, key, value, ..., default)``."""
    for at in range(0, len(options) - 1, 2):
        if decode_key(options[at]) == decode_key(key):
            return options[at + 1]
    return options[-1] if len(options) % 2 else None


@function(
    "iif",
    CATEGORY,
    "TRUE_VALUE when EXPRESSION is true, else FALSE_VALUE; null counts as false.",
    Parameter("EXPRESSION", "boolean"),
    Parameter("TRUE_VALUE"),
    Parameter("FALSE_VALUE"),
    returns="any",
    lazy=True,
)
def iif(condition: Any, yes: Any, no: Any) -> Any:
    """``iif(EXPRESSION, TRUE_VALUE, FALSE_VALUE)``."""
    return yes if truth(condition) else no


def truth(value: Any) -> bool:
    """What counts as true: booleans, their text in any case (JEXL), numbers other than zero; null is false."""
    if value is None or isinstance(value, bool):
        return bool(value)
    if isinstance(value, str):
        if value.lower() in ("true", "false", ""):
            return value.lower() == "true"
        raise FunctionError("the condition is text and neither true nor false")
    if isinstance(value, int | float):
        return value != 0 and value == value  # noqa: PLR0124 - NaN is false
    raise FunctionError("the condition is not a boolean")


@function(
    "coalesce",
    "Hierarchies - Arrays",
    "The first value that is not null, of the arguments or of one array.",
    Parameter("INPUT", variadic=True),
    lazy=True,
)
def coalesce(*values: Any) -> Any:
    """``coalesce(INPUT, ...)``: of the arguments, or of one array."""
    if len(values) == 1 and isinstance(values[0], list):
        values = tuple(values[0])
    for value in values:
        if value is not None:
            return value
    return None
