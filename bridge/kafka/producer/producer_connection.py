"""The producer's connection to Kafka: made in the background, watched, and made anew when it is beyond help.

aiokafka's idempotence stays off on purpose. With it a batch never expires and an ``OutOfOrderSequenceNumber`` after a
broker's restart ends the producer for good (aio-libs/aiokafka#1017), while what it saves, a rare duplicate of a batch
whose answer was lost, is harmless here: delivery is at least once and AEP tells duplicates by ``_id``. One batch a
partition is under way at a time, so order is kept without it.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from typing import TYPE_CHECKING, Any, Self

import structlog
from aiokafka import AIOKafkaProducer, errors

from bridge.kafka.aiokafka_internals import abandon, sender_has_ended
from bridge.kafka.connection import client_options
from bridge.kafka.topic_facts import UnfitTopic
from bridge.kafka.topic_limits import REREAD_SECONDS, TopicLimits
from bridge.kafka.topics import TopicMissing, ensure_topics, unreachable
from bridge.model.dead_letter import DEFAULT_ROUTE
from bridge.model.errors import BridgeError, KafkaError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bridge.kafka.producer.lanes import Lane
    from bridge.settings import KafkaSettings

log = structlog.get_logger(__name__)
_STOP_SECONDS = 2

BATCH_BYTES = 512_000
"""Most bytes of records in one batch, before compression; under what any broker takes as one message."""


class ProducerConnection:
    """A producer that connects by itself and is replaced when it is beyond help; made in a running loop.

    ``async with`` starts connecting in the background; :meth:`connected` waits for it. A missing topic (not created, by the
    setting), or one that would lose events, ends the attempts.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        *,
        route: str = DEFAULT_ROUTE,
        compression: str | None = "lz4",
        topics: Iterable[str] | None = None,
        renew_after: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kafka = kafka
        self._route = route
        self._topics = tuple(topics if topics is not None else (kafka.topic, kafka.dead_letter_topic))
        self._compression = compression
        self._renew_after = 2 * kafka.request_timeout_seconds if renew_after is None else renew_after
        self._clock = clock
        self._producer: Any = None
        self._lanes: dict[tuple[str, int], Lane] = {}
        self._limits = TopicLimits(kafka, self._topics, clock=clock)
        self._failing_since: dict[tuple[str, int], float] = {}
        self._why: KafkaError | None = None
        self._last_failure = ""
        self._renew = asyncio.Event()
        self._supervisor: asyncio.Task[None] | None = None
        self._first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # Nobody need ask: then its exception is no loose end.
        self._first.add_done_callback(lambda future: future.cancelled() or future.exception())

    async def __aenter__(self) -> Self:
        self._supervisor = asyncio.create_task(self._supervise(), name="kafka-publisher")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._supervisor is not None:
            self._supervisor.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._supervisor
        await self._disconnect(KafkaError("the publisher is stopping"))

    @property
    def is_connected(self) -> bool:
        """Whether there is a producer to publish with; one that hangs is noticed by what it does not confirm."""
        return self._producer is not None

    @property
    def trouble(self) -> str | None:
        """Why there is no producer to publish with, in the words of the log; None when there is one."""
        if self.is_connected:
            return None
        return f"not connected: {self._last_failure}" if self._last_failure else "not connected yet"

    async def connected(self, within: float | None = None) -> None:
        """Wait for the first connection; ``TopicMissing``, ``SettingsError``, or ``KafkaError`` after ``within`` seconds."""
        try:
            async with asyncio.timeout(within):
                await asyncio.shield(self._first)
        except TimeoutError:
            raise self._why or unreachable(self._kafka, TimeoutError(f"no connection within {within:g} s")) from None

    def _answered(self, places: Iterable[tuple[str, int]]) -> None:
        for place in places:
            self._failing_since.pop(place, None)

    def _failed(self, error: BaseException | None, places: Iterable[tuple[str, int]]) -> None:
        """Note partitions that failed; a producer whose sender has died, or of which one fails for long, is replaced.

        Each by itself: the partitions of one broker may fail for ever while those of another succeed.
        """
        now = self._clock()
        oldest = min((self._failing_since.setdefault(place, now) for place in places), default=now)
        producer = self._producer
        if producer is None:
            return
        # An unexpected error ends aiokafka's sender; from then on every call fails at once.
        dead = sender_has_ended(producer)
        # Its client knows only brokers it once met: after all of them have moved it never finds the new ones.
        if dead or now - oldest >= self._renew_after:
            log.warning(
                "kafka_producer_replaced",
                detail="The producer failed or did not answer; a new one replaces it.",
                dead=dead,
                error=type(error).__name__ if error else "timeout",
            )
            self._renew.set()

    async def _supervise(self) -> None:
        pause = 0.2
        while True:
            try:
                await self._connect()
            except Exception as error:  # noqa: BLE001 - whatever it is, the one who connects again must live on
                passing = isinstance(error, KafkaError | errors.KafkaError | OSError | TimeoutError)
                if not self._first.done() and (isinstance(error, TopicMissing | UnfitTopic) or not passing):
                    # Topics and settings: whoever waits for the first connection must hear of it.
                    self._first.set_exception(error)
                    return
                self._why = error if isinstance(error, KafkaError) else unreachable(self._kafka, error)
                told = str(error) if passing or isinstance(error, BridgeError) else ""
                self._last_failure = told or type(error).__name__
                log.warning(
                    "kafka_unreachable",
                    detail="The brokers cannot be reached; connecting is retried.",
                    error=self._last_failure,
                    next_attempt_seconds=pause,
                )
                await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # nosec B311 # noqa: S311 - jitter
                pause = min(pause * 2, 5.0)
                continue
            pause = 0.2
            await self._keep_limits_until_renewed()
            self._renew.clear()
            await self._disconnect(KafkaError("the connection to Kafka is being renewed"))

    async def _connect(self) -> None:
        await ensure_topics(self._kafka, topics=self._topics)
        await self._limits.look(refuse=not self._first.done())
        producer = AIOKafkaProducer(
            **client_options(self._kafka),
            client_id="moengage-aep-bridge",
            acks="all",
            compression_type=self._compression,
            max_batch_size=BATCH_BYTES,
        )
        try:
            await producer.start()
            # With no topic named, every topic's metadata is asked for, now and at each refresh: nothing is created.
            await producer.client.force_metadata_update()
        except BaseException:
            await producer.stop()
            raise
        self._producer, self._lanes, self._failing_since, self._last_failure = producer, {}, {}, ""
        if not self._first.done():
            self._first.set_result(None)
        log.info(
            "kafka_connected",
            detail="The brokers answer, and the topics are there.",
            brokers=list(self._kafka.bootstrap_servers),
            topics=list(self._topics),
        )

    async def _keep_limits_until_renewed(self) -> None:
        renewal = asyncio.ensure_future(self._renew.wait())
        reading: asyncio.Future[None] | None = None
        try:
            while not renewal.done():
                await asyncio.wait({renewal}, timeout=REREAD_SECONDS)
                if not renewal.done():
                    reading = asyncio.ensure_future(self._limits.read_again())
                    # Brokers that hang must not keep the producer from being replaced.
                    await asyncio.wait({renewal, reading}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            tasks: list[asyncio.Future[Any]] = [renewal] if reading is None else [renewal, reading]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _disconnect(self, error: KafkaError) -> None:
        producer, self._producer = self._producer, None
        lanes, self._lanes = self._lanes, {}
        for lane in lanes.values():
            lane.abandon(error)
        if producer is not None:
            await _stop(producer, error)


async def _stop(producer: Any, error: KafkaError) -> None:
    # Stopping flushes first, and to brokers that are away that takes as long as a request may.
    with contextlib.suppress(Exception):
        async with asyncio.timeout(_STOP_SECONDS):
            await producer.stop()
            return
    # Cut short, it leaves its tasks and connections behind.
    await abandon(producer, error, seconds=_STOP_SECONDS)
