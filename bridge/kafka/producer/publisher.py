"""Write records to Kafka and know that they are safe: ``acks=all``, all of a caller's records together, bounded waits."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import structlog
from aiokafka import errors

from bridge.kafka.producer.isolation import Entry, isolate
from bridge.kafka.producer.key_hash import partition_of
from bridge.kafka.producer.known_topics import KnownTopics
from bridge.kafka.producer.lanes import Confirmation, Lane
from bridge.kafka.producer.letter_store import LetterFit, store_letters
from bridge.kafka.producer.producer_connection import ProducerConnection
from bridge.kafka.producer.refusal import TOO_LARGE, Refused, RefusedByKafka, concerns_a_record
from bridge.model.dead_letter import StoredLetters
from bridge.model.errors import KafkaError
from bridge.model.record import Record, record_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

log = structlog.get_logger(__name__)

_AS_THEY_WERE = StoredLetters((), ())


class KafkaPublisher(ProducerConnection):
    """Confirms whole calls. Without a connection :meth:`publish` raises ``KafkaError`` at once."""

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

    def knows(self, topic: str) -> bool:
        """Whether the producer knows the topic; it learns of one that was just made a moment later."""
        try:
            return self._partitions(topic) > 0
        except KafkaError:
            return False

    async def publish(
        self, records: Sequence[Record], *, topic: str | None = None, partition: int | None = None
    ) -> None:
        """Write ``records`` to ``topic`` (default: the event topic); return when the brokers have confirmed every one.

        All go to ``partition``, or each to that of its key.

        Raises ``RefusedByKafka`` when all are stored but those that Kafka will not store at all, and ``KafkaError`` when one
        was not confirmed for another reason; then the others may be stored. Cancelling gives up waiting, and what is not
        under way yet is dropped.
        """
        await self._confirm(((topic or self._kafka.topic, records),), partition)

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
                    made.append(LetterFit.of_event(events[refused.number], refused, self._route))
                else:
                    cut.append(LetterFit.of_letter(dead_letters[refused.number - len(events)]))
            await store_letters(self, letters, [*made, *cut])
            return StoredLetters([each.stored for each in made], [each.stored for each in cut if each.newly_cut])
        return _AS_THEY_WERE

    async def _confirm(self, by_topic: Sequence[tuple[str, Sequence[Record]]], at: int | None = None) -> None:
        """Write all records; their numbers in a refusal count through all topics."""
        entries: list[Entry] = []
        refused: list[Refused] = []
        for topic, records in by_topic:
            if not records:
                continue
            limit = self.limit(topic)
            # Both topics are looked at before anything of either is sent: what the caller sends again would be there twice.
            partitions = self._partitions(topic)
            # Records without a key stay together in one batch; the next caller's go elsewhere.
            keyless = random.randrange(partitions)  # nosec B311 # noqa: S311 - spreads load, guards nothing
            for record in records:
                number = len(entries) + len(refused)
                weight = record_bytes(record)
                if weight > limit:
                    refused.append(_too_large(number, weight, topic, limit))
                    continue
                key = record[0]
                of_key = keyless if key is None else partition_of(key, partitions)
                partition = of_key if at is None else at
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
            log.warning(
                "kafka_refused_records",
                detail="Kafka refuses these records for good.",
                count=len(refused),
                codes=sorted({each.code for each in refused}),
            )
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
            raise KafkaError(f"Kafka has not confirmed: {str(first) or type(first).__name__}") from error
        if self._failing_since:
            self._answered({(entry.topic, entry.partition) for entry in entries})
        return {}

    def _lane(self, entry: Entry) -> Lane:
        place = (entry.topic, entry.partition)
        lane = self._lanes.get(place)
        if lane is None:
            topic = entry.topic
            lane = self._lanes[place] = Lane(KnownTopics(self._producer), *place, most=lambda: self.limit(topic))
        return lane


def _too_large(number: int, weight: int, topic: str, limit: int) -> Refused:
    return Refused(number, TOO_LARGE, f"the record is {weight} bytes; {topic} takes {limit}")
