"""Schemas in all the forms that Adobe's have, values that they take, and values that break exactly one rule of them.

A schema is drawn as the tree that reading it must give (:class:`bridge.xdm.schema.fields.SchemaField`), and written as JSON in a
form of choice: flat, with ``allOf`` and ``$ref`` kept, with XDM's own names stated as required beside the serialised ones, with
``meta:enum`` as object or as list.
"""

from __future__ import annotations

import copy
import functools
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from hypothesis import strategies as st

from bridge.xdm.schema.fields import SchemaField

if TYPE_CHECKING:
    from collections.abc import Iterator

LANGUAGE = "^((([A-Za-z]{2,3}(-([A-Za-z]{3}(-[A-Za-z]{3}){0,2}))?)|[A-Za-z]{4}|[A-Za-z]{5,8})(-([A-Za-z]{4}))?(-([A-Za-z]{2}|[0-9]{3}))?)$"
"""A language tag, much as the stock field groups have it."""
NAMES = (
    "orderTotal",
    "promoCode",
    "memberSince",
    "homeStore",
    "items",
    "details",
    "source",
    "email",
    "language",
    "x.y",
    "a/b",
    "v~1",
)


class Leaf(NamedTuple):
    """A field without children: values that it takes, and values that it refuses with the code."""

    field: SchemaField
    good: tuple[Any, ...]
    bad: tuple[tuple[Any, str], ...]


LEAVES = (
    Leaf(SchemaField("string"), ("text", "2"), (({"zz": [1]}, "DCVS-1104"),)),
    Leaf(SchemaField("string", enum=("GOLD", "BLUE")), ("GOLD", "BLUE"), (("none of these", "xdm_enum"),)),
    Leaf(SchemaField("string", enum=("only",)), ("only",), (("other", "xdm_enum"),)),
    Leaf(SchemaField("string", pattern="^[A-Z]{3}$"), ("LHR", "OSL"), (("lhr", "DCVS-1103"),)),
    Leaf(SchemaField("string", pattern=LANGUAGE), ("en", "en-US"), (("en_US", "DCVS-1103"),)),
    Leaf(SchemaField("string", min_length=2, max_length=4), ("abc",), (("abcdef", "xdm_length"), ("a", "xdm_length"))),
    Leaf(SchemaField("string", format="date"), ("2024-11-12",), (("no date", "xdm_format"),)),
    Leaf(SchemaField("string", format="date-time"), ("2024-11-12T14:20:00Z",), (("no date", "xdm_format"),)),
    Leaf(SchemaField("string", format="email"), ("a@b.example",), (("no address", "xdm_format"),)),
    Leaf(SchemaField("string", format="uri"), ("https://a.example/x",), (("a.example/x", "xdm_format"),)),
    Leaf(SchemaField("integer"), (5, -3), (("abc", "DCVS-1104"),)),
    Leaf(SchemaField("integer", minimum=0, maximum=100), (0, 100, 7), ((101, "xdm_range"), (-1, "xdm_range"))),
    Leaf(SchemaField("number", exclusive_minimum=0), (0.5, 3), ((0, "xdm_range"),)),
    Leaf(SchemaField("boolean"), (True, False), (("maybe", "DCVS-1104"),)),
)  # fmt: skip
_LEAF_OF = {id(leaf.field): leaf for leaf in LEAVES}


class Fault(NamedTuple):
    """One broken rule: where (names and indices), the code that must be told, and the value with the fault in it."""

    path: tuple[Any, ...]
    code: str
    value: Any


LEAF_FIELDS = st.sampled_from(LEAVES).map(lambda leaf: leaf.field)
"""A field without children."""


@st.composite
def _objects(draw: st.DrawFn, inner: st.SearchStrategy[SchemaField], names: tuple[str, ...]) -> SchemaField:
    chosen = draw(st.lists(st.sampled_from(names), min_size=2, max_size=4, unique=True))
    required = draw(st.sets(st.sampled_from(chosen)))
    patterns = draw(st.booleans())
    return SchemaField(
        "object",
        properties={name: draw(inner) for name in chosen},
        required=frozenset(required),
        closed=draw(st.booleans()),
        patterns=(("^p_[a-z]+$", LEAVES[10].field),) if patterns else (),
    )


@functools.cache
def trees(*, names: tuple[str, ...] = NAMES, leaves_at_most: int = 10) -> st.SearchStrategy[SchemaField]:
    """An object with everything that an XDM schema has below it. Made once: making it takes as long as some examples of it."""
    inner = st.recursive(
        LEAF_FIELDS,
        lambda one: st.one_of(
            _objects(one, names),
            st.builds(lambda values: SchemaField("map", values=values), LEAF_FIELDS),
            st.builds(lambda items: SchemaField("array", items=items, max_length=3), one),
        ),
        max_leaves=leaves_at_most,
    )
    return _objects(inner, names)


