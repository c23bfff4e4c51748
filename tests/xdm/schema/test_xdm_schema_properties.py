"""The schema check over random schemas and random values."""

import copy
import math
import re

from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.xdm.required import parse_date_time
from bridge.xdm.schema.compiled_schema import compile_schema

names = st.sampled_from(["a", "b", "c", "x.y"])
leaves = st.sampled_from(
    [
        {"type": "string"},
        {"type": "string", "enum": ["1", "true"]},
        {"type": "string", "pattern": "^[0-9]+$", "maxLength": 3},
        {"type": "string", "format": "date-time"},
        {"type": "integer"},
        {"type": "integer", "minimum": 0, "maximum": 100},
        {"type": "number", "exclusiveMinimum": 0},
        {"type": "boolean"},
        {},
    ]
)
schemas = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(
            lambda properties, required, closed: {
                "type": "object",
                "properties": properties,
                "required": required,
                **({"additionalProperties": False} if closed else {}),
            },
            st.dictionaries(names, inner, min_size=1, max_size=3),
            st.lists(names, max_size=1),
            st.booleans(),
        ),
        st.builds(lambda values: {"type": "object", "additionalProperties": values}, inner),
        st.builds(lambda items: {"type": "array", "items": items, "maxItems": 2}, inner),
    ),
    max_leaves=6,
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 200),
    st.floats(),
    st.sampled_from(["1", "true", "on", "7.0", "2024-11-12", "2024-11-12T14:20:00Z", "", "x", "-3"]),
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=10
)


def conforms(raw, value):
    """A plain reading of JSON Schema, apart from the compiled one."""
    kind = raw.get("type")
    if kind is None:
        return True
    if kind == "string":
        return (
            type(value) is str
            and value in raw.get("enum", [value])
            and re.search(raw.get("pattern", ""), value) is not None
            and len(value) <= raw.get("maxLength", len(value))
            and ("format" not in raw or parse_date_time(value) is not None)
        )
    if kind in ("integer", "number"):
        return (
            (type(value) is int or (kind == "number" and type(value) is float and math.isfinite(value)))
            and raw.get("minimum", value) <= value <= raw.get("maximum", value)
            and ("exclusiveMinimum" not in raw or value > raw["exclusiveMinimum"])
        )
    if kind == "boolean":
        return type(value) is bool
    if kind == "array":
        return type(value) is list and len(value) <= 2 and all(conforms(raw["items"], item) for item in value)
    if type(value) is not dict:
        return False
    named = raw.get("properties", {})
    extra = raw.get("additionalProperties", True)
    return all(name in value for name in raw.get("required", ())) and all(
        conforms(named[name], item)
        if name in named
        else extra is True or (extra is not False and conforms(extra, item))
        for name, item in value.items()
    )


@settings(max_examples=examples(300))
@given(schemas, values)
def test_what_passes_conforms_and_passes_again(raw, value):
    """Nothing is raised or changed in place; what has no violation is valid and comes through a second time as it is."""
    schema = compile_schema({"properties": {"f": raw, "g": {"type": "string"}}})
    xdm = {"f": value, "g": "x"}
    before = copy.deepcopy(xdm)
    sent, _, violations = schema.check(xdm)
    assert repr(xdm) == repr(before)
    assert len(violations) <= 5
    if not violations:
        assert "f" not in sent or conforms(raw, sent["f"])
        again, findings, violations = schema.check(sent)
        assert again is sent
        assert (findings, violations) == ([], [])


@settings(max_examples=examples(300))
@given(schemas, values)
def test_what_conforms_is_not_touched(raw, value):
    """A value that is valid already, nulls aside, is never refused and never replaced."""
    if "null" in repr(value) or "None" in repr(value) or not conforms(raw, value):
        return
    xdm = {"f": value}
    sent, findings, violations = compile_schema({"properties": {"f": raw}}).check(xdm)
    assert sent is xdm
    assert (findings, violations) == ([], [])


PLAIN_TEXT = compile_schema(
    {
        "type": "object",
        "properties": {
            "one": {"type": "string"},
            "map": {"type": "object", "additionalProperties": {"type": "string"}},
        },
    }
)


@given(scalars | st.sampled_from([2**63, -(2**64), 2**5000, 1e22, 1e7, 1e-3, -0.0, float("inf"), "text"]))
def test_a_scalar_becomes_the_same_text_in_a_map_as_in_a_property(value):
    """The short way of maps of text gives the text, or the refusal, that the check of one value gives."""
    alone, _, refused = PLAIN_TEXT.check({"one": value, "kept": 1})
    among, findings, also = PLAIN_TEXT.check({"map": {"a": "b", "k": value}, "kept": 1})
    assert repr(among["map"].get("k")) == repr(alone.get("one"))
    assert [said.reason for said in also] == [said.reason for said in refused]
    assert not findings
