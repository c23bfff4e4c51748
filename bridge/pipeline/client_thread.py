"""The thread that owns the Kafka client: Faust's, with chunks, an end within bounds, and the number of the assignment.

Every fetch is tagged here with the number of the assignment it belongs to: a rebalance may pass between the fetch and its
arrival in the main loop, and records of an assignment that is over must be dropped while records of one that has just begun
must not be.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, TypeVar

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import ConsumerStoppedError, KafkaError
from aiokafka.structs import OffsetAndMetadata
from faust.transport.drivers import aiokafka as driver
from mode.utils.futures import maybe_set_exception

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Mapping, Sequence

    from faust.types import TP

_log = structlog.get_logger(__name__)
_T = TypeVar("_T")
_BRIEF_MS = 50
"""So long at most a broker may keep a fetch while there is work: it takes no other from us meanwhile, not even for data it has."""
_PARTLY_SECONDS = 0.02
"""To wait for records of some partitions while the client holds records of others, which are not admitted."""
_CLOSE_SECONDS = 3.0
"""To leave the group and close connections; less than the worker gives the app to stop."""


class NumberedAssignments(driver.ConsumerRebalanceListener):
    """Numbers the assignments, in the client's thread and in step with the client's own state."""

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Number it before any of its records can be fetched."""
        self._thread.assignment_number += 1
        await super().on_partitions_assigned(assigned)


def _leave_records_as_parsed(consumer: Any) -> None:
    """Have the client hand over its parser's own records instead of a ``ConsumerRecord`` made of each.

    They know offset, timestamp, key, value and headers by the same names, so it does not matter which kind comes; the frozen
    dataclass alone costs more than fetching and parsing the record. What comes in while we wait is made as ever.
    """
    for fetched in consumer._fetcher._records.values():  # noqa: SLF001 - aiokafka has no other way
        unread = getattr(fetched, "_partition_records", None)
        if unread is not None:
            unread._consumer_record = _as_parsed  # noqa: SLF001


def _as_parsed(_partition: TopicPartition, record: Any) -> Any:
    return record


def _holds(consumer: Any) -> bool:
    """Whether the client holds anything that it has not handed out."""
    return bool(consumer._fetcher._records)  # noqa: SLF001 - aiokafka has no other way


async def _arrival(consumer: Any, seconds: float) -> None:
    """Wait until the client has received something new, for so long at most. Its own wait goes on for what is asked alone."""
    waiter = consumer._fetcher._create_fetch_waiter()  # noqa: SLF001 - aiokafka has no other way
    try:
        done, _ = await asyncio.wait([waiter], timeout=seconds)
    finally:
        waiter.cancel()
    if done:
        waiter.result()  # raises what the group's coordinator has to say


