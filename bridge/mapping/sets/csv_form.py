"""A header-tolerant CSV as rows of a mapping set.

Source: reference of Adobe Data Prep, "CSV import and export of mappings" (the header synonyms are that page's recommendation).
"""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any, Final

from bridge.mapping.sets.file_texts import NULLS, ON_INVALID, blank, normal_header, without_separator_line
from bridge.mapping.sets.findings import Finding
from bridge.mapping.sets.json_form import JSON_KEYS
from bridge.mapping.sets.row_cells import row_of
from bridge.mapping.values.spelling import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bridge.mapping.sets.mapping_set import MappingRow

_MAX_CELL: Final = 1_000_000

HEADERS: Final[Mapping[str, str]] = {
    "sourcetype": "source_type",
    "source": "source",
    "sourcefield": "source",
    "sourcefieldpath": "source",
    "sourceexpression": "source",
    "sourcedata": "source",
    "sourceattribute": "source",
    "destination": "destination",
    "target": "destination",
    "targetfield": "destination",
    "targetxdmfield": "destination",
    "targetxdmfieldpath": "destination",
    "xdmtargetfield": "destination",
    "xdmfield": "destination",
    "destinationxdmpath": "destination",
    "name": "name",
    "description": "description",
    "extra": "extra",
    "mappingset": "mapping_set",
}


def read_csv(text: str, findings: list[Finding]) -> tuple[list[MappingRow], dict[str, Any]]:
    """The rows, and the set's keys of the column ``mapping_set``; what is wrong is added to ``findings``."""
    header, records = _records(text, findings)
    columns = _columns(header, findings)
    extra: dict[str, Any] = {}
    rows: list[MappingRow] = []
    if any(finding.severity == "error" for finding in findings):
        return rows, extra
    for line, cells in records:
        # Spreadsheets write empty cells for columns that once held something.
        if any(not blank(cell) for cell in cells[len(columns) :]):
            findings.append(
                Finding(line, "file", "too_many_cells", f"{len(cells)} cells under {len(columns)} headers",
                        fix="put quotes around cells that hold commas, and double the quotes inside")
            )  # fmt: skip
            continue
        facts: dict[str, Any] = {}
        other: dict[str, Any] = {}
        for (known, header_text), cell in zip(columns, cells, strict=False):
            if known:
                facts[known] = cell
            elif cell:
                other[header_text] = cell
        other |= _json_cell(facts.pop("extra", ""), line, findings)
        extra |= _json_cell(facts.pop("mapping_set", ""), line, findings)
        row = row_of(line, facts, other, findings)
        if row is not None:
            rows.append(row)
    return rows, extra


def _json_cell(cell: str, line: int, findings: list[Finding]) -> dict[str, Any]:
    if not cell.strip():
        return {}
    try:
        value = json.loads(cell)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, dict):
        return value
    findings.append(Finding(line, "file", "extra_not_json", "the columns extra and mapping_set hold JSON objects"))
    return {}


def _records(text: str, findings: list[Finding]) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header and every record that is not blank, each with the line it begins on."""
    stated, text = without_separator_line(text)
    before = 0 if stated is None else 1
    delimiter = stated or _delimiter(text)
    header: list[str] = []
    records: list[tuple[int, list[str]]] = []
    csv.field_size_limit(_MAX_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1 + before
    try:
        for cells in reader:
            if any(not blank(cell) for cell in cells):
                if header:
                    records.append((line, cells))
                else:
                    header = cells
            line = reader.line_num + 1 + before
    except csv.Error as error:
        findings.append(Finding(line, "file", "not_csv", f"not CSV (RFC 4180): {error}"))
    return header, records


def _delimiter(text: str) -> str:
    first = next((line for line in text.splitlines() if line.strip()), "")
    known = {mark: sum(1 for cell in first.split(mark) if normal_header(cell) in HEADERS) for mark in (",", ";", "\t")}
    return max(known, key=lambda mark: known[mark])


def _columns(header: Sequence[str], findings: list[Finding]) -> list[tuple[str | None, str]]:
    columns: list[tuple[str | None, str]] = []
    seen: set[str] = set()
    for cell in header:
        known = HEADERS.get(normal_header(cell))
        if known in seen:
            findings.append(Finding(1, "file", "header_twice", f"two columns mean {known}"))
        if known:
            seen.add(known)
        if known is None and not blank(cell) and normal_header(cell) not in (ON_INVALID, NULLS):
            near = nearest(cell.strip(), (*JSON_KEYS, "source_type", "on_invalid", "nulls"))
            findings.append(
                Finding(1, "file", "column_unknown", f"the column {cell.strip()} means nothing here and is only kept",
                        "warning", fix=near)
            )  # fmt: skip
        columns.append((known, cell.strip() or f"column {len(columns) + 1}"))
    for needed in ("source", "destination"):
        if needed not in seen:
            near = nearest(needed, [cell for cell in header if HEADERS.get(normal_header(cell)) is None])
            findings.append(
                Finding(1, "file", "header_missing", f"the header has no column {needed}",
                        fix=f"rename {near} to {needed}" if near else "the first line names the columns:"
                        " source_type,source,destination,name,description")
            )  # fmt: skip
    return columns
