"""Everything that can be said about a mapping set before an event has come: findings with row, column, code and fix.

Every code is explained in :data:`bridge.mapping.lint.codes.CODES`. What the compiler refuses comes from :mod:`bridge.mapping.compiler.mapping_compiler`; this module adds what
would go wrong later: in AEP (reserved words, length, flows), in a replay (random ``_id``), against a schema or real events.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any, Protocol

from bridge.mapping.compiler.mapping_compiler import check
from bridge.mapping.compiler.preparation import known_placeholders, prepare
from bridge.mapping.compiler.row_sources import sources
from bridge.mapping.compiler.wrapping import wrapped
from bridge.mapping.functions.catalogue import FUNCTIONS
from bridge.mapping.lint.against_samples import ambiguous_dates, copied_children
from bridge.mapping.lint.against_schema import (
    against_schema,
    of_another_class,
    required_by_schema,
    scalars_with_children,
    unenforced,
)
from bridge.mapping.lint.identities import IDENTITY_MAP, identities
from bridge.mapping.sets.findings import Finding, MappingRefused, in_order
from bridge.mapping.syntax.explaining import ExpressionProblem
from bridge.mapping.syntax.nodes import Call, Lambda, Literal, PathRef, walk
from bridge.mapping.syntax.parser import MAX_LENGTH, parse_expression
from bridge.mapping.syntax.paths import IDENTIFIER, Key, Path, print_key, print_path
from bridge.mapping.syntax.printer import KEYWORDS
from bridge.mapping.values.spelling import nearest
from bridge.model.mapping_rows import EVERY, SourceRead, Written

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bridge.mapping.compiler.preparation import Prepared
    from bridge.mapping.compiler.schema_fields import SchemaFields
    from bridge.mapping.sets.findings import Column
    from bridge.mapping.sets.mapping_set import MappingSet
    from bridge.model.mapping_rows import Complaint
    from bridge.model.rules import Rules


class Sampled(Protocol):
    """Sample events, as :class:`bridge.mapping.workshop.samples.Samples` knows them."""

    paths: frozenset[str]

    def kind(self, path: Path) -> str | None:
        """The kind of value that always stands at the path, None when it varies or nothing does."""

    def example(self, path: Path) -> Any:
        """The first value at the path that is neither null nor empty."""

    def has(self, path: Path) -> bool:
        """Whether any event has the path."""

    def values(self, path: Path) -> list[Any]:
        """The distinct plain values at the path."""

    def below(self, path: Path) -> list[Path]:
        """The paths directly below the path."""


def lint(
    mapping_set: MappingSet,
    *,
    tenant: str,
    primary_identity: str,
    placeholders: Mapping[str, str] | None = None,
    schema: SchemaFields | None = None,
    samples: Sampled | None = None,
    priority: Sequence[str] = (),
    rules: Rules | None = None,
) -> tuple[Finding, ...]:
    """All findings, errors and warnings, in the order of the file.

    ``priority``: the namespaces that may be primary, as BRIDGE_MAPPING__PRIMARY_IDENTITY lists them; none when not known.
    ``rules``: those of the destination that the set is for; without them nothing is said of what it requires.
    """
    prepared, findings = prepare(mapping_set, known_placeholders(tenant, primary_identity, placeholders or {}))
    prepared = wrapped(prepared, schema)
    findings += check(prepared)
    for one in prepared:
        findings += _row(one)
        if samples is not None:
            findings += _unknown_sources(one, samples)
    if rules is not None:
        findings += _required(prepared, rules.required)
        if IDENTITY_MAP in rules.required:
            findings += identities(prepared, samples, priority)
        findings += complained(prepared, rules)
    findings += scalars_with_children(prepared, samples)
    if schema is not None:
        findings += against_schema(prepared, schema, samples)
        findings += required_by_schema(prepared, schema, () if rules is None else rules.required)
        if rules is not None:
            findings += of_another_class(schema, rules.schema_wanted)
        findings += unenforced(prepared, schema)
    if samples is not None:
        findings += ambiguous_dates(prepared, samples, schema)
        if schema is not None:
            findings += copied_children(prepared, samples, schema)
    findings += mapping_set.warnings
    return in_order(findings)


def complained(prepared: Sequence[Prepared], rules: Rules) -> list[Finding]:
    """What the destination says of the rows' destinations, and the source of what they read."""
    written = [Written(one.row.row, _steps(one.target), one.row.nulls) for one in prepared if one.target is not None]
    reads = [
        SourceRead(one.row.row, _steps(path), position, _steps(one.target or ()))
        for one in prepared
        for path, position in sources(one)
    ]
    return [
        *(_finding(each) for each in rules.complaints(written)),
        *(_finding(each, about_source=True) for each in rules.source_complaints(reads)),
    ]


def _steps(path: Path) -> tuple[str, ...]:
    return tuple(step.name if isinstance(step, Key) else EVERY for step in path)


def _finding(each: Complaint, *, about_source: bool = False) -> Finding:
    where: Column = "file" if not each.row else "source" if about_source else "destination"
    return Finding(each.row, where, each.code, each.message, each.severity, each.fix, each.position)


def lint_file(load: Any, **options: Any) -> tuple[Finding, ...]:
    """:func:`lint` of what ``load()`` gives; a file that cannot be read gives its findings instead of an exception."""
    try:
        mapping_set = load()
    except MappingRefused as refused:
        return tuple(refused.findings)
    return lint(mapping_set, **options)


