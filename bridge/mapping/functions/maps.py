"""Functions that make and read maps (data-prep/functions, Hierarchies - Map and Objects). A map is an object in JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge.mapping.functions.arguments import text_of
from bridge.mapping.functions.objects import PAIRS, paired, pairs
from bridge.mapping.functions.registry import Attribute, FunctionError, Parameter, function

if TYPE_CHECKING:
    from collections.abc import Sequence

CATEGORY = "Hierarchies - Map"
OBJECTS = "Hierarchies - Objects"


@function(
    "to_map",
    CATEGORY,
    "A map from keys and values in turn; a single null gives null.",
    *PAIRS,
    returns="map",
    specialize=lambda constants: paired("to_map")(constants) if len(constants) > 1 else None,
)
def to_map(*arguments: Any) -> dict[str, Any] | None:
    """``to_map(KEY, VALUE, ...)``."""
    if len(arguments) == 1 and (arguments[0] is None or isinstance(arguments[0], dict)):
        return None if arguments[0] is None else dict(arguments[0])
    return pairs("to_map", arguments)


def _keyed(name: str, items: list[Any], key: Any) -> dict[str, Any]:
    attribute = key.name if isinstance(key, Attribute) else key
    if attribute is None:
        raise FunctionError(f"{name}: the key attribute is null")
    made: dict[str, Any] = {}
    for item in items:
        if item is None:
            continue
        if not isinstance(item, dict):
            raise FunctionError(f"{name}: an item of the array is not an object")
        value = item.get(text_of(attribute))
        if value is not None:
            made[text_of(value)] = item
    return made


def _object_to_map_at(constants: Sequence[Any]) -> None:
    if len(constants) > 2:
        paired("object_to_map")(constants)


@function(
    "object_to_map",
    OBJECTS,
    "A map from an object, from keys and values in turn, or from an array of objects and the attribute that is the key.",
    Parameter("OBJECT", kind="any"),
    Parameter("ATTRIBUTE", kind="attribute", required=False),
    Parameter("KEY_AND_VALUE", required=False, variadic=True),
    returns="map",
    specialize=_object_to_map_at,
)
def object_to_map(*arguments: Any) -> dict[str, Any] | None:
    """``object_to_map(KEY, ANY_TYPE, ...)``, ``object_to_map(OBJECT)``, ``object_to_map(OBJECT_ARRAY, ATTRIBUTE)``."""
    first = arguments[0]
    if len(arguments) == 1:
        if first is None:
            return None
        if not isinstance(first, dict):
            raise FunctionError("object_to_map: the argument is not an object")
        return dict(first)
    second = arguments[1]
    if len(arguments) == 2 and isinstance(first, list):
        return _keyed("object_to_map", first, second)
    if len(arguments) == 2 and first is None and isinstance(second, Attribute):
        return None  # an absent array, or an absent key: there is nothing to map either way
    values = [item.value if isinstance(item, Attribute) else item for item in arguments]
    return pairs("object_to_map", values)


@function(
    "array_to_map",
    CATEGORY,
    "A map from an array of objects, keyed by one of their attributes.",
    Parameter("INPUT", "array"),
    Parameter("KEY", "attribute"),
    returns="map",
)
def array_to_map(items: Any, key: Any) -> dict[str, Any] | None:
    """``array_to_map(OBJECT[] INPUTS, KEY)``."""
    if items is None:
        return None
    if not isinstance(items, list):
        raise FunctionError("array_to_map: INPUT is not an array")
    return _keyed("array_to_map", items, key)


def _map(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise FunctionError(f"{name}: the argument is not a map")
    return value


@function(
    "map_get_values",
    OBJECTS,
    "The value of a key; of an array of keys the map of those that are there.",
    Parameter("MAP", "map"),
    Parameter("KEY"),
    returns="any",
)
def map_get_values(value: Any, key: Any) -> Any:
    """``map_get_values(MAP, KEY)``."""
    if value is None or key is None:
        return None
    known = _map("map_get_values", value)
    if isinstance(key, list):
        wanted = [text_of(item) for item in key if item is not None]
        return {item: known[item] for item in wanted if item in known}
    return known.get(text_of(key))


@function(
    "map_has_keys",
    OBJECTS,
    "Whether a map has the key, or any key of an array.",
    Parameter("MAP", "map"),
    Parameter("KEY"),
    returns="boolean",
)
def map_has_keys(value: Any, key: Any) -> bool:
    """``map_has_keys(MAP, KEY)``."""
    if value is None or key is None:
        return False
    known = _map("map_has_keys", value)
    keys = key if isinstance(key, list) else [key]
    return any(text_of(item) in known for item in keys if item is not None)


@function(
    "add_to_map",
    OBJECTS,
    "All maps in one; the first occurrence of a key wins.",
    Parameter("MAP_1", "map"),
    Parameter("MAP_2", "map"),
    Parameter("MAP", "map", required=False, variadic=True),
    returns="map",
)
def add_to_map(*maps: Any) -> dict[str, Any] | None:
    """``add_to_map(MAP 1, MAP 2, MAP 3, ...)``: nulls add nothing, and nulls alone give null."""
    present = [_map("add_to_map", value) for value in maps if value is not None]
    if not present:
        return None
    merged: dict[str, Any] = {}
    for value in present:
        for key, item in value.items():
            merged.setdefault(key, item)
    return merged
