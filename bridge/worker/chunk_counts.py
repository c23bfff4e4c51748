"""A chunk's events by the day on which their records were appended, and what becomes of them: what reconciliation adds up. Pure but for today's date."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bridge.model.day_counts import DAY_MS, ChunkCounts
from bridge.model.verdicts import Stage
from bridge.worker.event_places import PART_BITS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.kafka.consumer.chunk import Chunk
    from bridge.model.verdicts import Rejected
    from bridge.worker.accepted_state.shelf import Unfinished


def day_of(chunk: Chunk, place: int) -> int:
    """The UTC day, as a number, on which the record of an event was appended."""
    return chunk.records[place >> PART_BITS].timestamp // DAY_MS


def counts_of(
    chunk: Chunk,
    refused: Sequence[tuple[int, Rejected, Unfinished | None]],
    left_out: Sequence[tuple[int, str]],
    *,
    several: bool,
) -> ChunkCounts:
    """The chunk's events by day; nearly always all are of one, and then nothing is looked at by event.

    ``several``: an event may have several places.
    """
    counts = ChunkCounts()
    times = [record.timestamp for record in chunk.records]
    first, last = min(times) // DAY_MS, max(times) // DAY_MS
    if first == last and not several:
        counts.of(first).delivered = len(chunk.places) + len(refused)
    else:
        for place in {*chunk.places, *(place for place, *_ in refused)}:
            counts.of(day_of(chunk, place)).delivered += 1
    for place, rejected, _ in refused:
        counts.refuse(place, day_of(chunk, place), rejected.stage)
    for place, rule in left_out:
        counts.of(day_of(chunk, place)).left_out[rule] += 1
    return counts


def counts_of_unreadable(chunk: Chunk) -> ChunkCounts:
    """One dead letter, on the day of what cannot be read."""
    counts = ChunkCounts()
    # What cannot be read has no time of its own, as a rule: then the day on which it was set aside counts.
    day = chunk.records[0].timestamp // DAY_MS if chunk.records[0].timestamp > 0 else int(time.time() * 1000) // DAY_MS
    counts.of(day).dead[str(Stage.DECODE)] += 1
    return counts
