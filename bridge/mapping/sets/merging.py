"""Rows of one mapping set added to another: what stands in the first stays as it is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bridge.mapping.syntax.cells import fill

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.mapping.sets.mapping_set import MappingSet


def merged(here: MappingSet, more: MappingSet, placeholders: Mapping[str, str]) -> MappingSet:
    """``here`` with those rows of ``more`` appended that write neither what it writes nor above or below that."""
    written = [fill(row.destination, placeholders)[0] for row in here.rows]
    last = max((row.row for row in here.rows), default=1)
    added = []
    for row in more.rows:
        place = fill(row.destination, placeholders)[0]
        if any(_same_or_within(place, other) or _same_or_within(other, place) for other in written):
            continue
        last += 1
        added.append(replace(row, row=last))
    return replace(here, rows=(*here.rows, *added))


def _same_or_within(path: str, above: str) -> bool:
    return path == above or path.startswith((above + ".", above + "["))
