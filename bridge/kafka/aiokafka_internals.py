"""Every private name of aiokafka that the bridge touches, with the reason for each; nothing else may.

``tests/kafka/test_library_internals.py`` holds the pinned version to the source that was read when this was written.
"""

# ruff: noqa: SLF001

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from aiokafka import conn, errors
from aiokafka.consumer import consumer as consumer_module
from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.protocol.commit import OffsetFetchRequest
from aiokafka.record import default_records as plain_records
from aiokafka.record._crecords import default_records as compiled_records

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, MutableMapping

    from aiokafka import TopicPartition


class CheckedCoordinator(GroupCoordinator):
    """The coordination of a group, for every consumer of this process: an answer about offsets that is an error is one.

    A coordinator that is just changing, or reads its offsets first, answers so for the group as a whole and names no partition. aiokafka
    looks at the errors of partitions alone: it would take the group for one that has committed nothing, and read everything anew.
    """

    async def _send_req(self, request: Any) -> Any:
        answer = await super()._send_req(request)
        if isinstance(request, OffsetFetchRequest) and (code := getattr(answer, "error_code", 0)):
            error = errors.for_code(code)
            if issubclass(error, errors.NotCoordinatorForGroupError | errors.GroupCoordinatorNotAvailableError):
                self.coordinator_dead()
            # The client asks again where the error may pass, and tells any other.
            raise error(self.group_id)
        return answer


consumer_module.GroupCoordinator = CheckedCoordinator

conn.READER_LIMIT = 1 << 24
"""Bytes of an answer, for every connection of this process, before the socket is left alone until its reader has come: an answer to a
fetch is a megabyte and more, and with aiokafka's 64 KiB each piece of it would stop the socket, wake its reader and start the socket anew."""


def decode_with(decoders: Mapping[str, Callable[[bytes], bytes]]) -> None:
    """Have aiokafka's parsers of records, the compiled one and the one in Python, decompress by these, by the names of their own."""
    for module in (compiled_records, plain_records):
        for name, decoder in decoders.items():
            getattr(module, name)  # one that it no longer has would be left as it is, without a word
            setattr(module, name, decoder)


def set_isolation(consumer: Any, level: str) -> None:
    """Set the isolation level of a consumer that is not started yet: Faust decides about it when it makes the client."""
    consumer._isolation_level = level


class ConsumerInternals:
    """A started ``AIOKafkaConsumer``: aiokafka has no public way to take out the records of one partition alone."""

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer
        self._fetcher = consumer._fetcher

    @property
    def closed(self) -> bool:
        """Whether consumer or fetcher has been closed."""
        return bool(self._consumer._closed or self._fetcher._closed)

    @property
    def fetch_task(self) -> asyncio.Future[Any]:
        """The task that fetches. When it has ended nothing would ever come again, and nobody would be told."""
        task: asyncio.Future[Any] = self._fetcher._fetch_task
        return task

    @property
    def held(self) -> MutableMapping[TopicPartition, Any]:
        """What was fetched and not taken out, by partition: a ``FetchResult`` or an error in its place."""
        held: MutableMapping[TopicPartition, Any] = self._fetcher._records
        return held

    def drop(self, partition: TopicPartition) -> None:
        """Forget what is held of a partition, and have the fetcher ask for more of it."""
        del self._fetcher._records[partition]
        self._fetcher._notify(self._fetcher._wait_consume_future)

    def fetch_waiter(self) -> asyncio.Future[Any]:
        """A future that is done when something is fetched."""
        waiter: asyncio.Future[Any] = self._fetcher._create_fetch_waiter()
        return waiter

    @property
    def wait_ms(self) -> int:
        """How long a broker may hold a fetch that finds nothing, in milliseconds."""
        return int(self._fetcher._fetch_max_wait_ms)

    @wait_ms.setter
    def wait_ms(self, milliseconds: int) -> None:
        self._fetcher._fetch_max_wait_ms = milliseconds

    @property
    def isolation(self) -> Any:
        """The isolation level as the protocol has it."""
        return self._fetcher._isolation_level

    @property
    def reads_committed(self) -> bool:
        """Whether aborted and open transactions are passed over."""
        return bool(self._fetcher._isolation_level == READ_COMMITTED)

    @property
    def partition_fetch_bytes(self) -> int:
        """The most bytes of one partition in an answer."""
        return int(self._fetcher._max_partition_fetch_bytes)

    @property
    def subscriptions(self) -> Any:
        """The subscription state, with assignments and positions."""
        return self._fetcher._subscriptions

    @property
    def client(self) -> Any:
        """The ``AIOKafkaClient`` below."""
        return self._consumer._client

    @property
    def coordinator(self) -> Any:
        """The group coordinator: it answers for several partitions in one request, where the consumer asks for each."""
        return self._consumer._coordinator

    async def beat(self) -> bool:
        """Send a heartbeat now, beside those that go out by themselves; whether the group still counts this consumer in."""
        return bool(await self._consumer._coordinator._do_heartbeat())


