"""Mapping sets as files: a header-tolerant CSV and the Data Prep API's JSON, read into one model.

Sources: reference of Adobe Data Prep, "Mapping set JSON" and "CSV import and export of mappings" (header synonyms and the
inference of ``sourceType`` are that page's recommendation). Cells stay as they were written; nothing is evaluated here.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from bridge.mapping.sets.file_texts import (
    NULLS,
    ON_INVALID,
    Nulls,
    OnInvalid,
    blank,
    normal_header,
    nulls_of,
    on_invalid_of,
    says_nulls,
    says_on_invalid,
    visible,
    without_separator_line,
)
from bridge.mapping.sets.findings import Column, Finding, MappingRefused
from bridge.mapping.syntax.cells import SOURCE_TYPES, SourceType, infer_source_type, unquoted
from bridge.mapping.values.spelling import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = [
    "HEADERS",
    "MappingRow",
    "MappingSet",
    "load_mapping_set",
    "normal_header",
    "read_mapping_set",
    "rows_without_place",
]

MAX_FILE_BYTES: Final = 16_000_000
MAX_CELL: Final = 1_000_000

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
_TYPE_SPELLINGS: Final[Mapping[str, SourceType]] = {
    "ATTRIBUTE": "ATTRIBUTE",
    "TEXT/X.SCHEMA-PATH": "ATTRIBUTE",
    "EXPRESSION": "EXPRESSION",
    "TEXT/X.AEP-XL": "EXPRESSION",
    "STATIC": "STATIC",
    "TEXT/PLAIN": "STATIC",
}
_JSON_KEYS: Final[Mapping[str, str]] = {
    "sourceType": "source_type",
    "source": "source",
    "sourceAttribute": "source",
    "sourceExpression": "source",
    "destination": "destination",
    "destinationXdmPath": "destination",
    "name": "name",
    "description": "description",
}


@dataclass(frozen=True, slots=True)
class MappingRow:
    """One row. ``row``: line of the file (header = 1), in JSON the position in ``mappings`` (first = 1).

    ``source`` of a STATIC row is the literal text itself. ``extra`` keeps what this model has no field for.
    """

    row: int
    source_type: SourceType
    source: str
    destination: str
    name: str | None = None
    description: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def on_invalid(self) -> OnInvalid | None:
        """What a wrong value of this row's field costs, from the column ``on_invalid``; None where the row does not say."""
        return on_invalid_of(self.extra)

    @property
    def nulls(self) -> Nulls | None:
        """What a null of this row means to a destination of profiles, from the column ``nulls``; None where the row does not say."""
        return nulls_of(self.extra)


@dataclass(frozen=True, slots=True)
class MappingSet:
    """The rows of one file. ``sha256`` is that of the file's bytes; ``extra`` holds the JSON form's other keys.

    ``warnings``: what reading found that keeps nothing from running.
    """

    rows: tuple[MappingRow, ...]
    sha256: str
    path: Path | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[Finding, ...] = ()


def load_mapping_set(path: Path | str) -> MappingSet:
    """The mapping set in a CSV or JSON file. Raises ``MappingRefused`` (a ``MappingError``) with every finding."""
    where = Path(path)
    try:
        with where.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise MappingRefused([_file(f"cannot read {where}: {error.strerror or error}", "unreadable")]) from None
    return read_mapping_set(content, path=where)


def read_mapping_set(content: bytes, *, path: Path | None = None) -> MappingSet:
    """The same from bytes; JSON when it begins like JSON (or the name ends in ``.json``), else CSV."""
    if len(content) > MAX_FILE_BYTES:
        raise MappingRefused([_file(f"a mapping set has at most {MAX_FILE_BYTES} bytes", "too_large")])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        fix = "save it as UTF-8; a spreadsheet calls that CSV UTF-8"
        raise MappingRefused([Finding(line, "file", "not_utf8", "the file is not UTF-8", fix=fix)]) from None
    findings: list[Finding] = []
    is_json = text.lstrip()[:1] in ("{", "[") or (path is not None and path.suffix.lower() == ".json")
    rows, extra = _read_json(text, findings) if is_json else _read_csv(text, findings)
    if not rows and not any(finding.severity == "error" for finding in findings):
        findings.append(_file("the mapping set has no rows", "no_rows"))
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        raise MappingRefused(errors)
    return MappingSet(tuple(rows), hashlib.sha256(content).hexdigest(), path, extra, tuple(findings))


