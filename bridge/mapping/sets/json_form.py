"""The Data Prep API's JSON as rows of a mapping set.

Source: reference of Adobe Data Prep, "Mapping set JSON".
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, cast

from bridge.mapping.sets.findings import Column, Finding
from bridge.mapping.sets.row_cells import row_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.mapping.sets.mapping_set import MappingRow

JSON_KEYS: Final[Mapping[str, str]] = {
    "sourceType": "source_type",
    "source": "source",
    "sourceAttribute": "source",
    "sourceExpression": "source",
    "destination": "destination",
    "destinationXdmPath": "destination",
    "name": "name",
    "description": "description",
}


def read_json(text: str, findings: list[Finding]) -> tuple[list[MappingRow], dict[str, Any]]:
    """The rows, and the document's other keys; what is wrong is added to ``findings``."""
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
        findings.append(Finding(0, "file", "no_mappings", "a mapping set is an object with an array mappings"))
        return rows, {}
    for position, one in enumerate(mappings, start=1):
        if not isinstance(one, dict):
            findings.append(Finding(position, "file", "not_a_mapping", "a mapping is an object"))
            continue
        facts: dict[str, Any] = {}
        other: dict[str, Any] = {}
        for key, value in one.items():
            known = JSON_KEYS.get(key)
            if known is None or known in facts:
                other[key] = value
            elif value is None:
                continue
            elif isinstance(value, str):
                facts[known] = value
            else:
                column = cast("Column", known)
                findings.append(Finding(position, column, "not_text", f"{key} must be text"))
        row = row_of(position, facts, other, findings)
        if row is not None:
            rows.append(row)
    return rows, {key: value for key, value in document.items() if key != "mappings"}
