"""The compiled mapping: reading, writing, warnings, pruning, and what is refused before anything runs."""

import copy
import json
from typing import Any

import pytest

from bridge.mapping.compiler.mapping_compiler import CompiledMapping, compile_mapping
from bridge.mapping.sets.findings import MappingRefused
from bridge.mapping.sets.table import read_mapping_set
from bridge.model.errors import MappingError


def compiled(
    *rows: tuple[str, ...], strict: bool = False, placeholders: dict[str, str] | None = None
) -> CompiledMapping:
    """Rows are (source, destination) or (source type, source, destination)."""
    mappings = [
        {"source": row[-2], "destination": row[-1], **({"sourceType": row[0]} if len(row) == 3 else {})} for row in rows
    ]
    document = json.dumps({"mappings": mappings}).encode()
    return compile_mapping(
        read_mapping_set(document), tenant="_t", primary_identity="crm", strict=strict, placeholders=placeholders or {}
    )


def mapped(event: Any, *rows: tuple[str, ...], **options: Any) -> dict[str, Any]:
    """The output, where no warning is expected."""
    out, warnings = compiled(*rows, **options).apply(event)
    assert list(warnings) == []
    return out


def test_values_of_every_kind_are_copied():
    """Numbers, booleans, text, objects and arrays arrive as they are."""
    event = {"s": "x", "i": 5, "f": 1.5, "t": True, "o": {"a": {"b": 1}}, "l": [1, {"c": 2}]}
    assert mapped(event, *((key, key) for key in event)) == event


def test_paths_read_objects_arrays_and_escaped_names():
    """Nested keys, indexes, names with dots and blanks; what is not there is null and leaves nothing."""
    event = {"a": {"b": [{"c": 1}, {"c": 2}], "d.e": 3, "f g": 4}}
    assert mapped(
        event,
        ("a.b[1].c", "x"),
        ("a.d\\.e", "y"),
        ("a.${f g}", "z"),
        ("a.b[7].c", "n"),
        ("a.b.c", "n2"),
        ("q.r.s", "n3"),
    ) == {"x": 2, "y": 3, "z": 4}


def test_placeholders_reach_destinations_and_sources():
    """{tenant}, {primary_identity} and configured names."""
    assert mapped(
        {"brand": {"luma": 1}},
        ("brand.{brand}", "{tenant}.{brand}"),
        ("brand.{brand}", "identityMap.{primary_identity}[0].id"),
        placeholders={"brand": "luma"},
    ) == {"_t": {"luma": 1}, "identityMap": {"crm": [{"id": 1}]}}


def test_static_text_is_written_as_it_is():
    """STATIC is never read as a path or an expression."""
    assert mapped({"a": 1}, ("STATIC", "a + 1", "x"), ("STATIC", "true", "y.z")) == {"x": "a + 1", "y": {"z": "true"}}


def test_nulls_and_empty_objects_are_pruned_everywhere():
    """Null leaves and empty objects go, inside copied maps too; false, zero, empty text and nulls of arrays stay."""
    event = {
        "n": None,
        "e": {},
        "m": {"a": None, "b": {}, "c": {"d": None}, "f": False, "z": 0, "t": "", "l": [1, None, {}, {"x": None}]},
    }
    assert mapped(event, ("n", "n"), ("e", "e"), ("m", "m"), ("n", "o.p.q")) == {
        "m": {"f": False, "z": 0, "t": "", "l": [1, None]}
    }


def test_the_event_is_neither_changed_nor_shared():
    """Overrides write into copies, and changing the output leaves the event alone."""
    event = {"address": {"line1": "L", "geo": {"lat": 1, "tags": ["a"]}}}
    before = copy.deepcopy(event)
    mapping = compiled(
        ("address", "addr"), ("nullify()", "addr.line1"), ("address.line1", "addr.geo.label"), ("address", "b")
    )
    out, _ = mapping.apply(event)
    assert out["addr"] == {"geo": {"lat": 1, "tags": ["a"], "label": "L"}}
    out["addr"]["geo"]["tags"].append("changed")
    out["b"]["geo"]["lat"] = 99
    assert event == before