def _file(message: str, code: str) -> Finding:
    return Finding(0, "file", code, message)


def _read_csv(text: str, findings: list[Finding]) -> tuple[list[MappingRow], dict[str, Any]]:
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
        row = _row(line, facts, other, findings)
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
    csv.field_size_limit(MAX_CELL)
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
            near = nearest(cell.strip(), (*_JSON_KEYS, "source_type", "on_invalid", "nulls"))
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


def _read_json(text: str, findings: list[Finding]) -> tuple[list[MappingRow], dict[str, Any]]:
    rows: list[MappingRow] = []
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 0)
        findings.append(Finding(line, "file", "not_json", f"not JSON: {getattr(error, 'msg', 'nested too deeply')}"))
        return rows, {}
    if isinstance(document, list):
        document = {"mappings": document}
    mappings = document.get("mappings") if isinstance(document, dict) else None
    if not isinstance(mappings, list):
        findings.append(_file("a mapping set is an object with an array mappings", "no_mappings"))
        return rows, {}
    for position, one in enumerate(mappings, start=1):
        if not isinstance(one, dict):
            findings.append(Finding(position, "file", "not_a_mapping", "a mapping is an object"))
            continue
        facts: dict[str, Any] = {}
        other: dict[str, Any] = {}
        for key, value in one.items():
            known = _JSON_KEYS.get(key)
            if known is None or known in facts:
                other[key] = value
            elif value is None:
                continue
            elif isinstance(value, str):
                facts[known] = value
            else:
                column = cast("Column", known)
                findings.append(Finding(position, column, "not_text", f"{key} must be text"))
        row = _row(position, facts, other, findings)
        if row is not None:
            rows.append(row)
    return rows, {key: value for key, value in document.items() if key != "mappings"}


def _row(line: int, facts: dict[str, str], extra: dict[str, Any], findings: list[Finding]) -> MappingRow | None:
    before = len(findings)
    source = facts.get("source", "")
    destination = visible(facts.get("destination", "")).strip()
    written = facts.get("source_type", "").strip()
    source_type = _TYPE_SPELLINGS.get(written.upper().replace(" ", ""))
    if written and source_type is None:
        near = nearest(written.upper(), SOURCE_TYPES)
        findings.append(
            Finding(line, "source_type", "source_type_unknown",
                    f"{written!r} is none of ATTRIBUTE, EXPRESSION, STATIC", fix=near)
        )  # fmt: skip
    if source_type != "STATIC":
        source = visible(source)
    if says_on_invalid(extra) and on_invalid_of(extra) is None:
        findings.append(Finding(line, "file", "on_invalid_unknown", "on_invalid is drop or reject", fix="drop"))
    if says_nulls(extra) and nulls_of(extra) is None:
        findings.append(Finding(line, "file", "nulls_unknown", "nulls is skip, clear or unset", fix="skip"))
    if not source.strip() and source_type != "STATIC":
        findings.append(Finding(line, "source", "source_empty", "the source is empty"))
    if not destination:
        findings.append(Finding(line, "destination", "destination_empty", "the destination is empty"))
    if len(findings) > before:
        return None
    if source_type is None:
        source_type = infer_source_type(source)
        if source_type == "STATIC":
            source = unquoted(source)
    if source_type != "STATIC":
        source = source.strip()
    return MappingRow(
        line, source_type, source, destination, facts.get("name") or None, facts.get("description") or None, extra
    )


def rows_without_place(mapping_set: MappingSet) -> Iterator[tuple[Any, ...]]:
    """Each row as a tuple without its line, to compare two files that hold the same set."""
    for row in mapping_set.rows:
        yield (row.source_type, row.source, row.destination, row.name, row.description, dict(row.extra))