def error_of(held: Any) -> Any:
    """The error that is held in the place of records; None for records."""
    return None if type(held) is FetchResult else getattr(held, "_error", None)


def error_of_partition(consumer: Any, partition: TopicPartition) -> Any:
    """The error that a started consumer holds in the place of a partition's records; None where it holds none."""
    return error_of(consumer._fetcher._records.get(partition))


def broken_at(consumer: Any, partition: TopicPartition) -> int | None:
    """The offset at which parsing what a started consumer holds of the partition has failed; None where it has not.

    The client leaves the parser in its place. It ended with the error, and would pass for one that has read everything.
    """
    held = consumer._fetcher._records.get(partition)
    unread = held._partition_records if type(held) is FetchResult else None
    if unread is None or unread._records_iterator is None or unread._records_iterator.gi_frame is not None:
        return None
    return int(unread.next_fetch_offset)


def unread_of(held: Any, in_place: Callable[[Any, int], Any]) -> Iterator[Any]:
    """The unread records of a ``FetchResult`` as the parser makes them; what they are read up to is ``next_fetch_offset``.

    ``in_place`` is given its batches and the offset from which on they are read, and stands in their place
    (:class:`~bridge.kafka.batches.batches_in_place.BatchesInPlace`).

    The parser's record stands in the place of a ``ConsumerRecord`` made of it: it knows offset, timestamp, key, value and headers
    by the same names, and the frozen dataclass alone costs more than fetching and parsing the record.
    """
    unread: Iterator[Any] = held._partition_records
    # The parser asks for its batches with its first record.
    if getattr(unread, "_consumer_record", None) is not _as_parsed:
        unread._consumer_record = _as_parsed  # type: ignore[attr-defined]
        unread._records = in_place(unread._records, unread.next_fetch_offset)  # type: ignore[attr-defined]
    return unread


def rows_of(unread: Any) -> Iterator[Any]:
    """The records of :func:`unread_of`, without the step between that would cost each record a call."""
    rows: Iterator[Any] = unread._records_iterator
    return rows


def gaps_of(unread: Any) -> list[tuple[int, int]]:
    """The gaps in front of what has been read of :func:`unread_of` since they were asked for last."""
    gaps, unread._records.gaps = unread._records.gaps, []
    return list(gaps)


def batch_end_of(unread: Any) -> int:
    """Where the batch ends that is being read of :func:`unread_of`, or was read last."""
    return int(unread._records.reached)


def _as_parsed(_partition: TopicPartition, record: Any) -> Any:
    return record


def moved_on(held: Any) -> None:
    """Have the client's position follow what was read of a ``FetchResult``."""
    held._update_position()


def sender_has_ended(producer: Any) -> bool:
    """Whether the task that sends has ended over an unexpected error: from then on every call fails, and nothing says so."""
    return bool(producer._sender.sender_task.done())


async def abandon(producer: Any, error: BaseException, *, seconds: float) -> None:
    """Fail what a producer has not sent, and close its tasks and connections, ``seconds`` for each; aiokafka cannot give up."""
    producer._message_accumulator.fail_all(error)
    for close in (producer._sender.close, producer.client.close):
        with contextlib.suppress(Exception):
            async with asyncio.timeout(seconds):
                await close()
