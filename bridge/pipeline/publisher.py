"""Write records to Kafka and know that they are safe: ``acks=all``, all of a caller's records together, bounded waits.

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
from aiokafka.partitioner import murmur2

from bridge.dead_letter import StoredLetters
from bridge.errors import BridgeError, KafkaError
from bridge.pipeline.connection import client_options
from bridge.pipeline.isolation import Entry, isolate
from bridge.pipeline.lanes import Confirmation, Lane
from bridge.pipeline.letter_store import LetterFit, store_letters
from bridge.pipeline.refusal import TOO_LARGE, Refused, RefusedByKafka, concerns_a_record
from bridge.pipeline.topic_facts import UnfitTopic
from bridge.pipeline.topic_limits import REREAD_SECONDS, TopicLimits
from bridge.pipeline.topics import TopicMissing, ensure_topics, unreachable
from bridge.records import Record, record_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from bridge.settings import KafkaSettings

log = structlog.get_logger(__name__)

BATCH_BYTES = 512_000
"""Most bytes of records in one batch, before compression; under what any broker takes as one message."""
_AS_THEY_WERE = StoredLetters((), ())


class KafkaPublisher:
    """A producer that connects by itself, confirms whole calls, and is replaced when it is beyond help; made in a running loop.

    ``async with`` starts connecting in the background. Until there is a connection :meth:`publish` raises ``KafkaError``
    at once; :meth:`connected` waits for it. A missing topic (not created, by the setting) ends the attempts.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        *,
        compression: str | None = "lz4",
        topics: Iterable[str] | None = None,
        renew_after: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kafka = kafka
        self._topics = tuple(topics if topics is not None else (kafka.topic, kafka.dead_letter_topic))
        self._compression = compression
        self._renew_after = 2 * kafka.request_timeout_seconds if renew_after is None else renew_after
        self._clock = clock
        self._producer: Any = None
        self._lanes: dict[tuple[str, int], Lane] = {}
        self._limits = TopicLimits(kafka, self._topics, clock=clock)
        self._failing_since: dict[tuple[str, int], float] = {}
        self._why: KafkaError | None = None
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

    async def connected(self, within: float | None = None) -> None:
        """Wait for the first connection; ``TopicMissing``, ``SettingsError``, or ``KafkaError`` after ``within`` seconds."""
        try:
            async with asyncio.timeout(within):
                await asyncio.shield(self._first)
        except TimeoutError:
            raise self._why or unreachable(self._kafka, TimeoutError(f"no connection within {within:g} s")) from None

    @property
    def event_limit(self) -> int:
        """:meth:`limit` of the event topic."""
        return self.limit(self._kafka.topic)

    @property
    def dead_letter_limit(self) -> int:
        """:meth:`limit` of the dead-letter topic."""
        return self.limit(self._kafka.dead_letter_topic)

    def limit(self, topic: str) -> int:
        """The most bytes that :func:`record_bytes` of one record may come to in ``topic``, whether or not it compresses."""
        return self._limits.record_limit(topic)

    async def publish(self, records: Sequence[Record], *, topic: str | None = None) -> None:
        """Write ``records`` to ``topic`` (default: the event topic); return when the brokers have confirmed every one.

        Raises ``RefusedByKafka`` when all are stored but those that Kafka will not store at all, and ``KafkaError`` when one
        was not confirmed for another reason; then the others may be stored. Cancelling gives up waiting, and what is not
        under way yet is dropped.
        """
        await self._confirm(((topic or self._kafka.topic, records),))

    async def store(self, events: Sequence[Record], dead_letters: Sequence[Record]) -> StoredLetters:
        """Write events and dead letters, each to its topic, together; errors as :meth:`publish`.

        An event that Kafka will not store becomes a dead letter, and a dead letter that it will not store is made smaller:
        which ones, is told.
        """
        letters = self._kafka.dead_letter_topic
        try:
            await self._confirm(((self._kafka.topic, events), (letters, dead_letters)))
        except RefusedByKafka as refusal:
            made: list[LetterFit] = []
            cut: list[LetterFit] = []
            for refused in refusal.refused:
                if refused.number < len(events):
                    made.append(LetterFit.of_event(events[refused.number], refused))
                else:
                    cut.append(LetterFit.of_letter(dead_letters[refused.number - len(events)]))
                    cut[-1].shrink(refused, self.limit(letters))
            await store_letters(self, letters, [*made, *cut])
            return StoredLetters([each.stored for each in made], [each.stored for each in cut if each.newly_cut])
        return _AS_THEY_WERE

    async def _confirm(self, by_topic: Sequence[tuple[str, Sequence[Record]]]) -> None:
        """Write all records; their numbers in a refusal count through all topics."""
        entries: list[Entry] = []
        refused: list[Refused] = []
        for topic, records in by_topic:
            limit = self.limit(topic)
            # Both topics are looked at before anything of either is sent: what the caller sends again would be there twice.
            partitions = self._partitions(topic) if records else 0
            # Records without a key stay together in one batch; the next caller's go elsewhere.
            keyless = random.randrange(partitions) if partitions else 0  # nosec B311 # noqa: S311 - spreads load, guards nothing
            for record in records:
                number = len(entries) + len(refused)
                weight = record_bytes(record)
                if weight > limit:
                    refused.append(_too_large(number, weight, topic, limit))
                    continue
                key = record[0]
                partition = keyless if key is None else (murmur2(key) & 0x7FFFFFFF) % partitions
                entries.append(Entry(number, topic, partition, record, weight))
        if entries:
            failed = await self._send(entries, alone=False)
            if failed:
                refused += await self._isolated(entries, failed)
        if refused:
            raise RefusedByKafka(sorted(refused, key=lambda each: each.number))

    async def _isolated(self, entries: Sequence[Entry], failed: Mapping[int, BaseException]) -> list[Refused]:
        """Find which of the records that failed Kafka will not store; the others are stored when it returns."""
        if any(isinstance(error, errors.MessageSizeTooLargeError) for error in failed.values()):
            await self._limits.read_again()
        passed = {entry.topic for entry in entries if entry.number not in failed}
        suspects = [entry for entry in entries if entry.number in failed]

        def oversize(entry: Entry) -> Refused | None:
            limit = self.limit(entry.topic)
            return _too_large(entry.number, entry.weight, entry.topic, limit) if entry.weight > limit else None

        async def send(alone: Sequence[Entry]) -> Mapping[int, BaseException]:
            return await self._send(alone, alone=True)

        refused = await isolate(suspects, passed, send=send, oversize=oversize)
        if refused:
            log.warning("kafka_refused_records", count=len(refused), codes=sorted({each.code for each in refused}))
        return refused

    def _partitions(self, topic: str) -> int:
        producer = self._producer
        if producer is None:
            raise KafkaError("there is no connection to Kafka")
        # Asked by name, a broker with auto.create.topics.enable would create it: only what is known already counts.
        partitions = producer.client.cluster.partitions_for_topic(topic)
        if not partitions:
            # Otherwise a topic that is there again is noticed only at the next regular refresh, minutes later.
            producer.client.force_metadata_update()
            raise KafkaError(f"no such topic: {topic}")
        return len(partitions)

    async def _send(self, entries: Sequence[Entry], *, alone: bool) -> Mapping[int, BaseException]:
        """Send records; ``alone``, which are of one partition, in batches of their own. What was refused, by number.

        Raises ``KafkaError`` when one was not confirmed for a reason that has nothing to do with what is in it.
        """
        if self._producer is None:
            raise KafkaError("there is no connection to Kafka")
        confirmation, lanes = Confirmation(), self._lanes
        if alone:
            self._lane(entries[0]).add_alone(
                [(each.number, each.record, each.weight) for each in entries], confirmation
            )
        else:
            for entry in entries:
                lane = lanes.get((entry.topic, entry.partition)) or self._lane(entry)
                lane.add(entry.record, confirmation, entry.number, entry.weight)
        try:
            await confirmation.wait()
        except asyncio.CancelledError:
            self._failed(None, confirmation.open_places)
            raise
        except Exception as error:
            places = {entry.number: (entry.topic, entry.partition) for entry in entries}
            trouble = {number: each for number, each in confirmation.failed.items() if not concerns_a_record(each)}
            away = {places[number] for number in trouble}
            self._answered(set(places.values()) - away)
            if not trouble:
                return confirmation.failed
            self._failed(error, away)
            first = next(iter(trouble.values()))
            raise KafkaError(f"Kafka has not confirmed: {first or type(first).__name__}") from error
        if self._failing_since:
            self._answered({(entry.topic, entry.partition) for entry in entries})
        return {}

    def _lane(self, entry: Entry) -> Lane:
        place = (entry.topic, entry.partition)
        lane = self._lanes.get(place)
        if lane is None:
            topic = entry.topic
            lane = self._lanes[place] = Lane(self._producer, *place, most=lambda: self.limit(topic))
        return lane

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
        dead = producer._sender.sender_task.done()  # noqa: SLF001 - not told otherwise; a test holds aiokafka to it
        # Its client knows only brokers it once met: after all of them have moved it never finds the new ones.
        if dead or now - oldest >= self._renew_after:
            log.warning("kafka_producer_replaced", dead=dead, error=type(error).__name__ if error else "timeout")
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
                log.warning("kafka_unreachable", error=told or type(error).__name__, next_attempt_seconds=pause)
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
        self._producer, self._lanes, self._failing_since = producer, {}, {}
        if not self._first.done():
            self._first.set_result(None)
        log.info("kafka_connected", brokers=list(self._kafka.bootstrap_servers), topics=list(self._topics))

    async def _keep_limits_until_renewed(self) -> None:
        while True:
            try:
                async with asyncio.timeout(REREAD_SECONDS):
                    await self._renew.wait()
                    return
            except TimeoutError:
                await self._limits.read_again()

    async def _disconnect(self, error: KafkaError) -> None:
        producer, self._producer = self._producer, None
        lanes, self._lanes = self._lanes, {}
        for lane in lanes.values():
            lane.abandon(error)
        if producer is not None:
            await _stop(producer, error)


def _too_large(number: int, weight: int, topic: str, limit: int) -> Refused:
    return Refused(number, TOO_LARGE, f"the record is {weight} bytes; {topic} takes {limit}")


async def _stop(producer: Any, error: KafkaError) -> None:
    # Stopping flushes first, and to brokers that are away that takes as long as a request may.
    with contextlib.suppress(Exception):
        async with asyncio.timeout(2):
            await producer.stop()
            return
    # Cut short, it leaves its tasks and connections behind.
    producer._message_accumulator.fail_all(error)  # noqa: SLF001 - aiokafka has no way to give up
    for close in (producer._sender.close, producer.client.close):  # noqa: SLF001
        with contextlib.suppress(Exception):
            async with asyncio.timeout(2):
                await close()
