"""The thread that owns the Kafka client: Faust's, with an end within bounds, running what :mod:`bridge.kafka.consumer.client.fetching` does."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, TypeVar

from aiokafka.errors import ConsumerStoppedError

from bridge.kafka.consumer.client.aiokafka_client import AiokafkaClient, read_committed
from bridge.kafka.consumer.client.fetching import Fetching
from bridge.kafka.consumer.stream.faust_internals import AssignmentListener, BoundedThread

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping

    from aiokafka import TopicPartition

    from bridge.kafka.consumer.chunk import Partition
    from bridge.kafka.consumer.client.fetching import Expired, Fetch, Gone, Survey
    from bridge.model.day_counts import NotedOffset

_T = TypeVar("_T")


class NumberedAssignments(AssignmentListener):
    """Numbers the assignments, in the client's thread and in step with the client's own state."""

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Number it before any of its records can be fetched."""
        self.thread.fetching.assigned()
        await super().on_partitions_assigned(assigned)


class ChunkThread(BoundedThread):
    """Runs the client and what fetches from it; both are there once it has started.

    ``start_tried`` is called in the main loop: with the error of each start that failed, with None once one has succeeded.
    """

    set_aside: bool
    start_tried: Callable[[Exception | None], None]
    client: AiokafkaClient | None = None
    fetching: Fetching | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Not uvloop: writing to a connection that has just broken raises RuntimeError there. aiokafka expects OSError, and its
        # task that looks for brokers and coordinators ends for good.
        super().__init__(*args, thread_loop=asyncio.SelectorEventLoop(), **kwargs)

    def prepare(self, consumer: Any) -> None:
        """See :class:`BoundedThread`."""
        read_committed(consumer)

    def connected(self, consumer: Any) -> None:
        """See :class:`BoundedThread`."""
        self.client = AiokafkaClient(consumer)
        self.fetching = Fetching(self.client, time.monotonic, set_aside=self.set_aside)
        self.parent_loop.call_soon_threadsafe(self.start_tried, None)

    def not_connected(self, error: Exception) -> None:
        """See :class:`BoundedThread`."""
        self.parent_loop.call_soon_threadsafe(self.start_tried, error)

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

    def topic_partitions(self, topic: str) -> int | None:
        """Partitions of the topic, None while they are not known. Faust asks the coordinator, which tells the leader only."""
        return None if self.client is None else self.client.topic_partitions(topic)


class FromMainLoop:
    """:class:`~bridge.kafka.consumer.client.fetching.Fetching` for the main loop: each call runs in the client's thread."""

    def __init__(self, thread: ChunkThread) -> None:
        self._thread = thread

    @property
    def number(self) -> int:
        """See :class:`~bridge.kafka.consumer.consumption_ports.ClientSide`."""
        return self._fetching.number

    @property
    def expired(self) -> deque[Expired]:
        """See :class:`~bridge.kafka.consumer.consumption_ports.ClientSide`."""
        return self._fetching.expired

    @property
    def gone(self) -> deque[Gone]:
        """See :class:`~bridge.kafka.consumer.consumption_ports.ClientSide`."""
        return self._fetching.gone

    async def fetch(self, partitions: Collection[Partition], seconds: float, most: int) -> Fetch:
        """See :meth:`Fetching.fetch`."""
        return await self._thread.inside(self._fetching.fetch(partitions, seconds, most))

    async def touch(self) -> None:
        """See :meth:`Fetching.touch`."""
        await self._thread.inside(self._fetching.touch())

    async def store(self, number: int, offsets: Mapping[Partition, int], notes: Mapping[Partition, str]) -> bool:
        """See :meth:`Fetching.store`."""
        return await self._thread.inside(self._fetching.store(number, offsets, notes))

    async def noted(
        self, number: int, partitions: Collection[Partition]
    ) -> Mapping[Partition, NotedOffset | None] | None:
        """See :meth:`Fetching.noted`."""
        return await self._thread.inside(self._fetching.noted(number, partitions))

    async def is_member(self, number: int) -> bool:
        """See :meth:`Fetching.is_member`."""
        return await self._thread.inside(self._fetching.is_member(number))

    async def survey(self, partitions: Collection[Partition]) -> Survey:
        """See :meth:`Fetching.survey`."""
        return await self._thread.inside(self._fetching.survey(partitions))

    async def refresh(self) -> None:
        """See :meth:`Fetching.refresh`."""
        await self._thread.inside(self._fetching.refresh())

    async def look_back(self) -> None:
        """See :meth:`Fetching.look_back`."""
        await self._thread.inside(self._fetching.look_back())

    @property
    def _fetching(self) -> Fetching:
        fetching = self._thread.fetching
        if fetching is None:
            raise ConsumerStoppedError
        return fetching