def test_explicit_children_win_over_the_copied_object():
    """The reference's example: address to addr, and line1 under another name."""
    event = {"address": {"line1": "5 High St", "city": "Bath"}}
    assert mapped(event, ("address", "addr"), ("address.line1", "addr.addrLine1")) == {
        "addr": {"line1": "5 High St", "city": "Bath", "addrLine1": "5 High St"}
    }
    assert mapped(event, ("'Wells'+''", "addr.city"), ("address", "addr")) == {
        "addr": {"line1": "5 High St", "city": "Wells"}
    }


def test_the_wildcard_wraps_leaves_under_their_source_key():
    """The reference's example, word for word."""
    event = {"customerInfo": {"emails": [{"name": "John Smith"}, {"name": "Jane Smith"}]}}
    assert mapped(event, ("customerInfo.emails[*].name", "pi[*].names")) == {
        "pi": [{"names": {"name": "John Smith"}}, {"names": {"name": "Jane Smith"}}]
    }


def test_wildcard_rows_meet_by_position():
    """Several rows write into the same elements; an element that stays empty leaves nothing."""
    event = {"l": [{"a": 1, "b": 2}, {"a": None}, {"b": 3}]}
    assert mapped(event, ("l[*].a", "p[*].x.y"), ("l[*].b", "p[*].z")) == {
        "p": [{"x": {"y": {"a": 1}}, "z": {"b": 2}}, {"z": {"b": 3}}]
    }


def test_wildcards_without_a_wildcard_destination_give_an_array():
    """Plain values in order, absent ones left out; nested wildcards are flattened."""
    event = {"l": [{"a": 1, "m": [{"k": 1}, {"k": 2}]}, {}, {"a": 3, "m": [{"k": 3}]}]}
    assert mapped(event, ("l[*].a", "x"), ("l[*].m[*].k", "y"), ("l", "z")) == {
        "x": [1, 3],
        "y": [1, 2, 3],
        "z": [{"a": 1, "m": [{"k": 1}, {"k": 2}]}, {"a": 3, "m": [{"k": 3}]}],
    }


def test_nested_wildcards_meet_nested_destinations():
    """As many [*] on both sides keep the structure."""
    event = {"l": [{"m": [{"k": 1}, {"k": 2}]}, {"m": [{"k": 3}]}]}
    assert mapped(event, ("l[*].m[*].k", "p[*].q[*].r")) == {
        "p": [{"q": [{"r": {"k": 1}}, {"r": {"k": 2}}]}, {"q": [{"r": {"k": 3}}]}]
    }


def test_computed_arrays_spread_over_elements():
    """An expression's array goes element by element, without a wrap: it has no source key."""
    assert mapped({}, ("to_array(false, 'a', 'b')", "p[*].x")) == {"p": [{"x": "a"}, {"x": "b"}]}


def test_indexes_in_destinations_create_arrays():
    """Elements by index, in order; those that stay empty leave no hole."""
    assert mapped({"a": 1, "b": 2}, ("b", "l[2].v"), ("a", "l[0].v"), ("zzz", "l[1].v"), ("a", "m[0]")) == {
        "l": [{"v": 1}, {"v": 2}],
        "m": [1],
    }


def test_an_identity_without_id_leaves_nothing():
    """A primary flag alone makes no item of identityMap."""
    rows = [
        ("identities.email", "identityMap.Email[0].id"),
        ("STATIC", "false", "identityMap.Email[0].primary"),
        ("identities.id", "identityMap.crm[0].id"),
        ("STATIC", "true", "identityMap.crm[0].primary"),
    ]
    assert mapped({"identities": {"id": "c"}}, *rows) == {"identityMap": {"crm": [{"id": "c", "primary": "true"}]}}
    assert mapped({"identities": None}, *rows) == {}


def test_dates_leave_as_iso_8601_in_utc():
    """A date that reaches a destination, alone or inside arrays and objects, is text with Z and no empty fraction."""
    out = mapped(
        {"d": "2024-05-05 20:39:00.005-0800"},
        ("date('2020-01-02')", "a"),
        ("date(d, 'yyyy-MM-dd HH:mm:ss.SSSZ')", "b"),
        ("to_object('k', date('2020-01-02'))", "c"),
    )
    assert out == {"a": "2020-01-02T00:00:00Z", "b": "2024-05-06T04:39:00.005Z", "c": {"k": "2020-01-02T00:00:00Z"}}