def _row(one: Prepared) -> Iterator[Finding]:
    row = one.row
    if row.source_type == "EXPRESSION" and len(one.source) > MAX_LENGTH:
        yield Finding(
            row.row,
            "source",
            "expression_too_long",
            f"{len(one.source)} characters; AEP takes {MAX_LENGTH} (the bridge itself evaluates it all the same)",
            "warning",
        )
    if row.source_type != "EXPRESSION":
        yield from _mistyped(one)
    if one.path is not None:
        yield from _names(row.row, one.path)
    if one.node is None:
        return
    parameters = {node.parameter for node in walk(one.node) if isinstance(node, Lambda)}
    for node in walk(one.node):
        if isinstance(node, PathRef) and not node.wrapped:
            first = node.path[0]
            if isinstance(first, Key) and first.name not in parameters:
                yield from _reserved(row.row, first.name, node.position, in_expression=True)
        elif isinstance(node, Call):
            yield from _flows(row.row, node.name, node.position)
    if _first_name(one.target) == "_id":
        random = [node for node in walk(one.node) if isinstance(node, Call) and _is_random(node)]
        for node in random:
            yield Finding(
                row.row, "source", "random_id", f"{node.name} gives another _id at every run: resends and replays would"
                " count twice", fix="use what the event carries, such as id", position=node.position,
            )  # fmt: skip


def _mistyped(one: Prepared) -> Iterator[Finding]:
    """Sources that somebody meant to be evaluated and that will not be."""
    row = one.row
    try:
        node = parse_expression(one.source)
    except ExpressionProblem:
        return
    if any(isinstance(part, Call) and part.name in FUNCTIONS for part in walk(node)):
        if row.source_type == "ATTRIBUTE":
            message = "this is an expression, but source_type says ATTRIBUTE: it would be read as a field of that name"
            yield Finding(row.row, "source_type", "attribute_is_expression", message, fix="EXPRESSION")
        else:
            message = "this is an expression, but source_type says STATIC: its text would be sent as it stands"
            yield Finding(row.row, "source_type", "static_is_expression", message, "warning", "EXPRESSION")
    elif row.source_type == "STATIC" and isinstance(node, Literal) and isinstance(node.value, str):
        message = "STATIC sends the text as it stands, quotes included"
        yield Finding(row.row, "source", "static_is_expression", message, "warning", node.value)


def _is_random(node: Call) -> bool:
    function = FUNCTIONS.get(node.name)
    return function is not None and not function.pure and not function.needs_event


def _names(row: int, path: Path) -> Iterator[Finding]:
    first = path[0]
    if isinstance(first, Key):
        yield from _reserved(row, first.name, 1, in_expression=False)
    for segment in path:
        if (
            isinstance(segment, Key)
            and not re.search(r"[{(]", segment.name)
            and not IDENTIFIER.match(segment.name.replace(".", "_"))
        ):
            yield Finding(
                row, "source", "identifier_unwrapped", f"{segment.name!r} is not an identifier; AEP reads it only wrapped",
                "warning", fix=print_path(path),
            )  # fmt: skip
            return


def _reserved(row: int, name: str, position: int, *, in_expression: bool) -> Iterator[Finding]:
    if name in KEYWORDS:
        what = f"{name} is a reserved word of the language"
    elif name in FUNCTIONS:
        what = f"{name} is the name of a function, and so a reserved word"
    else:
        return
    strict = in_expression and name in KEYWORDS
    fix = print_key(name, reserved=frozenset({name}))
    yield Finding(row, "source", "reserved_word", what, "error" if strict else "warning", fix, position)


def _flows(row: int, name: str, position: int) -> Iterator[Finding]:
    function = FUNCTIONS.get(name)
    if function is None or function.availability == "all dataflows" or function.refused:
        return
    if function.availability == "deprecated":
        message = f"{name} is deprecated"
    else:
        message = f"AEP offers {name} only here: {function.availability}; the bridge evaluates it in every flow"
    fix = "contains_key" if name == "is_set" else None
    yield Finding(row, "source", "availability", message, "warning", fix, position)


def _first_name(path: Path | None) -> str:
    return path[0].name if path and isinstance(path[0], Key) else ""


def _required(prepared: Sequence[Prepared], names: Sequence[str]) -> Iterator[Finding]:
    written = {_first_name(one.target) for one in prepared}
    for name in names:
        if name not in written:
            near = nearest(name, [found for found in written if found])
            yield Finding(
                0, "destination", "required_missing", f"no row writes {name}, which every event needs",
                fix=f"is {near} meant to be {name}?" if near else None,
            )  # fmt: skip


def _unknown_sources(one: Prepared, samples: Sampled) -> Iterator[Finding]:
    for path, position in sources(one):
        if not samples.has(path):
            text = print_path(path)
            yield Finding(
                one.row.row, "source", "unknown_source", f"none of the sample events has {text}", "warning",
                nearest(text, samples.paths), position,
            )  # fmt: skip


def summary(findings: Sequence[Finding]) -> str:
    """``2 errors, 1 warning``."""
    counts = Counter(finding.severity for finding in findings)
    parts = [
        f"{count} {severity}{'s' if count != 1 else ''}"
        for severity, count in sorted(counts.items(), key=lambda one: one[0])
    ]
    return ", ".join(parts) or "no findings"


def position_text(finding: Finding) -> str:
    """Where a finding is, for a table."""
    return re.sub(r"^0$", "-", str(finding.row)) + (f":{finding.position}" if finding.position else "")
