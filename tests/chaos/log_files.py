"""Record batches in the files of a broker's log (KIP-98, format 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_HEAD = 61
"""Bytes before the records of a batch."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A record batch in a log file: where it begins, its length, and its first and last offset."""

    position: int
    length: int
    first: int
    last: int


def batches(path: Path, start: int = 0) -> list[Batch]:
    """Batches of a log file that begin at ``start`` bytes or later."""
    data, position, found = path.read_bytes(), 0, []
    while position + _HEAD <= len(data):
        length = 12 + int.from_bytes(data[position + 8 : position + 12], "big")
        if length <= _HEAD or position + length > len(data):
            break
        first = int.from_bytes(data[position : position + 8], "big")
        if position >= start:
            delta = int.from_bytes(data[position + 23 : position + 27], "big")
            found.append(Batch(position, length, first, first + delta))
        position += length
    return found


def flip(path: Path, batch: Batch) -> Batch:
    """Turn over the last byte of the batch; a second time mends it."""
    with path.open("r+b") as file:
        file.seek(batch.position + batch.length - 1)
        byte = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte[0] ^ 0xFF]))
    return batch
