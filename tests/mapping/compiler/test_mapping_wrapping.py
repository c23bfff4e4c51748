"""Destinations through arrays without an index, and names with dots that may be paths."""

import pytest

from bridge.mapping.compiler.mapping_compiler import compile_mapping
from bridge.mapping.sets.findings import MappingRefused
from bridge.mapping.sets.table import read_mapping_set
from bridge.mapping.syntax.parser import parse_expression
from bridge.mapping.syntax.paths import parse_path, print_path
from bridge.mapping.syntax.printer import print_expression
from bridge.xdm.schema.compiled_schema import compile_schema

TEXT = {"type": "string"}
DEEP = {"type": "array", "items": {"properties": {"n": TEXT}}}
SCHEMA = compile_schema(
    {
        "properties": {
            "items": {"type": "array", "items": {"properties": {"SKU": TEXT, "name": TEXT, "deep": DEEP}}},
            "plain": {"properties": {"x": TEXT}},
        }
    }
)


def mapped(rows, event, schema=SCHEMA, **facts):
    """The output of a set of rows, with the number of warnings."""
    made = read_mapping_set(f"source,destination\n{rows}".encode())
    out, warnings = compile_mapping(made, tenant="_t", primary_identity="x", schema=schema, **facts).apply(event)
    return out, len(warnings)


def test_a_value_through_an_array_goes_into_its_first_element():
    """Several rows fill the same element, at any depth; with an index, and without a schema, it is as written."""
    rows = "sku,items.SKU\nname,items.name\nn,items.deep.n\nx,plain.x\n"
    event = {"sku": "A", "name": "B", "n": "1", "x": "2"}
    assert mapped(rows, event) == (
        {"items": [{"SKU": "A", "name": "B", "deep": [{"n": "1"}]}], "plain": {"x": "2"}}, 0,
    )  # fmt: skip
    assert mapped("sku,items[0].SKU\nname,items[1].name\n", event)[0] == {"items": [{"SKU": "A"}, {"name": "B"}]}
    assert mapped("sku,items.SKU\n", event, schema=None)[0] == {"items": {"SKU": "A"}}
    assert mapped("sku,items.SKU\n", {}) == ({}, 0)


def test_rows_that_cannot_stand_together_are_still_refused():
    """One row through the first element and one for every element."""
    with pytest.raises(MappingRefused, match="destination_overlap"):
        mapped("sku,items.SKU\nl[*].n,items[*].name\n", {})


@pytest.mark.parametrize(
    ("text", "event", "value"),
    [
        ("${a.b}", {"a.b": "x", "a": {"b": "y"}}, "x"),
        ("${a.b}", {"a": {"b": "y"}}, "y"),
        (r"${a\.b}", {"a": {"b": "y"}}, None),
        (r"${a\.b}", {"a.b": "x"}, "x"),
        ("m.${a.b}.c", {"m": {"a": {"b": {"c": "z"}}}}, "z"),
        ("${First Name}", {"First Name": "x"}, "x"),
        ("${a..b}", {"a..b": "x"}, "x"),
    ],
)
@pytest.mark.parametrize("strict", [False, True])
def test_a_wrapped_name_with_dots_is_a_name_or_a_path(text, event, value, strict):
    """The attribute of that name first; an escaped dot belongs to the name. In paths and in expressions alike."""
    for source in (text, f"coalesce({text}, null)"):
        out, _ = mapped(f'"{source}",plain.x\n', event, strict=strict)
        assert out == ({} if value is None else {"plain": {"x": value}})


@pytest.mark.parametrize("text", ["${a.b}", r"${a\.b}", "m.${a.b}[0]", "${a.b}.c"])
def test_what_is_printed_is_read_back(text):
    """Both meanings survive print and parse."""
    assert parse_path(print_path(parse_path(text))) == parse_path(text)
    node = parse_expression(text)
    assert parse_expression(print_expression(node)).path == node.path == parse_path(text)


def test_a_destination_is_the_name_itself():
    """Nothing is looked for there."""
    assert mapped("x,plain.${p.q}\n", {"x": "1"}, schema=None)[0] == {"plain": {"p.q": "1"}}