def good_value(draw: st.DrawFn, field: SchemaField) -> Any:
    """A value that breaks no rule, with every property there."""
    if id(field) in _LEAF_OF:
        return draw(st.sampled_from(_LEAF_OF[id(field)].good))
    if field.kind == "map":
        return {key: good_value(draw, field.values) for key in ("k1", "k 2")}
    if field.kind == "array":
        return [good_value(draw, field.items) for _ in range(draw(st.integers(1, 2)))]
    value = {name: good_value(draw, child) for name, child in field.properties.items()}
    if field.patterns and draw(st.booleans()):
        value["p_extra"] = good_value(draw, field.patterns[0][1])
    return value


def faults(field: SchemaField, whole: Any) -> list[Fault]:
    """Every way to break one rule of ``field`` in the value ``whole``, each with where it must be told."""
    return [
        Fault(path, code, _changed(whole, at, change))
        for path, code, at, change in _faults(field, whole, (), in_map=False)
    ]


_REMOVED = object()


def _faults(
    field: SchemaField, value: Any, at: tuple[Any, ...], *, in_map: bool
) -> Iterator[tuple[Any, str, Any, Any]]:
    """Place to be told, code, place to change, and what to put there."""
    leaf = _LEAF_OF.get(id(field))
    if leaf is not None:
        for bad, code in leaf.bad:
            # In a map of text an object becomes JSON text.
            if not (in_map and isinstance(bad, dict)):
                yield at, code, at, bad
        return
    if field.kind == "array":
        yield at, "xdm_length", at, [value[0]] * 4
        for index, item in enumerate(value):
            yield from _faults(field.items, item, (*at, index), in_map=False)
        return
    if at:
        yield at, "DCVS-1104", at, "no object"
    if field.kind == "map":
        for key, one in value.items():
            yield from _faults(field.values, one, (*at, key), in_map=True)
        return
    for name in field.required:
        yield at, "DCVS-1106", (*at, name), _REMOVED
    if field.closed:
        yield (*at, "zzExtra"), "xdm_unknown_property", (*at, "zzExtra"), "x"
    for name, child in field.properties.items():
        yield from _faults(child, value[name], (*at, name), in_map=False)
    if field.patterns and "p_extra" in value:
        yield (*at, "p_extra"), "DCVS-1104", (*at, "p_extra"), "abc"


def _changed(whole: Any, at: tuple[Any, ...], change: Any) -> Any:
    changed = copy.deepcopy(whole)
    here = changed
    for step in at[:-1]:
        here = here[step]
    if change is _REMOVED:
        del here[at[-1]]
    else:
        here[at[-1]] = copy.deepcopy(change)
    return changed


def pointer(path: tuple[Any, ...]) -> str:
    """A place as AEP prints it."""
    return "/".join(["#", *(str(step).replace("~", "~0").replace("/", "~1") for step in path)])


FORMS = ("flat", "composed", "stated", "suggesting")


def written(field: SchemaField, form: str) -> dict[str, Any]:
    """The document of a root object in one of the forms."""
    definitions: dict[str, Any] = {}
    document = _written(field, form, definitions)
    return {**document, "title": "generated", "definitions": definitions}


def _written(field: SchemaField, form: str, definitions: dict[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = {"type": "object" if field.kind == "map" else field.kind}
    known = {
        "format": field.format, "pattern": field.pattern, "minimum": field.minimum, "maximum": field.maximum,
        "exclusiveMinimum": field.exclusive_minimum, "exclusiveMaximum": field.exclusive_maximum,
        "minItems" if field.kind == "array" else "minLength": field.min_length,
        "maxItems" if field.kind == "array" else "maxLength": field.max_length,
    }  # fmt: skip
    said |= {name: value for name, value in known.items() if value is not None}
    if field.enum is not None:
        said |= {"const": field.enum[0]} if len(field.enum) == 1 else {"enum": list(field.enum)}
    elif form == "suggesting" and field.kind == "string":
        said["meta:enum"] = ["a", "b"] if field.pattern else {"a": "An a"}
    if field.kind == "map":
        return {**said, "meta:xdmType": "map", "additionalProperties": _written(field.values, form, definitions)}
    if field.kind == "array":
        return {**said, "items": _written(field.items, form, definitions)}
    if field.kind != "object":
        return said
    children = {name: _written(child, form, definitions) for name, child in field.properties.items()}
    required = sorted(field.required)
    if form == "stated":
        children = {name: {**child, "meta:xdmField": f"xdm:{name}"} for name, child in children.items()}
        required = [f"xdm:{name}" for name in required]
    rest: dict[str, Any] = {"additionalProperties": False} if field.closed else {}
    if field.patterns:
        rest["patternProperties"] = {name: _written(child, form, definitions) for name, child in field.patterns}
    if form != "composed" or len(children) < 2:
        return {**said, "properties": children, "required": required, **rest}
    first, *others = children
    name = f"d{len(definitions)}"
    definitions[name] = {"type": "object", "properties": {one: children[one] for one in others}}
    return {
        **said,
        **rest,
        "allOf": [{"properties": {first: children[first]}, "required": required}, {"$ref": f"#/definitions/{name}"}],
    }


def snake(name: str) -> str:
    """``orderTotal`` as MoEngage's attributes are named: ``order_total``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
