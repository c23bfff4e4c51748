"""Mapping sets written as CSV or as the Data Prep API's JSON; what one form holds, the other brings back.

A CSV has the columns ``source_type,source,destination,name,description``, one more for each extra text that every reader
may see, a column ``extra`` with a JSON object for values that are no plain text, and, when the set itself carries more than
rows (schema references, id), a column ``mapping_set`` whose first cell holds that as a JSON object.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from bridge.mapping.sets.csv_form import HEADERS
from bridge.mapping.sets.file_texts import normal_header
from bridge.mapping.syntax.cells import fill

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.mapping.sets.mapping_set import MappingRow, MappingSet

_COLUMNS: Final = ("source_type", "source", "destination", "name", "description")


def filled(mapping_set: MappingSet, placeholders: Mapping[str, str]) -> MappingSet:
    """The set with the placeholders filled in that are given; others stay."""
    if not placeholders:
        return mapping_set
    rows = [
        replace(
            row,
            source=fill(row.source, placeholders)[0],
            destination=fill(row.destination, placeholders)[0],
        )
        for row in mapping_set.rows
    ]
    return replace(mapping_set, rows=tuple(rows))


def to_json(mapping_set: MappingSet) -> str:
    """The set as the Data Prep API's JSON, ending in a line break."""
    mappings = []
    for row in mapping_set.rows:
        one: dict[str, Any] = {
            "sourceType": row.source_type,
            "source": row.source,
            "destination": row.destination,
        }
        if row.name:
            one["name"] = row.name
        if row.description:
            one["description"] = row.description
        mappings.append(one | {key: value for key, value in row.extra.items() if key not in one})
    return json.dumps({**mapping_set.extra, "mappings": mappings}, ensure_ascii=False, indent=2) + "\n"


def to_csv(mapping_set: MappingSet) -> str:
    """The set as CSV (RFC 4180, lines end in LF)."""
    plain = [_plain_extra(row) for row in mapping_set.rows]
    names = list(dict.fromkeys(name for one in plain for name in one))
    rest = [
        {key: value for key, value in row.extra.items() if key not in one}
        for row, one in zip(mapping_set.rows, plain, strict=True)
    ]
    header = [*_COLUMNS, *names]
    header += ["extra"] if any(rest) else []
    header += ["mapping_set"] if mapping_set.extra else []
    lines = [_line(header)]
    for position, row in enumerate(mapping_set.rows):
        cells = [row.source_type, row.source, row.destination, row.name or "", row.description or ""]
        cells += [plain[position].get(name, "") for name in names]
        if any(rest):
            cells.append(_json(rest[position]) if rest[position] else "")
        if mapping_set.extra:
            cells.append(_json(dict(mapping_set.extra)) if position == 0 else "")
        lines.append(_line(cells))
    return "".join(lines)


def _line(cells: list[str]) -> str:
    # A writer quotes only the line breaks it writes itself; asked for CR LF it quotes both, wherever they stand.
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(cells)
    return out.getvalue()[:-2] + "\n"


def _plain_extra(row: MappingRow) -> dict[str, str]:
    """Extras that fit a column of their own: text under a header no reader takes for another column."""
    return {
        key: value
        for key, value in row.extra.items()
        if isinstance(value, str) and value and key == key.strip() and key and normal_header(key) not in HEADERS
    }


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
