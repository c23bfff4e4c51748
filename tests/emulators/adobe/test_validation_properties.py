"""The emulator's strict validation against the bridge's own check, over schemas and values of any shape."""

from __future__ import annotations

import json

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from schema_forms import faults, good_value, trees, written

from bridge.emulators.adobe.ingestion.validation import MOST, compile_validation
from bridge.xdm.schema.compiled_schema import compile_schema
from bridge.xdm.schema.schema_reading import read_schema

KNOWN = {"DCVS-1103", "DCVS-1104", "DCVS-1106"}
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["details", "items", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@st.composite
def documents(draw):
    """A schema and a value that obeys it."""
    tree = draw(trees())
    return tree, good_value(draw, tree)


@settings(max_examples=200)
@given(documents())
def test_values_that_the_schema_takes_pass(drawn):
    """A value that obeys every rule of its schema has no violation."""
    tree, value = drawn
    assert compile_validation(tree)(value) == []


@settings(max_examples=200)
@given(documents(), st.randoms())
def test_every_broken_rule_is_a_violation(drawn, chance):
    """Where exactly one rule is broken it is found, with Adobe's code where that is known, and never more than five."""
    tree, value = drawn
    found = faults(tree, value)
    assume(found)
    fault = chance.choice(found)
    violations = compile_validation(tree)(fault.value)
    assert 1 <= len(violations) <= MOST
    if fault.code in KNOWN:
        assert f"{fault.code}-400" in {one.code for one in violations}


@settings(max_examples=300)
@given(trees(), anything)
def test_what_the_bridge_lets_pass_passes(tree, value):
    """Whatever the bridge's check coerces and lets go, the emulator's validation takes; and it never raises, for any JSON."""
    validate = compile_validation(tree)
    validate(value)
    schema = compile_schema(written(tree, "flat"))
    if not isinstance(value, dict):
        return
    sent, _, refused = schema.check(value)
    # Of an event of which nothing is left the required fields are checked elsewhere.
    if sent and not refused:
        # As it arrives: encoded and read again.
        assert compile_validation(read_schema(written(tree, "flat")))(json.loads(json.dumps(sent))) == []
