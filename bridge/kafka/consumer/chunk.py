"""A run of records of one partition, from fetch to acknowledgement, and what may be read of its records."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.model.day_counts import ChunkCounts

Partition = tuple[str, int]
"""Topic and partition; Faust's and aiokafka's own pairs compare equal to it."""


class Fetched(Protocol):
    """What may be read of a fetched record: what the Kafka client's several kinds have in common.

    Its topic and partition are the chunk's. ``timestamp`` is in milliseconds since 1970.
    """

    @property
    def key(self) -> bytes | None:
        """As it was sent."""

    @property
    def value(self) -> bytes | None:
        """As it was sent; None is a tombstone."""

    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]:
        """As they were sent."""

    @property
    def offset(self) -> int:
        """Its place in the partition."""

    @property
    def timestamp(self) -> int:
        """When it was sent, or stored."""


@dataclass(slots=True, eq=False)
class Chunk:
    """A run of records of one partition, from fetch to acknowledgement.

    It accounts for the offsets from ``since`` to before ``upto``, of which the records have some. ``anew``: the number of the log
    that begins with it, as what was read of the partition before is not stored any more; else 0. ``unreadable``: why its only record could not be read, else empty.
    ``unresolved`` counts events that still need a verdict; until the records are decoded it holds the number of records.
    The intake fills ``places`` (for each encoded event, where in the records it came from) and ``mapping``, the sha256 of
    the mapping set that its events were mapped with, None where none was: by the time of a refusal another may be in use;
    ``counts`` has its events by day and what becomes of them. Where a route remembers what was accepted, ``unfinished`` tells for each
    encoded event what waits for its verdict.
    ``oldest`` is the Kafka timestamp of its oldest record, ``fetched`` when it came, on the ledger's monotonic clock.
    """

    partition: Partition
    generation: int
    first: int
    last: int
    records: Sequence[Fetched]
    weight: int
    timestamp: float
    unresolved: int
    since: int
    upto: int
    anew: int
    unreadable: str
    oldest: float
    fetched: float
    admitted: bool = False
    closed: bool = False
    places: list[int] = field(default_factory=list)
    unfinished: Sequence[Any] = ()
    mapping: str | None = None
    counts: ChunkCounts | None = None