def test_a_failing_row_is_null_with_a_warning_and_the_others_go_on():
    """Data Prep's rule for one attribute; the reason names no value."""
    out, warnings = compiled(("a", "x"), ("secret * 2", "y"), ("b", "z")).apply({"a": 1, "secret": "hunter2", "b": 2})
    assert out == {"x": 1, "z": 2}
    (warning,) = warnings
    assert (warning.row, warning.source, warning.destination) == (2, "secret * 2", "y")
    assert "hunter2" not in warning.reason


@pytest.mark.parametrize("event", [None, [], "text", 5, {"a": float("nan")}, {"a": float("inf")}])
def test_whatever_comes_nothing_is_raised(event: Any):
    """No object at all, and numbers that JSON or XDM cannot carry."""
    out, warnings = compiled(("a", "x"), ("STATIC", "s", "y")).apply(event)
    assert out == {"y": "s"}
    assert len(warnings) == (1 if isinstance(event, dict) else 0)


def test_nesting_beyond_reason_is_a_warning():
    """A value nested ten thousand levels deep nulls its row only."""
    deep: Any = "x"
    for _ in range(10_000):
        deep = {"a": deep}
    out, warnings = compiled(("deep", "x"), ("b", "y")).apply({"deep": deep, "b": 1})
    assert out == {"y": 1}
    assert [one.reason for one in warnings] == ["the value is nested too deeply"]


def test_strict_makes_an_absent_source_a_warning():
    """Absent is told from null, and branches that need not be taken may be absent."""
    rows = [("a", "x"), ("b.c", "y"), ("upper(d)", "z"), ("coalesce(a, e)", "v"), ("n", "w"), ("l[1]", "u"), ("a", "q")]
    out, warnings = compiled(*rows, strict=True).apply({"a": "1", "n": None, "b": {}, "l": [0]})
    assert out == {"x": "1", "v": "1", "q": "1"}
    assert [(one.row, one.reason) for one in warnings] == [
        (2, "source attribute b.c is absent"),
        (3, "source attribute d is absent"),
        (6, "source attribute l[1] is absent"),
    ]


def test_everything_wrong_is_listed_before_anything_runs():
    """Unknown function, arity, syntax, duplicate destination and placeholder in one error, with rows and positions."""
    with pytest.raises(MappingError) as caught:
        compiled(
            ("uper(a)", "x"), ("concat(lower(), 'a')", "y"), ("a +", "z"), ("b", "x2"), ("c", "x2"), ("d", "{tenat}.q"),
            ("e", "f[a]"), ("fpid_to_ecid(a)", "g"), ("dformat(1, 'jj')", "h"), ("a.trimm()", "i"), ("c", "x2.y[0]"),
            ("c", "x2.y.z"),
        )  # fmt: skip
    assert isinstance(caught.value, MappingRefused)
    found = {(one.row, one.column, one.code) for one in caught.value.findings}
    assert {
        (1, "source", "unknown_function"), (2, "source", "arity"), (3, "source", "syntax"),
        (5, "destination", "destination_duplicate"), (6, "destination", "placeholder_unknown"),
        (7, "destination", "destination_syntax"), (8, "source", "refused_function"), (9, "source", "constant_invalid"),
        (10, "source", "unknown_method"),
    } <= found  # fmt: skip
    assert (12, "destination", "destination_overlap") in found
    by_row = {one.row: one for one in caught.value.findings}
    assert by_row[1].fix == "upper"
    assert by_row[2].position == 8
    assert by_row[6].fix == "tenant"
    assert by_row[10].fix == "trim"


def test_a_source_path_is_read_once():
    """Ten rows over one path read it once, and common prefixes once."""
    mapping = compiled(*((f"concat(a.b.c, '{number}')", f"x{number}") for number in range(10)), ("a.b.d", "y"))
    assert mapping.code.count("('c')") == 1
    assert mapping.code.count("('b')") == 1
    assert mapping.apply({"a": {"b": {"c": "v", "d": 1}}})[0] == {**{f"x{n}": f"v{n}" for n in range(10)}, "y": 1}


