"""Properties of the language: printing and parsing are inverse, and evaluation never raises out of an event."""

from __future__ import annotations

import copy
import json
from typing import Any

import orjson
from examples import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.mapping.compiler.expressions.evaluation import compile_expression
from bridge.mapping.compiler.mapping_compiler import compile_mapping
from bridge.mapping.functions.catalogue import FUNCTIONS, METHODS
from bridge.mapping.sets.findings import MappingRefused
from bridge.mapping.sets.mapping_set import MappingRow, MappingSet
from bridge.mapping.syntax.nodes import (
    ArrayLiteral,
    Binary,
    Call,
    Lambda,
    Literal,
    MapLiteral,
    Member,
    MethodCall,
    PathRef,
    Subscript,
    Ternary,
    Unary,
)
from bridge.mapping.syntax.parser import parse_expression
from bridge.mapping.syntax.paths import Every, Index, Key, parse_path, print_path
from bridge.mapping.syntax.printer import print_expression

NAMES = st.one_of(
    st.sampled_from(
        ["a", "time", "or", "size", "null", "event_code", "First Name", "a.b", "}", "\\", "é", "$x", "x1", "{b}"]
    ),
    st.text(min_size=1, max_size=8),
)
CALLED = st.sampled_from(["f", "upper", "nothing", "sizes"])
PLAIN = st.sampled_from(["a", "b", "items", "time", "event_code", "or", "size", "x"])
KEYS = NAMES.map(Key)
SEGMENTS = st.one_of(KEYS, st.integers(0, 9999).map(Index), st.just(Every()))
PATHS = st.builds(lambda first, rest: (first, *rest), KEYS, st.lists(SEGMENTS, max_size=4))
NUMBERS = st.one_of(st.integers(0, 2**63 - 1), st.floats(0, allow_nan=False, allow_infinity=False))
LITERALS = st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=12)).map(Literal)
BINARY = ["||", "&&", "|", "^", "&", "==", "!=", "<", "<=", ">", ">=", "=~", "!~", "=^", "=$", "+", "-", "*", "/", "%",
          "?:", "??"]  # fmt: skip


def nodes(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """One level more."""
    lists = st.lists(inner, max_size=3).map(tuple)
    # A computed value, so that the step after it is no part of a path.
    computed = st.one_of(
        st.builds(Call, CALLED, lists), st.builds(ArrayLiteral, lists), st.text(max_size=5).map(Literal)
    )
    moving = inner.filter(
        lambda node: not (isinstance(node, Literal) and (isinstance(node.value, str) or type(node.value) is int))
    )
    return st.one_of(
        st.builds(ArrayLiteral, lists),
        st.builds(MapLiteral, st.lists(st.tuples(inner, inner), max_size=3).map(tuple)),
        st.builds(Call, CALLED, lists),
        st.builds(Call, st.just("f"), st.builds(lambda one, other: (one, Lambda("x", other)), inner, inner)),
        st.builds(MethodCall, inner, PLAIN, lists),
        st.builds(Member, computed, KEYS),
        st.builds(Subscript, inner, moving),
        st.builds(Unary, st.sampled_from(["-", "+", "!", "~", "empty", "size"]), inner),
        st.builds(Binary, st.sampled_from(BINARY), inner, inner),
        st.builds(Ternary, inner, inner, inner),
    )


TREES = st.recursive(st.one_of(LITERALS, PATHS.map(PathRef)), nodes, max_leaves=12)
JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=20),
        st.sampled_from(["5", "2024-01-01", "false"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.one_of(PLAIN, st.text(max_size=5)), inner, max_size=4)
    ),
    max_leaves=20,
)
EVENTS = st.one_of(JSON, st.dictionaries(PLAIN, JSON, max_size=6))
FAST = settings(max_examples=examples(300), deadline=2_000, suppress_health_check=[HealthCheck.too_slow])


@FAST
@given(TREES)
def test_parsing_what_is_printed_gives_the_same_tree(tree: Any):
    """Parse after print is the identity on every tree the grammar can build."""
    assert parse_expression(print_expression(tree)) == tree


@FAST
@given(PATHS)
def test_a_path_survives_printing(path: Any):
    """Any name, with dots, blanks, braces, backslashes and control characters."""
    assert parse_path(print_path(path)) == path
    assert parse_expression(print_expression(PathRef(path))) == PathRef(path)


FUNCTION_NAMES, METHOD_NAMES = st.sampled_from(sorted(FUNCTIONS)), st.sampled_from(sorted(METHODS))
OPERATORS = st.sampled_from(BINARY)


