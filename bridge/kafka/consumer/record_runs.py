"""What is fetched of a partition, cut into runs of bounded number and size: each becomes a chunk. Pure."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bridge.kafka.consumer.chunk import Fetched

MAX_RECORDS = 500
MAX_BYTES = 1_000_000
RECORD_BYTES = 100
"""What a record takes in memory beside key and value, roughly."""


def record_runs(rows: Sequence[Fetched]) -> Iterable[tuple[Sequence[Fetched], int]]:
    """The records in runs of bounded number and size, each with its size in bytes."""
    for start in range(0, len(rows), MAX_RECORDS):
        run = rows[start : start + MAX_RECORDS]
        sizes = [len(row.value or b"") + len(row.key or b"") + RECORD_BYTES for row in run]
        while (weight := sum(sizes)) > MAX_BYTES and len(run) > 1:
            fitting = max(1, bisect_right(list(accumulate(sizes)), MAX_BYTES))
            yield run[:fitting], sum(sizes[:fitting])
            run, sizes = run[fitting:], sizes[fitting:]
        yield run, weight
