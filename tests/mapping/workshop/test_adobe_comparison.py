"""Adobe's preview beside this engine's result, row by row."""

from __future__ import annotations

import pytest

from bridge.mapping.compiler.mapping_compiler import compile_mapping
from bridge.mapping.sets.table import read_mapping_set
from bridge.mapping.workshop.adobe_comparison import cases, compare

ROWS = compile_mapping(
    read_mapping_set(
        b"source_type,source,destination\n"
        b"ATTRIBUTE,a,_t.a\n"
        b"EXPRESSION,upper(b),_t.deep.b\n"
        b"ATTRIBUTE,list,_t.list\n"
        b"STATIC,true,identityMap.crm[0].primary\n"
    ),
    tenant="_t",
    primary_identity="crm",
).rows


@pytest.mark.parametrize(
    ("ours", "adobes"),
    [
        ({"_t": {"a": 1}}, {"_t": {"a": 1.0}}),
        ({"_t": {"a": "2020-02-06T05:37:54Z"}}, {"_t": {"a": "2020-02-06T05:37:54.000+00:00"}}),
        ({"_t": {"a": None}}, {}),
        ({"_t": {}}, {"_t": {"a": None, "deep": {}}}),
        ({"_t": {"list": []}}, {"_t": {}}),
    ],
)
def test_what_means_the_same_is_no_difference(ours, adobes):
    """Numbers, instants, and all that is nothing."""
    assert compare(ROWS, ours, adobes) == []


@pytest.mark.parametrize(
    ("ours", "adobes", "row", "path"),
    [
        ({"_t": {"a": "1"}}, {"_t": {"a": 1}}, 2, "_t.a"),
        ({"_t": {"a": True}}, {"_t": {"a": 1}}, 2, "_t.a"),
        ({"_t": {"deep": {"b": "X"}}}, {"_t": {"deep": {"b": "x"}}}, 3, "_t.deep.b"),
        ({"_t": {"list": [{"x": 1}]}}, {"_t": {"list": [{"x": 2}]}}, 4, "_t.list[0].x"),
        (
            {"identityMap": {"crm": [{"primary": False}]}},
            {"identityMap": {"crm": [{"primary": True}]}},
            5,
            "identityMap.crm[0].primary",
        ),
        ({"other": 1}, {}, None, "other"),
    ],
)
def test_a_difference_is_told_with_its_row(ours, adobes, row, path):
    """The row that writes the place; none where no row does."""
    (found,) = compare(ROWS, ours, adobes)
    assert (found.row, found.path) == (row, path)


def test_adobes_error_stands_beside_what_it_concerns():
    """An attribute that Adobe nulled, with its exception; the case holds all that is needed to play it again."""
    errors = [{"destination": "_t.deep.b", "exception": "no such method", "sourceType": "EXPRESSION"}]
    (found,) = compare(ROWS, {"_t": {"a": 1, "deep": {"b": "X"}}}, {"_t": {"a": 1, "deep": {}}}, errors)
    assert found.adobes_error == "no such method"
    (case,) = cases([found], {"b": "x"})
    assert case == {
        "source_type": "EXPRESSION", "source": "upper(b)", "destination": "_t.deep.b", "event": {"b": "x"},
        "expected": None, "got": "X", "adobes_error": "no such method",
    }  # fmt: skip
