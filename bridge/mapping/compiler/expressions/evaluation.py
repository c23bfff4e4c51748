"""One expression, compiled and tried on an event: what ``mapping eval`` and the row table of ``mapping preview`` show."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bridge.mapping.compiler.attribute_warnings import reason_of
from bridge.mapping.compiler.expressions.reads import Reads
from bridge.mapping.compiler.expressions.translation import ExpressionCompiler
from bridge.mapping.compiler.output.output_values import every, follow
from bridge.mapping.sets.findings import Finding, MappingRefused
from bridge.mapping.syntax.explaining import ExpressionProblem
from bridge.mapping.syntax.nodes import PathRef, walk
from bridge.mapping.syntax.parser import parse_expression
from bridge.mapping.syntax.paths import print_path
from bridge.mapping.values import pycode as py
from bridge.mapping.values.arithmetic import LONG_MAX, LONG_MIN
from bridge.mapping.values.dates.conversion import iso

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.mapping.syntax.nodes import Node


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The value as JSON holds it (dates as ISO 8601 text), or None with the ``reason`` why there is none."""

    value: Any
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression."""

    node: Node
    function: Callable[[dict[str, Any]], Any]

    def evaluate(self, event: dict[str, Any]) -> Evaluated:
        """The value for ``event``; never raises for an event, whatever JSON it holds."""
        try:
            return Evaluated(as_json(self.function(event if event.__class__ is dict else {})))
        except Exception as error:  # noqa: BLE001 - the same rule as in a mapping: null and a reason
            return Evaluated(None, reason_of(error))

    def values_read(self, event: dict[str, Any]) -> dict[str, Any]:
        """Each path of the expression and what the event holds there."""
        paths = {node.path for node in walk(self.node) if isinstance(node, PathRef)}
        return {print_path(path): follow(event, path) for path in sorted(paths, key=print_path)}


def compile_expression(text: str) -> Expression:
    """The expression ``text``. Raises ``MappingRefused`` with every finding (row 1, column source)."""
    try:
        node = parse_expression(text)
    except ExpressionProblem as problem:
        found = Finding(1, "source", "syntax", problem.message, fix=problem.fix, position=problem.position)
        raise MappingRefused([found], what="expression") from None
    names: dict[str, Any] = {"dict": dict, "list": list, "str": str, "len": len, "every": every}
    reads = Reads(names)
    compiler = ExpressionCompiler(names, reads)
    compiled = compiler.expression(node)
    errors = [problem for problem in compiler.problems if problem.severity == "error"]
    if errors:
        raise MappingRefused(
            [Finding(1, "source", one.code, one.message, fix=one.fix, position=one.position) for one in errors],
            what="expression",
        )
    body = [*reads.statements(), py.give(compiler.code(compiled))]
    tree = py.function_tree("evaluate", ("event",), body)
    try:
        return Expression(node, py.load(tree, "evaluate", names))
    except (RecursionError, MemoryError):
        found = Finding(1, "source", "syntax", "the expression is nested too deeply")
        raise MappingRefused([found], what="expression") from None


def as_json(value: Any) -> Any:
    """``value`` with dates as ISO 8601 text and numbers that JSON can hold; nothing is pruned."""
    kind = value.__class__
    if kind is str or kind is bool or value is None:
        return value
    if kind is int:
        return value if LONG_MIN <= value <= LONG_MAX else str(value)
    if kind is float:
        return value if math.isfinite(value) else None
    if kind is dict:
        return {str(key): as_json(one) for key, one in value.items()}
    if kind is list or kind is tuple:
        return [as_json(one) for one in value]
    if isinstance(value, datetime):
        return iso(value)
    raise TypeError(kind.__name__)