def calls(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Calls of real functions and methods with a fitting number of any arguments, and operators."""

    @st.composite
    def call(draw: st.DrawFn) -> str:
        function = draw(FUNCTION_NAMES)
        fewest, most = FUNCTIONS[function].arity
        count = draw(st.integers(fewest, min(most if most is not None else fewest + 3, fewest + 3)))
        arguments = [draw(inner) for _ in range(count)]
        if FUNCTIONS[function].parameters[-1:] and FUNCTIONS[function].parameters[-1].kind == "lambda":
            arguments[-1] = f"x -> {arguments[-1]}"
        return f"{function}({', '.join(arguments)})"

    @st.composite
    def method(draw: st.DrawFn) -> str:
        name = draw(METHOD_NAMES)
        fewest, most = METHODS[name].arity
        count = draw(st.integers(fewest, min(most if most is not None else fewest + 2, fewest + 2))) - 1
        return f"({draw(inner)}).{name}({', '.join(draw(inner) for _ in range(count))})"

    @st.composite
    def operation(draw: st.DrawFn) -> str:
        return f"({draw(inner)} {draw(OPERATORS)} {draw(inner)})"

    return st.one_of(call(), method(), operation())


SOURCES = st.recursive(
    st.one_of(
        st.sampled_from(["a", "b.a", "items[*].a", "items[0]", "time", "event_code", "null", "true", "''", "','", "'a'", "0", "-1",
                         "1.5", "1000000", "[1, null, 'a']", "{'a': 1}", "'yyyy-MM-dd'", "'UTC'", "'day'", "x"]),
    ),
    calls,
    max_leaves=5,
)  # fmt: skip


@settings(max_examples=examples(500), deadline=4_000, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(SOURCES, min_size=1, max_size=4), EVENTS)
def test_no_expression_raises_out_of_an_event(sources: list[str], event: Any):
    """Any functions over any JSON: an output that JSON can carry, warnings instead of exceptions, the event unchanged."""
    rows = tuple(MappingRow(at, "EXPRESSION", source, f"x{at}.y") for at, source in enumerate(sources, start=2))
    try:
        mapping = compile_mapping(MappingSet(rows, "0" * 64), tenant="_t", primary_identity="crm")
    except MappingRefused:
        return  # a wrong constant is found before anything runs
    before = copy.deepcopy(event)
    out, warnings = mapping.apply(event)
    json.dumps(out, allow_nan=False)
    assert repr(event) == repr(before)
    assert all(warning.reason and 2 <= warning.row <= len(sources) + 1 for warning in warnings)


DESTINATIONS = st.sampled_from(
    ["a", "b.c", "b.d.e", "l[0].x", "l[1]", "m[*].x", "m[*].y.z", "o", "o.p", "o.p.q", "{tenant}.v"]
)
ATTRIBUTES = st.sampled_from(
    ["a", "b", "items", "items[*].a", "items[*].b[*].a", "items[0].a", "time", "a.b", "b.a", "x"]
)


@FAST
@given(
    st.lists(st.tuples(ATTRIBUTES, DESTINATIONS), min_size=1, max_size=8, unique_by=lambda row: row[1]),
    EVENTS,
    st.booleans(),
)
def test_copies_never_alias_mutate_or_leave_nulls(pairs: list[tuple[str, str]], event: Any, strict: bool):
    """Attribute rows over any JSON: no null leaf outside arrays, no empty object, and nothing shared with the event."""
    rows = tuple(MappingRow(at, "ATTRIBUTE", source, target) for at, (source, target) in enumerate(pairs, start=2))
    try:
        mapping = compile_mapping(MappingSet(rows, "0" * 64), tenant="_t", primary_identity="crm", strict=strict)
    except MappingRefused:
        return  # destinations that cannot stand together
    before = repr(event)
    out, _ = mapping.apply(event)
    assert repr(event) == before
    json.dumps(out, allow_nan=False)
    mine = containers(event)
    waiting: list[Any] = [out]
    while waiting:
        here = waiting.pop()
        assert id(here) not in mine
        if isinstance(here, dict):
            assert all(value is not None and value != {} for value in here.values())
        waiting += [one for one in (here.values() if isinstance(here, dict) else here) if isinstance(one, dict | list)]


def containers(value: Any) -> set[int]:
    """Identities of every object and array of ``value``."""
    found: set[int] = set()
    waiting = [value]
    while waiting:
        here = waiting.pop()
        if isinstance(here, dict | list):
            found.add(id(here))
            waiting += here.values() if isinstance(here, dict) else here
    return found


@FAST
@given(JSON, PATHS)
def test_a_compiled_path_reads_what_plain_python_reads(event: Any, path: Any):
    """Reading through the generated code equals following the path step by step."""
    from bridge.mapping.compiler.expressions.evaluation import as_json
    from bridge.mapping.compiler.output.output_values import follow

    expression = compile_expression(print_expression(PathRef(path)))
    document = event if isinstance(event, dict) else {"a": event}
    assert repr(expression.evaluate(document).value) == repr(as_json(follow(document, path)))


@FAST
@given(st.dictionaries(st.text(max_size=5), JSON, max_size=5))
def test_the_shipped_mapping_takes_any_json(event: dict[str, Any]):
    """Arbitrary values under the names it reads never raise, and what comes out can be encoded."""
    mapping = shipped()
    names = ["id", "time", "event_code", "identities", "user_attributes", "event_attributes", "source"]
    values = list(event.values())
    dressed = {name: values[at % len(values)] for at, name in enumerate(names)} if values else {}
    out, _ = mapping.apply(dressed)
    orjson.dumps(out)


_SHIPPED: list[Any] = []


def shipped() -> Any:
    """The shipped mapping set, compiled once."""
    from pathlib import Path

    from bridge.mapping.sets.table import load_mapping_set

    if not _SHIPPED:
        path = Path(__file__).resolve().parents[2] / "mappings" / "moengage_events.csv"
        _SHIPPED.append(compile_mapping(load_mapping_set(path), tenant="_t", primary_identity="crm"))
    return _SHIPPED[0]
