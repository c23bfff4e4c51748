"""The thread that owns the Kafka client: Faust's, with an end within bounds, running what :mod:`bridge.kafka.consumer.fetching` does."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any, TypeVar

from aiokafka.errors import ConsumerStoppedError, KafkaError
from faust.transport.drivers import aiokafka as driver
from mode.utils.futures import maybe_set_exception

from bridge.kafka.consumer.fetching import Fetching
from bridge.kafka.consumer.kafka_client import AiokafkaClient, read_committed
from bridge.runtime.deadline import CLOSE_CLIENT_SECONDS

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Collection, Coroutine, Iterable, Mapping

    from aiokafka import TopicPartition

    from bridge.kafka.consumer.fetching import Expired, Fetch, Survey
    from bridge.kafka.consumer.ledger import Partition

_T = TypeVar("_T")


class NumberedAssignments(driver.ConsumerRebalanceListener):
    """Numbers the assignments, in the client's thread and in step with the client's own state."""

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Number it before any of its records can be fetched."""
        self._thread.fetching.assigned()
        await super().on_partitions_assigned(assigned)


class ChunkThread(driver.AIOKafkaConsumerThread):
    """Runs the client and what fetches from it; both are there once it has started."""

    set_aside: bool
    client: AiokafkaClient | None = None
    fetching: Fetching | None = None
    _serving: asyncio.Task[Any] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Not uvloop: writing to a connection that has just broken raises RuntimeError there. aiokafka expects OSError, and its
        # task that looks for brokers and coordinators ends for good.
        super().__init__(*args, thread_loop=asyncio.SelectorEventLoop(), **kwargs)

    async def _serve(self) -> None:
        self._serving = asyncio.current_task()
        await super()._serve()

    def _create_consumer(self, loop: asyncio.AbstractEventLoop) -> Any:
        consumer = super()._create_consumer(loop)
        read_committed(consumer)
        return consumer

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
        self.client = AiokafkaClient(self._consumer)
        self.fetching = Fetching(self.client, time.monotonic, set_aside=self.set_aside)

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
            loop.run_until_complete(asyncio.wait(left, timeout=CLOSE_CLIENT_SECONDS))
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
            async with asyncio.timeout(CLOSE_CLIENT_SECONDS):
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

    def topic_partitions(self, topic: str) -> int | None:
        """Partitions of the topic, None while they are not known. Faust asks the coordinator, which tells the leader only."""
        return None if self.client is None else self.client.topic_partitions(topic)


class FromMainLoop:
    """:class:`~bridge.kafka.consumer.fetching.Fetching` for the main loop: each call runs in the client's thread."""

    def __init__(self, thread: ChunkThread) -> None:
        self._thread = thread

    @property
    def number(self) -> int:
        """See :class:`~bridge.kafka.consumer.consumption.ClientSide`."""
        return self._fetching.number

    @property
    def expired(self) -> deque[Expired]:
        """See :class:`~bridge.kafka.consumer.consumption.ClientSide`."""
        return self._fetching.expired

    async def fetch(self, partitions: Collection[Partition], seconds: float, most: int) -> Fetch:
        """See :meth:`Fetching.fetch`."""
        return await self._thread.inside(self._fetching.fetch(partitions, seconds, most))

    async def touch(self) -> None:
        """See :meth:`Fetching.touch`."""
        await self._thread.inside(self._fetching.touch())

    async def store(self, number: int, offsets: Mapping[Partition, int]) -> bool:
        """See :meth:`Fetching.store`."""
        return await self._thread.inside(self._fetching.store(number, offsets))

    async def survey(self, partitions: Collection[Partition]) -> Survey:
        """See :meth:`Fetching.survey`."""
        return await self._thread.inside(self._fetching.survey(partitions))

    async def refresh(self) -> None:
        """See :meth:`Fetching.refresh`."""
        await self._thread.inside(self._fetching.refresh())

    @property
    def _fetching(self) -> Fetching:
        fetching = self._thread.fetching
        if fetching is None:
            raise ConsumerStoppedError
        return fetching
