"""Records that are out of the client's hands before anybody has asked for them: read of a damaged batch, or saved before they are deleted. Pure."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from bridge.kafka.consumer.client.kafka_client import PolledRecords

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bridge.kafka.consumer.chunk import Partition
    from bridge.kafka.consumer.client.stored_batch import StoredRecord


class KeptRecords:
    """``by_partition``: what is kept, in the order of its offsets; a partition is there while something of it is."""

    def __init__(self) -> None:
        self.by_partition: dict[Partition, deque[PolledRecords]] = {}

    def add(self, partition: Partition, taken: PolledRecords) -> None:
        """Keep these records behind what is kept of the partition."""
        self.by_partition.setdefault(partition, deque()).append(taken)

    def give(self, partition: Partition, most: int) -> PolledRecords:
        """The first ``most`` records of a partition of which something is kept, or fewer; they are kept no longer."""
        kept = self.by_partition[partition]
        found = kept.popleft()
        if len(found.rows) > most:
            cut = found.rows[most].offset
            kept.appendleft(PolledRecords(found.rows[most:], cut, found.end))
            found = PolledRecords(found.rows[:most], found.start, cut)
        if not kept:
            del self.by_partition[partition]
        return found

    def clear(self) -> None:
        """Forget all of it: the assignment is over."""
        self.by_partition.clear()


def pieces_of(records: Iterable[StoredRecord]) -> Iterable[list[StoredRecord]]:
    """Runs of sound records, and each that is not by itself."""
    run: list[StoredRecord] = []
    for record in records:
        if record.unreadable:
            if run:
                yield run
            yield [record]
            run = []
        else:
            run.append(record)
    if run:
        yield run
