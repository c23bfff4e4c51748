"""Where in a chunk an event came from, as one integer: row of its record, and number within it."""

from __future__ import annotations

from typing import Final

PART_BITS: Final = 24
"""An event's place is its record's row and, from 1 on, its number within a batch; 16 million events a record will do."""


def place(row: int, part: int | None) -> int:
    """Row of a record and number of an event in it (None: the record is one event) as one integer."""
    return row << PART_BITS | (0 if part is None else part + 1)


def row_and_part(place: int) -> tuple[int, int | None]:
    """Undo :func:`place`."""
    part = place & (1 << PART_BITS) - 1
    return place >> PART_BITS, part - 1 if part else None
