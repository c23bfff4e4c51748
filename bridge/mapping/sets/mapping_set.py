"""A mapping set and its rows, whatever file they came from; cells stay as they were written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bridge.mapping.sets.file_texts import Nulls, OnInvalid, nulls_of, on_invalid_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from bridge.mapping.sets.findings import Finding
    from bridge.mapping.syntax.cells import SourceType


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


def rows_without_place(mapping_set: MappingSet) -> Iterator[tuple[Any, ...]]:
    """Each row as a tuple without its line, to compare two files that hold the same set."""
    for row in mapping_set.rows:
        yield (row.source_type, row.source, row.destination, row.name, row.description, dict(row.extra))
