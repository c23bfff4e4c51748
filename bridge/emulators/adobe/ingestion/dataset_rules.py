"""How a dataset behaves: what it keeps, when it makes batches, and which reading of undocumented behaviour it follows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What is kept, and how batches are made."""

    enabled: bool = True
    """Without it nothing happens after the 200."""
    batch_seconds: float = 2.0
    """Between two batches (about 900 at Adobe)."""
    queue_records: int = 50_000
    """Most records that wait for a batch; one more closes the batch immediately."""
    failed_records: int = 100_000
    """Failed lines of a dataset; the oldest failed batches go first."""
    batches: int = 20_000
    """Batches of a dataset that are listed."""
    retention_seconds: float = 7 * 86_400
    """How long failed batches stay."""


@dataclass(slots=True)
class Readings:
    """The readings of undocumented behaviour that concern batches."""

    form: str = "mixed"
    partial: str = "mixed"
    failed_status: str = "failed"
    compaction: bool = False
