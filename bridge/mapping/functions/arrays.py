"""Functions on arrays (data-prep/functions, Hierarchies - Arrays)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge.mapping.functions.arguments import joined, text_of
from bridge.mapping.functions.logic import truth
from bridge.mapping.functions.registry import FunctionError, Parameter, function

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CATEGORY = "Hierarchies - Arrays"
DESTINATIONS = "destinations only"
ARRAY = Parameter("ARRAY", "array")
VALUES = Parameter("VALUES", required=False, variadic=True)


def array(name: str, value: Any) -> list[Any]:
    """An argument that must be an array."""
    if not isinstance(value, list):
        raise FunctionError(f"{name}: the argument is not an array")
    return value


def _given(values: tuple[Any, ...]) -> list[Any]:
    """The items of one array, or the arguments themselves."""
    if len(values) == 1 and (values[0] is None or isinstance(values[0], list)):
        return values[0] or []
    return list(values)


@function("first", CATEGORY, "The first item; null where there is none.", Parameter("INPUT", variadic=True))
def first(*values: Any) -> Any:
    """``first(INPUT, ...)``: of one array, or of the arguments."""
    given = _given(values)
    return given[0] if given else None


@function("last", CATEGORY, "The last item; null where there is none.", Parameter("INPUT", variadic=True))
def last(*values: Any) -> Any:
    """``last(INPUT, ...)``: of one array, or of the arguments."""
    given = _given(values)
    return given[-1] if given else None


@function("add_to_array", CATEGORY, "An array with more items at its end.", ARRAY, VALUES, returns="array")
def add_to_array(items: Any, *values: Any) -> list[Any]:
    """``add_to_array(ARRAY, VALUES...)``: a null array counts as empty."""
    return [*(array("add_to_array", items) if items is not None else []), *values]


@function("join_arrays", CATEGORY, "Arrays end to end; nulls are left out.", ARRAY, VALUES, returns="array")
def join_arrays(*arrays: Any) -> list[Any] | None:
    """``join_arrays(ARRAY, VALUES...)``."""
    present = [array("join_arrays", items) for items in arrays if items is not None]
    return [item for items in present for item in items] if present else None


@function(
    "to_array",
    CATEGORY,
    "An array of the arguments, nulls kept when INCLUDE_NULLS is true.",
    Parameter("INCLUDE_NULLS", "boolean"),
    VALUES,
    returns="array",
)
def to_array(include_nulls: Any, *values: Any) -> list[Any]:
    """``to_array(INCLUDE_NULLS, VALUES...)``."""
    return list(values) if truth(include_nulls) else [value for value in values if value is not None]


@function(
    "size_of",
    CATEGORY,
    "How many items, keys or characters; 0 of null.",
    Parameter("INPUT", "array"),
    returns="integer",
)
def size_of(value: Any) -> int:
    """``size_of(INPUT)``."""
    if value is None:
        return 0
    if isinstance(value, list | dict | str):
        return len(value)
    raise FunctionError("size_of: the argument has no size")


UPSERTS = "streaming upserts (operations.data=merge) only; identity on inserts"


@function(
    "upsert_array_append",
    CATEGORY,
    "Marks an array to be appended to the stored one in a profile upsert; of an insert the array itself.",
    ARRAY,
    returns="array",
    availability=UPSERTS,
)
def upsert_array_append(items: Any) -> list[Any] | None:
    """``upsert_array_append(ARRAY)``."""
    return None if items is None else array("upsert_array_append", items)


@function(
    "upsert_array_replace",
    CATEGORY,
    "Marks an array to replace the stored one in a profile upsert; of an insert the array itself.",
    ARRAY,
    Parameter("UNDESCRIBED", required=False),
    returns="array",
    availability="streaming upserts only; identity on inserts",
)
def upsert_array_replace(items: Any, _: Any = None) -> list[Any] | None:
    """``upsert_array_replace(ARRAY)``; the sample passes a second argument that no text describes."""
    return None if items is None else array("upsert_array_replace", items)


def _flat(items: list[Any]) -> Iterator[Any]:
    # A stack of iterators: nesting in a file must not exhaust Python's.
    stack = [iter(items)]
    while stack:
        for item in stack[-1]:
            if isinstance(item, list):
                stack.append(iter(item))
                break
            yield item
        else:
            stack.pop()


@function(
    "array_to_string",
    CATEGORY,
    "The items of an array, nested ones too, joined as text.",
    Parameter("SEPARATOR", "string"),
    ARRAY,
    returns="string",
    availability=DESTINATIONS,
)
def array_to_string(separator: Any, items: Any) -> str | None:
    """``array_to_string(SEPARATOR, ARRAY)``; nulls are left out."""
    if items is None:
        return None
    between = "" if separator is None else text_of(separator)
    return joined(between, [_shown(item) for item in _flat(array("array_to_string", items)) if item is not None])


def _shown(item: Any) -> str:
    """An item as Adobe's page prints it: an object as ``{'id':1,'name':'A B'}``, anything else as its text."""
    if not isinstance(item, dict | list):
        return text_of(item)
    inner = item.items() if isinstance(item, dict) else ((None, one) for one in item)
    parts = [(f"'{key}':" if key is not None else "") + _inside(one) for key, one in inner]
    return f"{{{','.join(parts)}}}" if isinstance(item, dict) else f"[{','.join(parts)}]"


def _inside(value: Any) -> str:
    if value is None:
        return "null"
    return f"'{value}'" if isinstance(value, str) else _shown(value)


MAX_ITEMS = 100_000


def measured(made: list[Any]) -> list[Any]:
    """The array, unless it holds too much: a lambda can repeat its argument, and nesting doubles that every time."""
    count = 0
    stack: list[Any] = [made]
    while stack:
        value = stack.pop()
        if isinstance(value, list | dict):
            count += len(value)
            if count > MAX_ITEMS:
                raise FunctionError(f"the array grew beyond {MAX_ITEMS} items")
            stack.extend(value if isinstance(value, list) else value.values())
    return made


LAMBDA = Parameter("PREDICATE", "lambda")


@function(
    "filterArray",
    CATEGORY,
    "The items for which the lambda is true.",
    ARRAY,
    LAMBDA,
    returns="array",
    availability=DESTINATIONS,
)
def filter_array(items: Any, predicate: Callable[[Any], Any]) -> list[Any] | None:
    """``filterArray(ARRAY, x -> ...)``."""
    if items is None:
        return None
    return [item for item in array("filterArray", items) if truth(predicate(item))]


@function(
    "transformArray",
    CATEGORY,
    "What the lambda makes of every item.",
    ARRAY,
    LAMBDA,
    returns="array",
    availability=DESTINATIONS,
)
def transform_array(items: Any, change: Callable[[Any], Any]) -> list[Any] | None:
    """``transformArray(ARRAY, x -> ...)``."""
    return None if items is None else measured([change(item) for item in array("transformArray", items)])


@function(
    "flattenArray",
    CATEGORY,
    "One flat array of nested ones.",
    ARRAY,
    returns="array",
    availability=DESTINATIONS,
)
def flatten_array(items: Any) -> list[Any] | None:
    """``flattenArray(ARRAY)``."""
    return None if items is None else list(_flat(array("flattenArray", items)))
