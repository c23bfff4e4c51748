"""Every private name of Faust (and mode) that the bridge touches or overrides, with the reason for each; nothing else may.

The classes here turn what is private there into methods that the bridge's own classes define.
``tests/kafka/test_library_internals.py`` holds the pinned version to the source that was read when this was written.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final

import faust
from aiokafka.errors import KafkaError
from faust.transport.drivers import aiokafka as driver

from bridge.runtime.deadline import CLOSE_CLIENT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Collection

_FIRST_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 5.0


class DisklessApp(faust.App):
    """An app without tables keeps nothing on disk: it runs where nothing may be written, and litters no folder."""

    def _create_directories(self) -> None:
        pass


class AssignmentListener(driver.ConsumerRebalanceListener):
    """Told of assignments in the client's thread."""

    @property
    def thread(self) -> Any:
        """The thread that owns the client."""
        return self._thread


class BoundedThread(driver.AIOKafkaConsumerThread):
    """Faust's thread that owns the Kafka client, with a start that waits for the brokers and an end within bounds.

    ``prepare`` is called with the consumer before it starts, ``connected`` after, ``not_connected`` with the error of a start that
    failed and is tried again.
    """

    _serving: asyncio.Task[Any] | None = None
    _consumer: Any

    def prepare(self, consumer: Any) -> None:
        """Configure the client's consumer, which is not started yet."""
        raise NotImplementedError

    def connected(self, consumer: Any) -> None:
        """The client's consumer is started."""
        raise NotImplementedError

    def not_connected(self, error: Exception) -> None:
        """The brokers did not answer as they should; the next try comes within five seconds."""
        raise NotImplementedError

    async def _serve(self) -> None:
        self._serving = asyncio.current_task()
        await super()._serve()

    def _create_consumer(self, loop: asyncio.AbstractEventLoop) -> Any:
        consumer = super()._create_consumer(loop)
        self.prepare(consumer)
        return consumer

    async def on_start(self) -> None:
        """Connect; where the brokers do not answer, again with a new client until they do, or until a stop cancels it.

        They may go away between the producer's connection and this one. Left to mode that is a crash, with a traceback each for
        the thread, the consumer and the app.
        """
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                await super().on_start()
            except (KafkaError, OSError) as error:
                self.not_connected(error)
                await self._close_consumer()
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
            else:
                break
        self.connected(self._consumer)

    async def _close_consumer(self) -> None:
        """Close the client of a start that failed: it cannot be started a second time.

        It stays until the next one takes its place, as Faust asks it for its partitions meanwhile, and would crash without one.
        """
        if self._consumer is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_CLIENT_SECONDS):
                    await self._consumer.stop()

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


class ReplacedConsumer(driver.Consumer):
    """Faust's consumer with a thread and a fetch loop of the bridge's own."""

    def open_thread(self) -> Any:
        """The thread that owns the client."""
        raise NotImplementedError

    async def fetch_until_stopped(self, fetcher: Any) -> None:
        """The fetch loop, run by Faust's ``fetcher`` service until one of the two is to stop."""
        raise NotImplementedError

    def _new_consumer_thread(self) -> Any:
        return self.open_thread()

    async def _drain_messages(self, fetcher: Any) -> None:
        await self.fetch_until_stopped(fetcher)

    @property
    def thread(self) -> Any:
        """What :meth:`open_thread` has opened."""
        return self._thread

    def active_partitions(self) -> Collection[Any]:
        """The assigned partitions that are not paused; all for aiokafka where the set is empty."""
        found: Collection[Any] = self._get_active_partitions()
        return found