class ChunkThread(driver.AIOKafkaConsumerThread):
    """Fetches, commits and asks for offsets on behalf of the main loop."""

    assignment_number = 0
    _patience_ms: int | None = None
    _serving: asyncio.Task[Any] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Not uvloop: writing to a connection that has just broken raises RuntimeError there. aiokafka expects OSError, and its
        # task that looks for brokers and coordinators ends for good.
        super().__init__(*args, thread_loop=asyncio.SelectorEventLoop(), **kwargs)

    async def _serve(self) -> None:
        self._serving = asyncio.current_task()
        await super()._serve()

    async def on_start(self) -> None:
        """Connect. Brokers that have gone away are told to whoever waits for the start, and end the thread in order.

        Left to mode the same error is a crash, with a traceback each for the thread, the consumer and the app.
        """
        waiting = self._thread_running
        try:
            await super().on_start()
        except (KafkaError, OSError) as error:
            self.parent_loop.call_soon_threadsafe(maybe_set_exception, waiting, error)
            raise asyncio.CancelledError from error

    async def on_thread_started(self) -> None:
        """From here on a stop is waited for by the thread itself."""
        self._serving = None
        await super().on_thread_started()

    def _start_thread(self) -> None:
        try:
            # A start that was given up ends the thread as it should.
            with contextlib.suppress(asyncio.CancelledError):
                super()._start_thread()
        finally:
            self._close_loop()

    def _close_loop(self) -> None:
        """Left to mode, tasks of a start that failed would be pending when the loop is closed."""
        loop = self.thread_loop
        if left := asyncio.all_tasks(loop):
            for task in left:
                task.cancel()
            loop.run_until_complete(asyncio.wait(left, timeout=_CLOSE_SECONDS))
        loop.close()

    def _stopped_set(self) -> None:
        try:
            super()._stopped_set()
            # Towards brokers that say nothing a start takes as long as a request may.
            if self._serving is not None:
                self.thread_loop.call_soon_threadsafe(self._serving.cancel)
        except RuntimeError:  # the thread has ended by itself and closed its loop: nobody waits there
            self._stopped.set()

    async def on_thread_stop(self) -> None:
        """Close the client, within a bound and without an error: else the worker waits for a thread that has ended."""
        # Its fetcher lets the cancellation of its own tasks out when the brokers are away.
        with contextlib.suppress(TimeoutError, asyncio.CancelledError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await super().on_thread_stop()

    async def inside(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run a coroutine in this thread's loop."""
        try:
            future = asyncio.run_coroutine_threadsafe(work, self.thread_loop)
        except RuntimeError:
            work.close()
            raise ConsumerStoppedError from None
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            raise ConsumerStoppedError from None  # it was the thread that ended

    async def fetch(
        self, partitions: set[TP], seconds: float, most: int, *, whole: bool
    ) -> tuple[int, Mapping[Any, list[Any]]]:
        """At most so many records of these partitions, and the number of the assignment they belong to.

        ``whole``: these are all partitions of the assignment. Some of the others may be admitted again at any moment: when
        their records are here already the wait is short, else it ends with the first that come, whatever partition they are of.
        """
        consumer = self._ensure_consumer()
        _leave_records_as_parsed(consumer)
        records = await self._fetch_records(consumer, partitions, timeout=seconds if whole else 0.0, max_records=most)
        if not records and not whole:
            await _arrival(consumer, _PARTLY_SECONDS if _holds(consumer) else seconds)
            _leave_records_as_parsed(consumer)
            records = await self._fetch_records(consumer, partitions, timeout=0.0, max_records=most)
        # No other task of this loop has run since the client took the records out of its buffers.
        self._be_patient(consumer, patient=not records and not _holds(consumer))
        return self.assignment_number, records

    def _be_patient(self, consumer: Any, *, patient: bool) -> None:
        """How long the next fetch may be kept by a broker that has nothing: as Faust wants it, or briefly while others have.

        The client asks again for the partitions it has handed out, alone, when the rest of what it holds is not taken within a
        tenth of a second. Read to their end, they would keep the broker to themselves for one and a half seconds, and
        partitions with a backlog would wait for the empty ones. When it holds nothing it asks for all of a broker's at once.
        """
        fetcher = consumer._fetcher  # noqa: SLF001 - aiokafka takes it at the start only
        if self._patience_ms is None:
            self._patience_ms = fetcher._fetch_max_wait_ms  # noqa: SLF001
        fetcher._fetch_max_wait_ms = self._patience_ms if patient else min(_BRIEF_MS, self._patience_ms)  # noqa: SLF001

    def topic_partitions(self, topic: str) -> int | None:
        """Partitions of the topic, None while they are not known. Faust asks the coordinator, which tells the leader only."""
        found = self._consumer.partitions_for_topic(topic) if self._consumer is not None else None
        return len(found) if found else None

    async def touch(self) -> None:
        """Tell the client that we are alive while we fetch nothing, or it would leave the group."""
        with self._ensure_consumer()._fetcher._subscriptions.fetch_context():  # noqa: SLF001 - aiokafka has no other way
            pass

    async def store(self, number: int, offsets: Mapping[Any, int]) -> bool:
        """Commit; False when it did not come to pass, for whatever reason."""
        if number != self.assignment_number:
            return False
        try:
            await self._ensure_consumer().commit(
                {TopicPartition(*partition): OffsetAndMetadata(offset, "") for partition, offset in offsets.items()}
            )
        except KafkaError as error:
            _log.warning("offsets not committed, will try again", error=type(error).__name__)
            return False
        return True

    async def offsets(self, partitions: Sequence[Any]) -> dict[Any, tuple[int, int | None, int, int]]:
        """Partition -> (first offset there is, offset committed or None, end offset, next offset to be read)."""
        consumer = self._ensure_consumer()
        wanted = [TopicPartition(*partition) for partition in partitions]
        first = await consumer.beginning_offsets(wanted)
        end = await consumer.end_offsets(wanted)
        return {
            tuple(tp): (first[tp], await consumer.committed(tp), end[tp], await consumer.position(tp)) for tp in wanted
        }
