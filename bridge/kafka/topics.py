"""The two topics are there before anything runs: checked always, created only on request, never by accident.

A client that asks the brokers about a topic *by name* creates it where ``auto.create.topics.enable`` is on (Kafka's own
default), with one partition. So the question is put as "which topics are there?", which creates nothing.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import structlog
from aiokafka import errors
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from bridge.kafka.connection import client_options
from bridge.kafka.reaching import why
from bridge.kafka.topic_facts import BROKERS_TIME
from bridge.model.errors import KafkaError
from bridge.settings import variable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from bridge.settings import KafkaSettings

log = structlog.get_logger(__name__)


class TopicMissing(KafkaError):  # noqa: N818 - it reads as the verdict that it is
    """A topic is not there and was not to be created: waiting does not help."""


class LeaderMissing(KafkaError):  # noqa: N818 - as above
    """A topic is there, and the brokers that hold one of its partitions are away: it passes when they come back."""


_SAFE_REPLICATION = 3
DEFAULT_MESSAGE_BYTES = 1_048_588
"""What Kafka takes as one message where nothing else is configured (``message.max.bytes``)."""
CREATED_MESSAGE_BYTES = 16_000_000
"""``max.message.bytes`` of topics that the bridge creates: the largest body the receiver takes by default, and room."""
_TIMES = "message.timestamp.type"
"""Records carry the broker's time. With the writer's (Kafka's default) a host whose clock is wrong does harm: what is an hour
ahead Kafka refuses, and what is older than the retention it deletes before anybody has read it."""


@asynccontextmanager
async def admin(kafka: KafkaSettings) -> AsyncIterator[Any]:
    """A started ``AIOKafkaAdminClient``; ``KafkaError`` when the brokers cannot be reached, or anything fails inside."""
    client = AIOKafkaAdminClient(**client_options(kafka))
    try:
        await client.start()
        yield client
    except (errors.KafkaConnectionError, OSError, TimeoutError) as error:
        told, hint = await why(kafka.bootstrap_servers, kafka.security_protocol)
        raise KafkaError(f"{_brokers(kafka)}: {told}", hint=hint) from error
    except errors.KafkaError as error:
        raise unreachable(kafka, error) from error
    finally:
        await client.close()


async def ensure_topics(
    kafka: KafkaSettings, *, create: bool | None = None, topics: Iterable[str] | None = None
) -> Mapping[str, int]:
    """Partitions of each of ``topics`` (default: the event and the dead-letter topic), every one of which is there.

    A missing topic is created when ``create`` (default: the setting ``create_topics``) says so, else ``TopicMissing``; one without
    a leader for each partition is ``LeaderMissing``; what else keeps brokers from answering is ``KafkaError``.
    """
    wanted = tuple(dict.fromkeys(topics if topics is not None else (kafka.topic, kafka.dead_letter_topic)))
    async with admin(kafka) as client:
        there = await _leaders(client)
        missing = [name for name in wanted if name not in there]
        if missing:
            if not (kafka.create_topics if create is None else create):
                raise TopicMissing(f"no such topic: {', '.join(missing)}", hint=_how_to_create(kafka, missing))
            await _create(client, kafka, missing)
            there = await _until_led(client, kafka, wanted)
        if left := "; ".join(_without_leader(name, there[name]) for name in wanted if not _led(there[name])):
            raise LeaderMissing(
                f"{_brokers(kafka)}: {left}", hint="the brokers that hold them are away: look at the brokers' health"
            )
        return {name: len(there[name]) for name in wanted}


async def _leaders(client: Any) -> dict[str, dict[int, int]]:
    """The leader of each partition of each topic that is there; below 0 where it has none now."""
    return {
        topic["topic"]: {partition["partition"]: partition["leader"] for partition in topic["partitions"]}
        for topic in await client.describe_topics()
        if topic["error_code"] == 0
    }


def _led(leaders: Mapping[int, int]) -> bool:
    return all(leader >= 0 for leader in leaders.values())


def _without_leader(topic: str, leaders: Mapping[int, int]) -> str:
    numbers = ", ".join(str(number) for number, leader in sorted(leaders.items()) if leader < 0)
    return f"topic {topic} has no leader for partition {numbers}"


async def _create(client: Any, kafka: KafkaSettings, names: list[str]) -> None:
    new = [
        NewTopic(
            name,
            kafka.partitions,
            kafka.replication_factor,
            topic_configs=_configuration(kafka, name),
        )
        for name in names
    ]
    answer = await client.create_topics(new)
    for name, code, *more in answer.topic_errors:
        if code not in (0, errors.TopicAlreadyExistsError.errno):
            what = (more[0] if more else None) or errors.for_code(code).__name__
            raise KafkaError(f"the topic {name} cannot be created: {what}", hint=_how_to_create(kafka, [name]))
        if code == 0:
            log.info(
                "topic_created",
                detail="The topic was missing and has been created.",
                topic=name,
                partitions=kafka.partitions,
                replication_factor=kafka.replication_factor,
            )


def _configuration(kafka: KafkaSettings, name: str) -> dict[str, str]:
    made = {"max.message.bytes": str(CREATED_MESSAGE_BYTES), _TIMES: BROKERS_TIME, "cleanup.policy": "delete"}
    if kafka.replication_factor >= _SAFE_REPLICATION:
        # With Kafka's default of 1 a confirmed record may lie on one disk alone.
        made["min.insync.replicas"] = "2"
    if name == kafka.dead_letter_topic:
        made["retention.ms"] = str(round(kafka.dead_letter_retention_days * 86_400_000))
    return made


async def _until_led(client: Any, kafka: KafkaSettings, wanted: tuple[str, ...]) -> dict[str, dict[int, int]]:
    # Creation is answered before every broker knows of it and leaders are chosen.
    try:
        async with asyncio.timeout(kafka.request_timeout_seconds):
            while True:
                there = await _leaders(client)
                if all(name in there and _led(there[name]) for name in wanted):
                    return there
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise KafkaError("topics were created but have no leader yet", hint="look at the brokers' health") from None


def unreachable(kafka: KafkaSettings, error: BaseException) -> KafkaError:
    """The words for brokers that do not answer as they should."""
    return KafkaError(
        f"{_brokers(kafka)}: {str(error) or type(error).__name__}",
        hint=f"check {variable('kafka', 'bootstrap_servers')}, {variable('kafka', 'security_protocol')} and the credentials",
    )


def _brokers(kafka: KafkaSettings) -> str:
    return f"Kafka at {', '.join(kafka.bootstrap_servers)} ({kafka.security_protocol})"


def _how_to_create(kafka: KafkaSettings, names: list[str]) -> str:
    commands = "; ".join(
        f"kafka-topics.sh --bootstrap-server {kafka.bootstrap_servers[0]} --create --topic {name}"
        f" --partitions {kafka.partitions} --replication-factor {kafka.replication_factor}"
        + "".join(f" --config {key}={value}" for key, value in _configuration(kafka, name).items())
        for name in names
    )
    return f"set {variable('kafka', 'create_topics')}=true, or: {commands}"
