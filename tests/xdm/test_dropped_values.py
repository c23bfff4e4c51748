"""Wrong values that are left out: what remains passes the full check, keeps its indices, and nothing more than needed goes."""

import copy
import time

from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.xdm.problems import DroppedValue, EventFinding
from bridge.xdm.schema.compiled_schema import compile_schema
from bridge.xdm.schema.policy import Policy

names = st.sampled_from(["a", "b", "c"])
leaves = st.sampled_from(
    [
        {"type": "string"},
        {"type": "string", "enum": ["1", "true"]},
        {"type": "string", "pattern": "^[0-9]+$", "maxLength": 3},
        {"type": "string", "format": "date-time"},
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
            lambda properties, required, closed, patterns: {
                "type": "object",
                "properties": properties,
                "required": required,
                **({"additionalProperties": False} if closed else {}),
                **({"patternProperties": {"^c": patterns}} if patterns is not None else {}),
            },
            st.dictionaries(names, inner, min_size=1, max_size=3),
            st.lists(names, max_size=2, unique=True),
            st.booleans(),
            st.none() | inner,
        ),
        st.builds(lambda values: {"type": "object", "additionalProperties": values}, inner),
        st.builds(
            lambda items, fewest: {"type": "array", "items": items, "minItems": fewest}, inner, st.integers(0, 2)
        ),
    ),
    max_leaves=8,
)
scalars = st.one_of(
    st.booleans(),
    st.integers(-5, 200),
    st.sampled_from([2**63, -(2**70), 10**30, "1", "true", "7.0", "2024-11-12", "03/11/2019", "", "x", "1234"]),
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=12
)
documents = st.tuples(schemas, schemas, values, values)


def compiled(one, other, required=()):
    """Two properties under one schema that drops what is wrong."""
    raw = {"properties": {"f": one, "g": other, "k": {"type": "string"}}, "required": list(required)}
    return compile_schema(raw).holding(Policy()), compile_schema(raw)


@settings(max_examples=examples(400), deadline=None)
@given(documents)
def test_what_remains_passes_the_full_check(document):
    """With nothing required at the root nothing is refused; a second check finds nothing to say, coerce or leave out."""
    one, other, first, second = document
    dropping, strict = compiled(one, other)
    xdm = {"f": first, "g": second, "k": "x"}
    before = copy.deepcopy(xdm)
    sent, said, violations = dropping.check(xdm)
    assert repr(xdm) == repr(before)
    assert violations == []
    again, found, wrong = strict.check(sent)
    assert (again, found, wrong) == (sent, [], [])
    refused = strict.check(xdm)[2]
    assert bool(refused) == any(type(each) is DroppedValue for each in said)
    if not refused:
        assert repr(sent) == repr(strict.check(xdm)[0])


@settings(max_examples=examples(400), deadline=None)
@given(documents)
def test_a_wrong_value_at_the_root_s_required_field_refuses_the_event(document):
    """Where the smallest optional container is the event itself, it is refused with what the strict check says first."""
    one, other, first, second = document
    dropping, strict = compiled(one, other, required=("f", "g"))
    sent, said, violations = dropping.check({"f": first, "g": second, "k": "x"})
    if violations:
        assert strict.check({"f": first, "g": second, "k": "x"})[2]
        assert not any(type(each) is DroppedValue for each in said)
    else:
        assert strict.check(sent)[2] == []


