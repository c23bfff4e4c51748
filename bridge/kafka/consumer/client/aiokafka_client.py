"""aiokafka's consumer as a :class:`~bridge.kafka.consumer.client.kafka_client.KafkaClient`.

It polls one partition at a time: else a record that cannot be parsed would cost the records of the other partitions.
"""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import TYPE_CHECKING, Any

from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.errors import (
    ConsumerStoppedError,
    KafkaError,
    RecordTooLargeError,
    StaleMetadata,
    UnsupportedCodecError,
    for_code,
)
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.structs import OffsetAndMetadata

from bridge.kafka.aiokafka_internals import (
    ConsumerInternals,
    batch_end_of,
    error_of,
    gaps_of,
    moved_on,
    rows_of,
    set_isolation,
    unread_of,
)
from bridge.kafka.batches.batches_in_place import BatchesInPlace
from bridge.kafka.consumer.client.kafka_client import Offsets, PolledRecords
from bridge.kafka.topic_identity import ABSENT, topic_identity
from bridge.model.day_counts import NotedOffset

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from bridge.kafka.consumer.chunk import Partition

ISOLATION = "read_committed"
_MAX_EMPTY_FETCH_MS = 50
"""Milliseconds; the longest a broker may hold an empty fetch while other partitions have data: it answers no other meanwhile."""
_RAW_WAIT_MS = 0
"""Milliseconds. What is stored is answered at once, and waiting would only bring later records."""


def read_committed(consumer: Any) -> None:
    """Have a consumer that is not started yet pass over aborted and open transactions."""
    set_isolation(consumer, ISOLATION)


