"""A mapped event explained row by row: what was read, what came of it, what went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bridge.mapping.compiler.expressions.evaluation import as_json, compile_expression
from bridge.mapping.compiler.output.output_values import follow
from bridge.mapping.sets.findings import MappingRefused
from bridge.mapping.syntax.paths import print_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.mapping.compiler.expressions.evaluation import Expression
    from bridge.mapping.compiler.mapping_compiler import CompiledMapping
    from bridge.mapping.compiler.preparation import Prepared


class Traced(NamedTuple):
    """One row on one event. ``read``: source path -> value. ``warning``: why the attribute is null.

    ``sent``: what stands at the destination of the event that goes out, None where nothing does or it is not known.
    """

    row: int
    source_type: str
    source: str
    destination: str
    read: dict[str, Any]
    result: Any
    warning: str | None
    sent: Any = None

    def as_json(self) -> dict[str, Any]:
        """For ``--json`` and tests."""
        return self._asdict()


class Tracer:
    """Explains events under one mapping set; expressions are compiled once."""

    def __init__(self, mapping: CompiledMapping) -> None:
        self._mapping = mapping
        self._rows = [(one, _expression(one)) for one in mapping.rows]

    def trace(self, event: dict[str, Any], sent: dict[str, Any] | None = None) -> Sequence[Traced]:
        """One entry a row, in the order of the file; ``sent``: the event as it goes out."""
        _, warnings = self._mapping.apply(event)
        reasons = {warning.row: warning.reason for warning in warnings}
        traced = [self._one(one, expression, event, reasons.get(one.row.row)) for one, expression in self._rows]
        if sent is None:
            return traced
        return [
            row if one.target is None else row._replace(sent=_shown(follow(sent, one.target)))
            for row, (one, _) in zip(traced, self._rows, strict=True)
        ]

    def _one(self, one: Prepared, expression: Expression | None, event: dict[str, Any], reason: str | None) -> Traced:
        read: dict[str, Any] = {}
        result: Any = None
        if one.row.source_type == "STATIC":
            result = one.source
        elif one.path is not None:
            result = _shown(follow(event, one.path))
            read = {print_path(one.path): result}
        elif expression is not None:
            read = {path: _shown(value) for path, value in expression.values_read(event).items()}
            result = expression.evaluate(event).value
        if reason is not None:
            result = None
        return Traced(one.row.row, one.row.source_type, one.source, one.destination, read, result, reason)


def _expression(one: Prepared) -> Expression | None:
    if one.node is None:
        return None
    try:
        return compile_expression(one.source)
    except MappingRefused:  # a mapping that compiled has none; a lambda's bare name could differ
        return None


def _shown(value: Any) -> Any:
    try:
        return as_json(value)
    except (TypeError, RecursionError):
        return None


class Change(NamedTuple):
    """One leaf of the output that differs between two mapping sets."""

    path: str
    this: Any
    other: Any


def differences(this: Any, other: Any, path: str = "") -> list[Change]:
    """Leaves that differ, depth first; None where a side has none."""
    if isinstance(this, dict) and isinstance(other, dict):
        keys = [*this, *(key for key in other if key not in this)]
        return [
            change
            for key in keys
            for change in differences(this.get(key), other.get(key), f"{path}.{key}" if path else str(key))
        ]
    if isinstance(this, list) and isinstance(other, list):
        longest = max(len(this), len(other))
        return [
            change
            for at in range(longest)
            for change in differences(
                this[at] if at < len(this) else None, other[at] if at < len(other) else None, f"{path}[{at}]"
            )
        ]
    same = type(this) is type(other) and this == other
    return [] if same else [Change(path, this, other)]