def positions(value, path=()):
    """Every scalar with the path that leads to it."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from positions(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from positions(inner, (*path, index))
    else:
        yield path, value


@settings(max_examples=examples(300), deadline=None)
@given(schemas, values)
def test_what_is_kept_stays_where_it_was(raw, value):
    """Of a value that no coercion touches, whatever is kept has the place it had: indices never shift."""
    dropping, _ = compiled(raw, {})
    marked = {"f": value, "k": "x"}
    sent, said, _ = dropping.check(marked)
    if any(type(each) is EventFinding for each in said):
        return  # JSON text in a map of text
    was = {path for path, _ in positions(marked)}
    for path, _ in positions(sent):
        assert path in was
    for each in said:
        assert each.field.startswith("f")
        assert not any(step.isdigit() for step in each.field.split("."))


TEXTS = {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}}
ITEM = {"properties": {"n": {"type": "integer"}, "t": {"type": "string"}}}


def dropped(raw, value, **policy):
    """What is sent of f, and what was left out as (field, code)."""
    sent, said, violations = (
        compile_schema({"properties": {"f": raw, "k": {"type": "string"}}})
        .holding(Policy(**policy))
        .check({"f": value, "k": "x"})
    )
    return sent.get("f", "absent"), [(each.field, each.code) for each in said], [each.code for each in violations]


def test_examples_by_kind():
    """The smallest optional container: a property, a map's value, a whole array of values, an object that lacks a child."""
    assert dropped({"properties": {"n": {"type": "integer"}, "t": {"type": "string"}}}, {"n": "x", "t": "y"}) == (
        {"t": "y"}, [("f.n", "DCVS-1104")], [],
    )  # fmt: skip
    assert dropped(TEXTS, ["a", "z"]) == ("absent", [("f", "xdm_enum")], [])
    assert dropped({"type": "array", "items": ITEM}, [{"n": "x"}, {"n": 1}]) == (
        [{}, {"n": 1}], [("f[*].n", "DCVS-1104")], [],
    )  # fmt: skip
    needs = {"type": "array", "items": {**ITEM, "required": ["n"]}}
    assert dropped(needs, [{"n": "x", "t": "y"}, {"n": 1}]) == ("absent", [("f", "DCVS-1104")], [])
    assert dropped({"type": "object", "additionalProperties": {"type": "integer"}}, {"p": "x", "q": 1}) == (
        {"q": 1}, [("f.*", "DCVS-1104")], [],
    )  # fmt: skip
    inner = {"properties": {"o": {"properties": {"n": {"type": "integer"}}, "required": ["n"]}}, "required": ["o"]}
    assert dropped({"properties": {"i": inner, "t": {"type": "string"}}}, {"i": {"o": {"n": "x"}}, "t": "y"}) == (
        {"t": "y"}, [("f.i", "DCVS-1104")], [],
    )  # fmt: skip
    closed = {"properties": {"t": {"type": "string"}}, "additionalProperties": False}
    assert dropped(closed, {"t": "y", "u": 1}) == ({"t": "y"}, [("f.*", "xdm_unknown_property")], [])


def test_what_an_object_lost_is_not_told_when_it_goes_itself():
    """One value left out, one count: what was said of values within it is taken back."""
    raw = {
        "properties": {
            "o": {"properties": {"n": {"type": "integer"}, "m": {"type": "integer"}}, "required": ["n"]},
            "t": {"type": "string"},
        }
    }
    assert dropped(raw, {"o": {"m": "x", "n": "y"}, "t": "y"}) == ({"t": "y"}, [("f.o", "DCVS-1104")], [])


def test_rows_say_otherwise():
    """A rule for a place holds there and below; where the event must be refused, the smallest container does not help."""
    raw = {"properties": {"n": {"type": "integer"}, "o": {"properties": {"m": {"type": "integer"}}}}}
    value = {"n": "x", "o": {"m": "y"}}
    assert dropped(raw, value, rules={("f", "o"): True})[2] == ["DCVS-1104"]
    assert dropped(raw, value, rules={("f", "o", "m"): True})[2] == ["DCVS-1104"]
    assert dropped(raw, value, firm=True, rules={("f",): False}) == (
        "absent", [("f.n", "DCVS-1104"), ("f.o.m", "DCVS-1104")], [],
    )  # fmt: skip
    table = {"type": "object", "additionalProperties": {"type": "integer"}}
    assert dropped(table, {"p": "x"}, rules={("f", "p"): True})[2] == ["DCVS-1104"]
    assert dropped(table, {"q": "x", "r": 1}, rules={("f", "p"): True}) == ({"r": 1}, [("f.*", "DCVS-1104")], [])


def test_what_every_event_must_have_is_never_dropped():
    """A wrong _id or timestamp is a violation, whatever the schema requires."""
    schema = compile_schema(
        {"properties": {"_id": {"type": "string"}, "timestamp": {"type": "string", "format": "date-time"}}}
    ).holding(Policy())
    assert [each.path for each in schema.check({"_id": ["x"], "timestamp": "soon"})[2]] == ["#/_id", "#/timestamp"]


def test_many_wrong_values_take_time_in_proportion():
    """A map of thousands of wrong values is no way to hold up a worker."""
    schema = compile_schema(
        {
            "properties": {
                "m": {
                    "type": "object",
                    "additionalProperties": {"properties": {"n": {"type": "integer"}}, "required": ["n"]},
                }
            }
        }
    ).holding(Policy())

    def taken(count):
        xdm = {"m": {f"k{number}": {"n": "x"} for number in range(count)}}
        began = time.thread_time()
        assert len(schema.check(xdm)[1]) == count
        return time.thread_time() - began

    few = min(taken(2_000) for _ in range(5))
    assert min(taken(16_000) for _ in range(3)) < 24 * few