class AiokafkaClient:
    """The port over a started ``AIOKafkaConsumer``."""

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer
        self._inside = ConsumerInternals(consumer)
        self._patience_ms = self._inside.wait_ms
        self._batch_ends: dict[Partition, int] = {}
        """Offsets at which certainly no batch is under way: one has just been read to its end there."""

    @property
    def reads_committed(self) -> bool:
        """Whether it passes over aborted and open transactions."""
        return self._inside.reads_committed

    def holds(self) -> Collection[Partition]:
        """See :class:`KafkaClient`."""
        inside = self._inside
        if inside.closed:
            raise ConsumerStoppedError
        if inside.fetch_task.done():
            inside.fetch_task.result()
            raise RuntimeError("the client's fetcher has ended")
        # Between two assignments what is here may be another member's already.
        if self._subscriptions.reassignment_in_progress:
            return ()
        return list(inside.held)

    def poll(self, partition: Partition, most: int) -> PolledRecords | None:
        """See :class:`KafkaClient`."""
        tp = TopicPartition(*partition)
        held = self._inside.held.get(tp)
        if held is None:
            return None
        if type(held) is not FetchResult:
            return self._refused(tp, error_of(held))
        if not held.check_assignment(tp) or not held.has_more():
            self._inside.drop(tp)
            return None
        state = self._state(partition)
        ends, begins = () if state is None else (state.lso, state.highwater), self._batch_ends.get(partition)
        unread: Any = unread_of(
            held, lambda batches, position: BatchesInPlace(batches, position, *ends, midst=position != begins)
        )
        start, error = unread.next_fetch_offset, None
        rows: list[Any] = []
        try:
            # What was read before an error stays in the list.
            rows.extend(islice(rows_of(unread), most))
        except MemoryError:
            raise
        except Exception as failure:  # noqa: BLE001 - parsing foreign bytes: decompressors and decoders raise what they like
            error = failure
        moved_on(held)
        if error is not None or len(rows) < most:
            self._inside.drop(tp)
        # Where nothing was read it may still be the midst of a batch.
        if start < unread.next_fetch_offset == batch_end_of(unread):
            self._batch_ends[partition] = unread.next_fetch_offset
        damaged = error is not None and _is_damage(error)
        return PolledRecords(rows, start, unread.next_fetch_offset, error, damaged, gaps=gaps_of(unread))

    def _refused(self, tp: TopicPartition, error: BaseException) -> PolledRecords:
        """An error in the place of records."""
        position = self.position(tp) or 0
        # The error goes with it, so that the partition is fetched again.
        self._consumer.seek(tp, position)
        return PolledRecords((), position, position, error, isinstance(error, RecordTooLargeError))

    async def arrival(self, seconds: float) -> None:
        """See :class:`KafkaClient`. The client's own wait goes on for what is asked alone."""
        waiter = self._inside.fetch_waiter()
        try:
            done, _ = await asyncio.wait([waiter], timeout=seconds)
        finally:
            waiter.cancel()
        if done:
            waiter.result()

    def be_patient(self, *, patient: bool) -> None:
        """See :class:`KafkaClient`.

        The client asks again for the partitions it has handed out, alone, when the rest of what it holds is not taken within a
        tenth of a second. Read to their end, they would keep the broker to themselves for one and a half seconds, and
        partitions with a backlog would wait for the empty ones. When it holds nothing it asks for all of a broker's at once.
        """
        self._inside.wait_ms = self._patience_ms if patient else min(_MAX_EMPTY_FETCH_MS, self._patience_ms)

    def touch(self) -> None:
        """See :class:`KafkaClient`."""
        with self._subscriptions.fetch_context():
            pass

    def position(self, partition: Partition) -> int | None:
        """See :class:`KafkaClient`."""
        state = self._state(partition)
        if state is None or not state.has_valid_position:
            return None
        held = self._inside.held.get(TopicPartition(*partition))
        # The client has moved past a batch that it takes for too large, which is not read yet.
        passed = isinstance(error_of(held), RecordTooLargeError)
        return int(state.position) - passed

    def seek(self, partition: Partition, offset: int) -> None:
        """See :class:`KafkaClient`."""
        self._consumer.seek(TopicPartition(*partition), offset)

    def pause(self, partition: Partition) -> None:
        """See :class:`KafkaClient`."""
        self._consumer.pause(TopicPartition(*partition))

    def resume(self, partition: Partition) -> None:
        """See :class:`KafkaClient`."""
        self._consumer.resume(TopicPartition(*partition))

    async def commit(self, offsets: Mapping[Partition, int], notes: Mapping[Partition, str]) -> None:
        """See :class:`KafkaClient`."""
        await self._consumer.commit(
            {
                TopicPartition(*partition): OffsetAndMetadata(offset, notes.get(partition, ""))
                for partition, offset in offsets.items()
            }
        )

    async def beat(self) -> bool:
        """See :class:`KafkaClient`."""
        try:
            return await self._inside.beat()
        except KafkaError:
            return False

    async def committed(self, partitions: Collection[Partition]) -> dict[Partition, int | None]:
        """See :class:`KafkaClient`."""
        found = await self.noted(partitions)
        return {partition: None if stored is None else stored.offset for partition, stored in found.items()}

    async def noted(self, partitions: Collection[Partition]) -> dict[Partition, NotedOffset | None]:
        """See :class:`KafkaClient`."""
        wanted = [TopicPartition(*partition) for partition in partitions]
        found = await self._inside.coordinator.fetch_committed_offsets(wanted)
        return {tuple(tp): NotedOffset(found[tp].offset, found[tp].metadata) if tp in found else None for tp in wanted}

    async def first_offsets(self, partitions: Collection[Partition]) -> dict[Partition, int]:
        """See :class:`KafkaClient`."""
        found = await self._consumer.beginning_offsets([TopicPartition(*partition) for partition in partitions])
        return {tuple(tp): offset for tp, offset in found.items()}

    async def offsets(self, partitions: Collection[Partition]) -> dict[Partition, Offsets]:
        """See :class:`KafkaClient`."""
        first = await self.first_offsets(partitions)
        end = await self._consumer.end_offsets([TopicPartition(*partition) for partition in partitions])
        committed = await self.committed(partitions)
        found: dict[Partition, Offsets] = {}
        for tp, offset in end.items():
            state = self._state(tp)
            watermark = None if state is None else state.highwater
            found[tuple(tp)] = Offsets(first[tp], committed[tp], offset, self.position(tp), watermark)
        return found

    async def raw(self, partition: Partition, offset: int) -> bytes:
        """See :class:`KafkaClient`."""
        topic, number = partition
        client, inside = self._inside.client, self._inside
        leader = client.cluster.leader_for_partition(TopicPartition(topic, number))
        if leader is None or leader < 0:
            raise StaleMetadata(f"{topic}[{number}] has no leader currently")
        limit = inside.partition_fetch_bytes
        asked = [(topic, [(number, offset, limit)])]
        request = FetchRequest(_RAW_WAIT_MS, 1, limit, inside.isolation, asked, rack_id="")
        answer = await client.send(leader, request)
        for _topic, parts in answer.topics:
            for _number, code, _watermark, *rest in parts:
                if code:
                    raise for_code(code)
                return bytes(rest[-1] or b"")
        return b""

    def topic_partitions(self, topic: str) -> int | None:
        """See :class:`KafkaClient`."""
        found = self._consumer.partitions_for_topic(topic)
        return len(found) if found else None

    async def topic_identity(self, topic: str) -> bytes | None:
        """See :class:`KafkaClient`."""
        client = self._inside.client
        leaders = (
            client.cluster.leader_for_partition(TopicPartition(topic, number)) for number in self._numbers(topic)
        )
        # A leader answers: whoever surveys the partitions asks it anyway.
        node = next((leader for leader in leaders if leader is not None and leader >= 0), None)
        if node is None and (node := client.get_random_node()) is None:
            return None
        identity = await topic_identity(client, node, topic)
        # A broker that has just started may not know of it yet: gone is what nobody knows of.
        gone = identity in (ABSENT, None) and self.topic_partitions(topic) is None
        return ABSENT if gone else identity or None

    def _numbers(self, topic: str) -> Collection[int]:
        return self._consumer.partitions_for_topic(topic) or ()

    def refresh(self) -> None:
        """See :class:`KafkaClient`."""
        self._inside.client.force_metadata_update()

    @property
    def _subscriptions(self) -> Any:
        return self._inside.subscriptions

    def _state(self, partition: Partition) -> Any:
        subscription = self._subscriptions.subscription
        assignment = None if subscription is None else subscription.assignment
        return None if assignment is None else assignment.state_value(TopicPartition(*partition))


def _is_damage(error: BaseException) -> bool:
    """A codec that is not installed is no fault of the data: with it the batch can be read."""
    return not isinstance(error, UnsupportedCodecError)