def test_constants_are_folded():
    """A call of constants leaves only its value in the code; now and uuid are called for each event."""
    mapping = compiled(("concat(upper('a'), 'b', 1 + 2)", "x"), ("uuid()", "y"))
    assert "'Ab3'" in mapping.code.replace('"', "'")
    assert mapping.apply({})[0]["y"] != mapping.apply({})[0]["y"]


def test_constant_arrays_are_fresh_for_each_event():
    """Folded arrays and maps are copied, so that one event's output cannot change the next one's."""
    mapping = compiled(("[1, {'a': 2}]", "x"))
    mapping.apply({})[0]["x"].append(3)
    assert mapping.apply({})[0] == {"x": [1, {"a": 2}]}


def test_no_text_of_a_mapping_becomes_python():
    """Quotes, line breaks and Python in cells stay data."""
    nasty = "'''\"); __import__('os').system('echo x'); (\n\\"
    event = {nasty: 1, "a": nasty}
    wrapped = "${" + nasty.replace("\\", "\\\\").replace(".", "\\.") + "}"
    assert mapped(event, ("STATIC", nasty, "x"), (wrapped, "y"), ("ATTRIBUTE", "a", wrapped)) == {
        "x": nasty, "y": 1, nasty: nasty,
    }  # fmt: skip


def test_decode_is_a_lookup_with_a_lazy_default():
    """Constant cases become a table; the default is computed only when nothing matches; the first of equal keys wins."""
    rows = [("decode(code, 'A', 'one', 'A', 'two', 'B', 2, concat('other.', code))", "x")]
    assert mapped({"code": "A"}, *rows) == {"x": "one"}
    assert mapped({"code": "B"}, *rows) == {"x": 2}
    assert mapped({"code": "C"}, *rows) == {"x": "other.C"}
    assert mapped({"code": ["A"]}, ("decode(code, 'A', 1, 'none')", "x")) == {"x": "none"}
    assert mapped({"code": 1}, ("decode(code, 1, 'number', '1', 'text')", "x")) == {"x": "number"}
    assert mapped({"a": "k", "b": "k"}, ("decode(a, b, 'same', 'different')", "x")) == {"x": "same"}
    assert mapped({"code": "C"}, ("decode(code, 'A', 1)", "x"), ("'y' + ''", "y")) == {"y": "y"}


def test_lambdas_see_their_parameter_and_the_event():
    """The parameter hides an attribute of the same name; other paths still read the event."""
    assert mapped(
        {"x": 100, "base": 10, "items": [{"p": 1}, {"p": 2}]},
        ("transformArray(items, x -> x.p + base)", "sums"),
        ("filterArray(items[*].p, x -> x > 1)", "large"),
        ("transformArray([1], x -> transformArray([2], y -> x + y))", "nested"),
    ) == {"sums": [11, 12], "large": [2], "nested": [[3]]}


N = 125


@pytest.mark.parametrize(
    "text",
    [
        "iif(a," * N + "b" + ",c)" * N, "iif(a,b," * N + "b" + ")" * N, "(a ?: " * N + "b" + ")" * N,
        "coalesce(" * N + "b" + ",a)" * N, "decode(a,b,c," * N + "b" + ")" * N, "decode(" * N + "b" + ",'x',1,c)" * N,
        "a+" * N + "b", "a" + ".trim()" * N, "{'a':" * N + "b" + "}" * N, "a ? b : " * N + "c",
        "filterArray(a, x -> " * 60 + "b" + ")" * 60, ".".join(["a"] * 64),
        "coalesce(" + ",".join(["a"] * 5_000) + ")", "decode(a," + ",".join(["b"] * 5_000) + ")",
        "concat(" + ",".join(["a"] * 5_000) + ")", "[" + ",".join(["a"] * 5_000) + "]",
    ],
    ids=lambda text: text[:12],
)  # fmt: skip
def test_the_deepest_and_widest_expressions_compile(text: str):
    """Whatever the parser lets through also compiles and runs: no limit of Python's shows."""
    mapping = compiled(("EXPRESSION", text, "x"))
    mapping.apply({"a": "1", "b": "b"})
    assert isinstance(mapping.code, str)
