"""Rows of a mapping set made ready: placeholders filled in, paths and expressions parsed, problems collected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bridge.mapping.sets.findings import Finding
from bridge.mapping.syntax.cells import fill
from bridge.mapping.syntax.explaining import ExpressionProblem
from bridge.mapping.syntax.parser import parse_expression
from bridge.mapping.syntax.paths import Key, Path, PathProblem, parse_path
from bridge.mapping.values.spelling import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bridge.mapping.sets.findings import Column
    from bridge.mapping.sets.mapping_set import MappingRow, MappingSet
    from bridge.mapping.syntax.nodes import Node


@dataclass(frozen=True, slots=True)
class Prepared:
    """One row with placeholders filled in and everything parsed; a row with findings has no ``node`` or no ``target``."""

    row: MappingRow
    source: str
    destination: str
    node: Node | None
    path: Path | None
    target: Path | None


def known_placeholders(tenant: str, primary_identity: str, placeholders: Mapping[str, str]) -> dict[str, str]:
    """Every ``{name}`` that a mapping set may use."""
    return {**placeholders, "tenant": tenant, "primary_identity": primary_identity}


def prepare(mapping_set: MappingSet, placeholders: Mapping[str, str]) -> tuple[list[Prepared], list[Finding]]:
    """Every row parsed, and what is wrong in them."""
    findings: list[Finding] = list(mapping_set.warnings)
    return [_prepare(row, placeholders, findings) for row in mapping_set.rows], findings


def _prepare(row: MappingRow, placeholders: Mapping[str, str], findings: list[Finding]) -> Prepared:
    source, unknown_in_source = fill(row.source, placeholders)
    destination, unknown = fill(row.destination, placeholders)
    if row.source_type != "STATIC":
        findings += _unknown(row, "source", unknown_in_source, placeholders)
    findings += _unknown(row, "destination", unknown, placeholders)
    node: Node | None = None
    path: Path | None = None
    target: Path | None = None
    if row.source_type == "ATTRIBUTE":
        path = _path(row, "source", source, "syntax", findings)
    elif row.source_type == "EXPRESSION" and not unknown_in_source:
        try:
            node = parse_expression(source)
        except ExpressionProblem as problem:
            findings.append(
                Finding(row.row, "source", "syntax", problem.message, fix=problem.fix, position=problem.position)
            )
    if not unknown:
        target = _path(row, "destination", destination, "destination_syntax", findings)
        # Only in the event can a name with dots be looked for; a destination is that name.
        target = target and tuple(Key(step.name) if isinstance(step, Key) else step for step in target)
    return Prepared(row, source, destination, node, path, target)


def _path(row: MappingRow, column: Column, text: str, code: str, findings: list[Finding]) -> Path | None:
    try:
        path = parse_path(text)
    except PathProblem as problem:
        findings.append(Finding(row.row, column, code, str(problem), position=problem.position))
        return None
    if isinstance(path[0], Key):
        return path
    findings.append(Finding(row.row, column, code, "a path begins with a name", position=1))
    return None


def _unknown(row: MappingRow, column: Column, names: Sequence[str], known: Mapping[str, str]) -> list[Finding]:
    return [
        Finding(
            row.row,
            column,
            "placeholder_unknown",
            f"no placeholder {{{name}}} is set",
            fix=nearest(name, known) or "set it in BRIDGE_MAPPING__PLACEHOLDERS",
        )
        for name in names
    ]
