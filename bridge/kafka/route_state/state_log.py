"""The compacted topic of a route's state: made or checked at the start, written and read by partition.

It stands beside the topic of the bridge's own small state, which is read whole with every assignment: a route's has a record for each
customer, and as many partitions as its events, so that a worker reads those of its own partitions alone.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

import structlog
from aiokafka import errors
from aiokafka.admin import NewTopic

from bridge.kafka.route_state.state_reader import StateBatch, StateReader
from bridge.kafka.topic_facts import BROKERS_TIME, UnfitTopic, describe
from bridge.kafka.topics import LeaderMissing, TopicMissing, admin, ensure_topics
from bridge.model.errors import KafkaError
from bridge.settings import variable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from bridge.model.record import Record
    from bridge.settings import KafkaSettings

_log = structlog.get_logger(__name__)
_SAFE_REPLICATION: Final = 3
_READY_SECONDS: Final = 0.2
_TRIES: Final = 50
_CONFIG: Final = {
    "cleanup.policy": "compact",
    # The segment that is written to is not compacted, and what is not compacted is read for nothing.
    "segment.ms": "3600000",
    "min.cleanable.dirty.ratio": "0.2",
    "message.timestamp.type": BROKERS_TIME,
}


class StatePublisher(Protocol):
    """What is needed of :class:`bridge.kafka.producer.publisher.KafkaPublisher`."""

    async def publish(
        self, records: Sequence[Record], *, topic: str | None = None, partition: int | None = None
    ) -> None:
        """Write, and return when all are confirmed."""
        ...

    def knows(self, topic: str) -> bool:
        """Whether it can be written to; if not, it asks the brokers for it."""
        ...


def state_topic(kafka: KafkaSettings, route: str) -> str:
    """Name of the topic of a route's state."""
    return kafka.state_topic_of(route)


def state_topic_config(kafka: KafkaSettings) -> dict[str, str]:
    """How the topic is configured where the bridge makes it."""
    return {**_CONFIG, **({"min.insync.replicas": "2"} if kafka.replication_factor >= _SAFE_REPLICATION else {})}


async def check_state_topic(kafka: KafkaSettings, name: str, *, same_partitions: bool) -> int:
    """Its partitions. ``TopicMissing``; ``UnfitTopic`` where it would forget, or has another number of partitions than the events."""
    wanted = (name, *((kafka.topic,) if same_partitions else ()))
    counts = await ensure_topics(kafka, create=False, topics=wanted)
    if same_partitions and counts[name] != counts[kafka.topic]:
        raise UnfitTopic(
            f"the topic {kafka.topic} has {counts[kafka.topic]} partitions, and its state topic {name} has {counts[name]}:"
            " the state of a customer would not be found",
            hint=f"give {kafka.topic} as many partitions as {name}, or stop the route's workers, delete {name}, and send the events of"
            f" {kafka.topic} once more (aep-bridge replay), which makes the state anew",
        )
    try:
        async with admin(kafka) as client:
            policy = (await describe(client, (name,)))[name].cleanup_policy
    except KafkaError as error:
        # Describing configurations is a right of its own.
        _log.warning(
            "state_topic_not_described",
            detail="Whether the state topic keeps what is in it cannot be checked.",
            topic=name,
            error=str(error),
        )
        return counts[name]
    if policy is not None and policy.replace(" ", "") != "compact":
        raise UnfitTopic(
            f"the state topic {name} has cleanup.policy={policy}: it would forget customers",
            hint=f"kafka-configs.sh --bootstrap-server {kafka.bootstrap_servers[0]} --alter --entity-type topics --entity-name {name}"
            " --add-config cleanup.policy=compact",
        )
    return counts[name]


class StateLog:
    """Writes and reads the state of ``route``; ``KafkaError`` says why it cannot.

    ``same_partitions``: its partitions are those of the events.
    """

    def __init__(self, kafka: KafkaSettings, route: str, publisher: StatePublisher, *, same_partitions: bool) -> None:
        self._kafka = kafka
        self._publisher = publisher
        self._same_partitions = same_partitions
        self.name = state_topic(kafka, route)

    async def open(self) -> int:
        """Find the topic, made where topics are made; its partitions. Errors as :func:`check_state_topic`."""
        made = False
        while True:
            try:
                partitions = await check_state_topic(self._kafka, self.name, same_partitions=self._same_partitions)
            except LeaderMissing:
                if not made:  # a topic has no leader at first
                    raise
                await asyncio.sleep(_READY_SECONDS)
            except TopicMissing:
                events = (await ensure_topics(self._kafka, create=False, topics=(self._kafka.topic,)))[
                    self._kafka.topic
                ]
                if not self._kafka.create_topics:
                    raise TopicMissing(f"no such topic: {self.name}", hint=self._how_to_make(events)) from None
                await self._create(events)
                made = True
                await asyncio.sleep(_READY_SECONDS)
            else:
                await self._known()
                return partitions

    async def _known(self) -> None:
        for _ in range(_TRIES):
            if self._publisher.knows(self.name):
                return
            await asyncio.sleep(_READY_SECONDS)
        raise KafkaError(f"the producer does not learn of the topic {self.name}")

    async def _create(self, partitions: int) -> None:
        config = state_topic_config(self._kafka)
        async with admin(self._kafka) as client:
            new = NewTopic(self.name, partitions, self._kafka.replication_factor, topic_configs=config)
            for _, code, *_more in (await client.create_topics([new])).topic_errors:
                if code == 0:
                    _log.info(
                        "topic_created",
                        detail="The topic was missing and has been created.",
                        topic=self.name,
                        partitions=partitions,
                    )
                elif code != errors.TopicAlreadyExistsError.errno:
                    raise KafkaError(
                        f"the topic {self.name} cannot be created: {errors.for_code(code).__name__}",
                        hint=self._how_to_make(partitions),
                    )

    def _how_to_make(self, partitions: int) -> str:
        options = " ".join(f"--config {name}={value}" for name, value in state_topic_config(self._kafka).items())
        return (
            f"set {variable('kafka', 'create_topics')}=true, or: kafka-topics.sh --bootstrap-server"
            f" {self._kafka.bootstrap_servers[0]} --create --topic {self.name} --partitions {partitions}"
            f" --replication-factor {self._kafka.replication_factor} {options}"
        )

    async def append(self, partition: int | None, entries: Sequence[tuple[bytes, bytes | None]]) -> None:
        """Store by key, in this order; None forgets a key. Without a ``partition`` each goes to that of its key.

        Of an error it is not known whether anything is stored, or will be.
        """
        records: list[Record] = [(key, value, ()) for key, value in entries]
        await self._publisher.publish(records, topic=self.name, partition=partition)

    async def read(self, since: Mapping[int, int]) -> AsyncIterator[StateBatch]:
        """What lies in these partitions from these offsets on, up to their ends at the time of the call."""
        async with StateReader(self._kafka, self.name) as reader:
            async for batch in reader.read(since):
                yield batch
