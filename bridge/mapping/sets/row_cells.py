"""One row of a mapping set from its cells or keys: checked by itself, its source type inferred where it is not stated.

Source: reference of Adobe Data Prep, "CSV import and export of mappings" (the inference of ``sourceType`` is that page's recommendation).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bridge.mapping.sets.file_texts import nulls_of, on_invalid_of, says_nulls, says_on_invalid, visible
from bridge.mapping.sets.findings import Finding
from bridge.mapping.sets.mapping_set import MappingRow
from bridge.mapping.syntax.cells import SOURCE_TYPES, SourceType, infer_source_type, unquoted
from bridge.mapping.values.spelling import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

_TYPE_SPELLINGS: Final[Mapping[str, SourceType]] = {
    "ATTRIBUTE": "ATTRIBUTE",
    "TEXT/X.SCHEMA-PATH": "ATTRIBUTE",
    "EXPRESSION": "EXPRESSION",
    "TEXT/X.AEP-XL": "EXPRESSION",
    "STATIC": "STATIC",
    "TEXT/PLAIN": "STATIC",
}


def row_of(line: int, facts: dict[str, str], extra: dict[str, Any], findings: list[Finding]) -> MappingRow | None:
    """The row; None, with findings, where it cannot be one. ``facts``: what is known, by field; ``extra``: the rest."""
    before = len(findings)
    source = facts.get("source", "")
    destination = visible(facts.get("destination", "")).strip()
    written = facts.get("source_type", "").strip()
    source_type = _TYPE_SPELLINGS.get(written.upper().replace(" ", ""))
    if written and source_type is None:
        near = nearest(written.upper(), SOURCE_TYPES)
        findings.append(
            Finding(line, "source_type", "source_type_unknown",
                    f"{written!r} is not one of ATTRIBUTE, EXPRESSION, STATIC", fix=near)
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
