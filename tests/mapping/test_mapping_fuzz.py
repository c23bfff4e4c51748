"""Fuzzing of the parsers: whatever the text, a value or an error in words, within a time that grows with the length."""

from __future__ import annotations

import json
import time
from typing import Any

from examples import examples
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bridge.mapping.lint.rules import lint_file
from bridge.mapping.sets.convert import to_csv, to_json
from bridge.mapping.sets.findings import MappingRefused
from bridge.mapping.sets.mapping_set import MappingRow, MappingSet, rows_without_place
from bridge.mapping.sets.table import read_mapping_set
from bridge.mapping.syntax.explaining import ExpressionProblem
from bridge.mapping.syntax.parser import parse_expression
from bridge.mapping.syntax.paths import PathProblem, parse_path
from bridge.mapping.syntax.printer import print_expression
from bridge.xdm.rules import RULES

PIECES = st.sampled_from(
    ["(", ")", "[", "]", "{", "}", "${", "\\", '"', "'", ",", ".", ":", "?", "?:", "??", "->", "=", "==", "=~", "!", "~", "+", "-",
     "*", "/", "%", "&&", "|", "^", "or", "and", "not", "empty", "size", "null", "true", "1", "9e9", "0.5", "a", "upper", "x", " ",
     "\n", "é", "\x00", "[*]", "[0]", "concat(", "iif(", "decode(", "1L", "\\u00", "\ud800"]
)  # fmt: skip
TEXTS = st.one_of(st.lists(PIECES, max_size=60).map("".join), st.text(max_size=120))
BOUNDED = settings(max_examples=examples(800), deadline=1_500, suppress_health_check=[HealthCheck.too_slow])


@BOUNDED
@given(TEXTS)
@example("a" * 4_096)
@example("a.b." * 1_000)
@example("1" + "+1" * 2_000)
def test_any_text_parses_or_says_why(text: str):
    """No crash and no hang; a position within the text; what parses prints and parses again."""
    try:
        tree = parse_expression(text)
    except ExpressionProblem as caught:
        problem = caught
    else:
        assert parse_expression(print_expression(tree)) == tree
        return
    assert problem.message
    assert 1 <= problem.position <= len(text) + 1


@BOUNDED
@given(TEXTS)
def test_any_path_parses_or_says_why(text: str):
    """The same for paths and destinations."""
    position = 1
    try:
        parse_path(text)
    except PathProblem as problem:
        position = problem.position
    assert 1 <= position <= len(text) + 2


@BOUNDED
@given(
    st.one_of(
        st.binary(max_size=200), TEXTS.map(lambda text: ("source,destination\n" + text).encode("utf-8", "replace"))
    )
)
def test_any_bytes_are_a_mapping_set_or_findings(content: bytes):
    """Whatever stands in a file: rows, or every finding; linting it raises nothing."""
    for finding in lint_file(lambda: read_mapping_set(content), tenant="_t", primary_identity="crm", rules=RULES):
        assert finding.message


@BOUNDED
@given(st.recursive(st.one_of(st.none(), st.booleans(), st.integers(), TEXTS), lambda inner: st.one_of(
    st.lists(inner, max_size=4),
    st.dictionaries(st.sampled_from(["mappings", "source", "destination", "sourceType", "name", "x"]), inner, max_size=5),
), max_leaves=12))  # fmt: skip
def test_any_json_is_a_mapping_set_or_findings(document: Any):
    """The same for the API's JSON."""
    findings: Any = None
    try:
        read_mapping_set(json.dumps(document).encode())
    except MappingRefused as refused:
        findings = refused.findings
    assert findings is None or len(findings) > 0


# Blanks of no width are taken away by reading.
CELL = st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters="\x00\u200b\u2060\ufeff"), min_size=1, max_size=20
).filter(lambda text: text.strip() == text and text)
_OURS = {
    "sourcetype",
    "source",
    "destination",
    "name",
    "description",
    "sourceattribute",
    "sourceexpression",
    "destinationxdmpath",
    "oninvalid",
}
EXTRA = st.dictionaries(
    # In whatever spelling: headers are read so too.
    CELL.filter(lambda key: "".join(filter(str.isalnum, key)).casefold() not in _OURS),
    st.one_of(CELL, st.none(), st.booleans(), st.integers(), st.lists(CELL, max_size=2), st.just("")),
    max_size=3,
)  # fmt: skip
ROWS = st.lists(
    st.builds(
        MappingRow,
        st.just(0),
        st.sampled_from(["ATTRIBUTE", "EXPRESSION", "STATIC"]),
        CELL,
        CELL,
        st.one_of(st.none(), CELL),
        st.one_of(st.none(), CELL),
        EXTRA,
    ),
    min_size=1,
    max_size=5,
)


@BOUNDED
@given(ROWS, EXTRA.map(lambda extra: {key: value for key, value in extra.items() if key != "mappings"}))
def test_both_forms_hold_every_mapping_set(rows: list[MappingRow], extra: dict[str, Any]):
    """CSV and JSON each bring back exactly what was written, and each through the other."""
    original = MappingSet(tuple(rows), "", None, extra)
    from_csv = read_mapping_set(to_csv(original).encode())
    from_json = read_mapping_set(to_json(original).encode())
    crossed = read_mapping_set(to_json(read_mapping_set(to_csv(from_json).encode())).encode())
    for again in (from_csv, from_json, crossed):
        assert list(rows_without_place(again)) == list(rows_without_place(original))
        assert again.extra == extra


def test_reading_time_grows_with_the_file_only():
    """Eight times the rows take nowhere near 64 times as long."""

    def taken(count: int) -> float:
        content = b"source,destination\n"
        content += b"".join(b'"concat(a%d.b, ""x"")",d%d.e\n' % (number, number) for number in range(count))
        best = 9.0
        for _ in range(2):
            started = time.thread_time()
            list(lint_file(lambda: read_mapping_set(content), tenant="_t", primary_identity="crm", rules=RULES))
            best = min(best, time.thread_time() - started)
        return best

    assert taken(1_600) < 40 * taken(200)
