"""Reads what the client cannot, and sets aside what nobody can: from the stored bytes, after a few tries of the client's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from aiokafka.errors import KafkaError

from bridge.kafka.consumer.client.batch_runs import read_behind, read_on
from bridge.kafka.consumer.client.given_before import given_before
from bridge.kafka.consumer.client.kafka_client import PolledRecords
from bridge.kafka.consumer.client.kept_records import KeptRecords, pieces_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from bridge.kafka.consumer.chunk import Partition
    from bridge.kafka.consumer.client.kafka_client import KafkaClient
    from bridge.kafka.consumer.client.offset_account import OffsetAccount
    from bridge.kafka.consumer.client.stored_batch import StoredBatch
    from bridge.kafka.consumer.client.unread_places import UnreadPlaces

_log = structlog.get_logger(__name__)
_READ_ON = 10_000
"""About how many records are read behind a batch whose length is damaged."""


class DamageReading:
    """What is read goes to ``kept``. ``number`` gives the assignment's number: what is asked across a change of it is forgotten."""

    def __init__(
        self,
        client: KafkaClient,
        number: Callable[[], int],
        account: OffsetAccount,
        places: UnreadPlaces,
        kept: KeptRecords,
    ) -> None:
        self._client = client
        self._number = number
        self._account = account
        self._places = places
        self._kept = kept

    async def look_into(self, partitions: Collection[Partition]) -> None:
        """Read what the client cannot, record by record."""
        for place in self._places.to_look_into(partitions):
            try:
                raw = await self._client.raw(place.partition, place.offset)
            except KafkaError:
                continue  # asked again after the next try
            # Meanwhile another assignment may have begun, or the log may have been made again.
            if self._places.all().get(place.partition) is not place:
                continue
            found = read_on(raw, place.offset, most=_READ_ON)
            if found is not None:
                self._keep_pieces(place.partition, place.offset, found)

    async def look_behind_what_is_found(self) -> None:
        """What a broker does not find, as the length of a batch is damaged, it gives along with what lies before it."""
        number = self._number()
        for place in self._places.silent():
            partition, offset = place.partition, place.offset
            raw = await given_before(self._client, partition, offset, lambda: self._number() == number)
            if number != self._number():
                return
            expected = self._account.next.get(partition)
            if partition in self._kept.by_partition or not expected == offset == self._client.position(partition):
                continue
            found = read_behind(raw, offset, most=_READ_ON)
            if found is not None:
                self._keep_pieces(partition, offset, found)

    def _keep_pieces(self, partition: Partition, offset: int, found: StoredBatch) -> None:
        if found.mended:
            _log.warning(
                "batch_mended",
                detail="The stored length or version of a batch is damaged; its checksum has shown which is right, and it is read.",
                topic=partition[0],
                partition=partition[1],
                first=offset,
                last=found.end - 1,
            )
        for rows in pieces_of(found.records):
            end = rows[-1].last + 1
            if rows[0].unreadable:
                _log.error(
                    "unreadable_records_set_aside",
                    detail="What cannot be read becomes a dead letter, and reading goes on after it.",
                    topic=partition[0],
                    partition=partition[1],
                    first=rows[0].offset,
                    last=rows[0].last,
                    why=rows[0].unreadable,
                )
            self._kept.add(partition, PolledRecords(rows, offset, end, unreadable=rows[0].unreadable))
            offset = end
        if offset < found.end:
            self._kept.add(partition, PolledRecords((), offset, found.end))
        self._account.next[partition] = found.end
        self._places.passed(partition, found.end)
