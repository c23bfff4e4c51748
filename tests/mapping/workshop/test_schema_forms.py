"""Reader, checker and init over generated schemas in every form."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from examples import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schema_forms import FORMS, faults, good_value, pointer, snake, trees, written

from bridge.mapping.compiler.mapping_compiler import compile_mapping
from bridge.mapping.workshop.event_verdicts import Judge, Verdicts
from bridge.mapping.workshop.proposal.rows_proposed import propose
from bridge.mapping.workshop.proposal.settling import settle
from bridge.mapping.workshop.samples import Samples
from bridge.settings import MappingSettings
from bridge.xdm.experience_event import ExperienceEvents
from bridge.xdm.rules import RULES
from bridge.xdm.schema.compiled_schema import compile_schema
from bridge.xdm.schema.fields import SchemaField
from bridge.xdm.schema.schema_reading import read_schema

if TYPE_CHECKING:
    from bridge.mapping.sets.mapping_set import MappingSet

slow_to_draw = settings(
    deadline=None, max_examples=examples(40), suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
IDENTITY = {
    "type": "array",
    "items": {"type": "object", "properties": {"id": {"type": "string"}, "primary": {"type": "boolean"}}},
}
USUAL = {
    "_id": {"type": "string"},
    "timestamp": {"type": "string", "format": "date-time"},
    "identityMap": {"type": "object", "additionalProperties": IDENTITY},
    "eventType": {"type": "string"},
}


def without_suggestions(field: SchemaField) -> SchemaField:
    """The tree without what is not enforced."""
    return replace(
        field,
        suggestions=(),
        unenforced=(),
        title="",
        properties={name: without_suggestions(child) for name, child in field.properties.items()},
        values=None if field.values is None else without_suggestions(field.values),
        items=None if field.items is None else without_suggestions(field.items),
        patterns=tuple((name, without_suggestions(child)) for name, child in field.patterns),
    )


@pytest.mark.parametrize("form", FORMS)
@slow_to_draw
@given(tree=trees())
def test_every_form_is_read_to_the_same_tree(form: str, tree: SchemaField):
    """Composed, with XDM's names, with suggestions: what is enforced is the same."""
    assert without_suggestions(read_schema(written(tree, form))) == tree


@pytest.mark.parametrize("form", FORMS)
@slow_to_draw
@given(data=st.data(), tree=trees())
def test_a_right_value_passes_and_each_fault_is_told_where_it_is(form: str, data: st.DataObject, tree: SchemaField):
    """No finding for what is right; for one broken rule exactly its place and code. The value itself is left alone."""
    schema = compile_schema(written(tree, form))
    value = good_value(data.draw, tree)
    kept = copy.deepcopy(value)
    assert schema.check(value)[2] == []
    for fault in faults(tree, value):
        told = [(one.path, one.code) for one in schema.check(fault.value)[2]]
        assert told == [(pointer(fault.path), fault.code)]
    assert value == kept


@slow_to_draw
@given(tree=trees())
def test_every_field_can_be_asked_for(tree: SchemaField):
    """The fields that are listed are those that type_at finds, with the same type."""
    schema = compile_schema(written(tree, "composed"))
    for field in schema.fields():
        if ".*" not in field.path:
            found = schema.type_at(field.path)
            assert found is not None
            assert (found.type, found.format, found.enum) == (field.type, field.format, field.enum)


def attributes_for(draw: st.DrawFn, field: SchemaField) -> dict[str, Any]:
    """Attributes with the names of the schema's fields, some with values that these do not take."""
    found: dict[str, Any] = {}
    for name, child in field.properties.items():
        if child.kind == "object":
            found |= attributes_for(draw, child)
        value = good_value(draw, child)
        broken = faults(SchemaField("object", properties={name: child}), {name: value})
        if broken and draw(st.booleans()):
            value = draw(st.sampled_from(broken)).value.get(name)
        found[snake(name)] = value
    return found


@settings(
    deadline=None, max_examples=examples(60), suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(data=st.data(), tree=trees(leaves_at_most=6))
def test_a_proposal_compiles_and_refuses_none_of_its_samples(data: st.DataObject, tree: SchemaField):
    """Whatever schema and attributes: the set compiles, and no sample is refused, lessened or warned of because of a row."""
    form = data.draw(st.sampled_from(FORMS))
    document = {
        "type": "object",
        "properties": {**USUAL, "_t": {k: v for k, v in written(tree, form).items() if k != "definitions"}},
    }
    document["definitions"] = written(tree, form)["definitions"]
    schema = compile_schema(document)
    events = [
        {
            "id": str(number), "time": 1_731_421_200, "event_code": "X", "identities": {"externalId": "c"}, "source": "MOENGAGE",
            "event_attributes": attributes_for(data.draw, tree),
        }
        for number in range(data.draw(st.integers(1, 3)))
    ]  # fmt: skip
    samples = Samples(events)
    chosen = MappingSettings(tenant="_t", primary_identity=("crm",))

    def judged(mapping_set: MappingSet) -> Verdicts:
        mapping = compile_mapping(mapping_set, tenant="_t", primary_identity="crm", schema=schema)
        return Judge(
            ExperienceEvents(mapping, chosen, schema).build, mapping.apply, mapping.rows, schema, rules=RULES
        ).verdicts(events)

    proposal, verdicts = settle(propose(schema, samples, RULES, event_type=None), samples, judged)
    assert [group for group in verdicts.groups if group.row] == []
    # Only that an event lacks what another has can take a row back; and an attribute whose values do not fit is named.
    words = ("required key", "requires", "the schema does not take its values")
    assert all(any(word in why for word in words) for why in proposal.left_open.values())
    taken = {row.destination for row in proposal.mapping_set.rows}
    assert not taken & {path for path, why in proposal.left_open.items() if words[2] in why}
    # What no row causes: the schema requires at its root what there is no source for.
    assert all(group.code == "DCVS-1106" for group in verdicts.groups)
    assert not any("[*]" in row.destination or ".*" in row.destination for row in proposal.mapping_set.rows)
