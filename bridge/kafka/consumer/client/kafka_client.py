"""The port: what fetching and committing need of a Kafka consumer client.

:class:`~bridge.kafka.consumer.client.aiokafka_client.AiokafkaClient` fills it in a worker; a simulation fills it as well, and runs
the same fetching above it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from bridge.kafka.consumer.chunk import Fetched, Partition
    from bridge.model.day_counts import NotedOffset


class Offsets(NamedTuple):
    """Where a partition stands. ``end`` is the last stable offset: what lies behind it belongs to open transactions.

    ``position`` is the next offset that the client reads, None while it does not know; ``watermark`` the end of what is
    stored, open transactions included, None until the client has received something. ``waiting`` counts the offsets from the
    committed one to ``end`` that were not deleted unread, None while that is not known.
    """

    first: int
    committed: int | None
    end: int
    position: int | None
    watermark: int | None = None
    waiting: int | None = None


@dataclass(frozen=True, slots=True)
class PolledRecords:
    """Records of one partition, and which offsets they account for: all from ``start`` to before ``end``.

    Offsets without a record (compaction, transaction markers, aborted records) are accounted for as well. ``error`` says what
    keeps the client from reading on at ``end``; ``damaged`` whether it is the stored data that cannot be parsed. ``unreadable``:
    its only row stands for what could not be read, for that reason. ``gaps``: offsets from … to before … that are not stored any more.
    """

    rows: Sequence[Fetched]
    start: int
    end: int
    error: BaseException | None = None
    damaged: bool = False
    unreadable: str = ""
    gaps: Sequence[tuple[int, int]] = ()


class KafkaClient(Protocol):
    """A consumer that is a member of the group. It is called in its own loop only."""

    def holds(self) -> Collection[Partition]:
        """Partitions with fetched records that nobody has polled, the oldest first; raises ``ConsumerStoppedError`` when it has ended."""
        ...

    def poll(self, partition: Partition, most: int) -> PolledRecords | None:
        """Take at most ``most`` fetched records of this partition; None where none are here.

        What cannot be read is reported in the value. After an exception it is unknown how far the client has moved.
        """
        ...

    async def arrival(self, seconds: float) -> None:
        """Wait until something new has come, ``seconds`` at most; raises what the group's coordinator has reported."""
        ...

    def be_patient(self, *, patient: bool) -> None:
        """Set how long brokers without data may hold the next fetch: as configured, or briefly."""
        ...

    def touch(self) -> None:
        """Note that the consumer is alive, or the client would leave the group."""
        ...

    def position(self, partition: Partition) -> int | None:
        """The next offset to poll; None while the client does not know it, or the partition is not assigned."""
        ...

    def seek(self, partition: Partition, offset: int) -> None:
        """Read on at this offset; what is held of the partition is dropped."""
        ...

    def pause(self, partition: Partition) -> None:
        """Fetch nothing of this partition until resumed."""
        ...

    def resume(self, partition: Partition) -> None:
        """Fetch this partition again."""
        ...

    async def commit(self, offsets: Mapping[Partition, int], notes: Mapping[Partition, str]) -> None:
        """Store the group's offsets, with a note where there is one; raises ``aiokafka.errors.KafkaError`` where that failed."""
        ...

    async def noted(self, partitions: Collection[Partition]) -> dict[Partition, NotedOffset | None]:
        """Offsets and notes that the group has stored, in one request."""
        ...

    async def beat(self) -> bool:
        """Ask the group now whether it counts this consumer in; False also when it does not answer."""
        ...

    async def committed(self, partitions: Collection[Partition]) -> dict[Partition, int | None]:
        """Offsets that the group has stored, in one request."""
        ...

    async def first_offsets(self, partitions: Collection[Partition]) -> dict[Partition, int]:
        """The first offset that is still there, by partition."""
        ...

    async def offsets(self, partitions: Collection[Partition]) -> dict[Partition, Offsets]:
        """Where these partitions stand, in three requests, whatever their number."""
        ...

    async def raw(self, partition: Partition, offset: int) -> bytes:
        """The stored batches from the one with this offset on, as the broker gives them; an error of Kafka's otherwise."""
        ...

    def topic_partitions(self, topic: str) -> int | None:
        """Partitions of the topic, None while it is not known to exist."""
        ...

    async def topic_identity(self, topic: str) -> bytes | None:
        """What distinguishes the topic from a later one of the same name; ``ABSENT`` where it is gone, None while that is not known."""
        ...

    def refresh(self) -> None:
        """Ask for the cluster's metadata soon: topics may have come or gone."""
        ...
