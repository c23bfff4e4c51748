"""What the brokers say of a topic, and what of it loses events: judged at the start of receiver and worker, and by ``check``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from bridge.model.errors import KafkaError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from bridge.settings import KafkaSettings

BROKERS_TIME = "LogAppendTime"
_DAY_MS = 86_400_000
_SAFE_COPIES = 2
_SAFE_REPLICATION = 3
_LIMIT = "max.message.bytes"
_KEYS = (
    "cleanup.policy",
    _LIMIT,
    "message.timestamp.type",
    "min.insync.replicas",
    "retention.bytes",
    "retention.ms",
)


class UnfitTopic(KafkaError):  # noqa: N818 - it reads as the verdict that it is
    """A topic is configured so that events would be lost: it must be changed before anything runs."""


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """A topic as the brokers describe it; None for what they do not tell (describing configurations is a right of its own)."""

    name: str
    partitions: int
    replicas: int
    in_sync: int
    brokers: int
    cleanup_policy: str | None = None
    message_bytes: int | None = None
    timestamps: str | None = None
    min_in_sync: int | None = None
    retention_bytes: int | None = None
    retention_ms: int | None = None

    @property
    def words(self) -> str:
        """The facts in a line."""
        told = [f"{self.partitions} partitions", f"{self.replicas} replicas ({self.in_sync} in sync)"]
        if self.min_in_sync is not None:
            told.append(f"min.insync.replicas {self.min_in_sync}")
        if self.cleanup_policy is not None:
            told.append(f"cleanup {self.cleanup_policy}")
        if self.retention_ms is not None:
            told.append("kept for ever" if self.retention_ms < 0 else f"kept {self.retention_ms / _DAY_MS:g} days")
        return ", ".join(told)


@dataclass(frozen=True, slots=True)
class TopicFinding:
    """What is wrong with a topic: ``words`` follow its name, ``fix`` says what to do.

    ``fatal``: events would be lost for sure, and nothing starts. ``fails``: it cannot be worked with as it is.
    """

    name: str
    words: str
    fix: str
    fatal: bool = False
    fails: bool = False


async def describe(client: Any, topics: Iterable[str]) -> Mapping[str, TopicFacts]:
    """The facts of each of ``topics`` that is there, asked of a started admin client; its errors are the caller's."""
    wanted = tuple(dict.fromkeys(topics))
    brokers = len((await client.describe_cluster())["brokers"])
    configured = await _configured(client, wanted, _KEYS)
    there = {topic["topic"]: topic for topic in await client.describe_topics() if topic["partitions"]}
    return {name: _facts(there[name], brokers, configured.get(name, {})) for name in wanted if name in there}


async def describe_limits(client: Any, topics: Iterable[str]) -> Mapping[str, int]:
    """The largest batch of each of ``topics``, in bytes, of those that the brokers tell: a small question, fit to be repeated."""
    configured = await _configured(client, tuple(dict.fromkeys(topics)), (_LIMIT,))
    return {name: int(found[_LIMIT]) for name, found in configured.items() if _LIMIT in found}


async def _configured(client: Any, topics: tuple[str, ...], keys: tuple[str, ...]) -> dict[str, dict[str, str]]:
    resources = [ConfigResource(ConfigResourceType.TOPIC, name, dict.fromkeys(keys, "")) for name in topics]
    return {
        name: {key: value for key, value, *_ in entries if value is not None}
        for answer in await client.describe_configs(resources)
        for code, _message, _kind, name, entries in answer.resources
        if code == 0
    }


def judge_all(
    facts: Mapping[str, TopicFacts], kafka: KafkaSettings
) -> Iterator[tuple[TopicFacts, Sequence[TopicFinding]]]:
    """Each topic with what of it loses events."""
    events = facts.get(kafka.topic)
    for each in facts.values():
        found = list(judge(each, kafka))
        if each.name == kafka.dead_letter_topic and events is not None:
            found += _smaller_than(events, each, kafka)
        yield each, found


def judge(facts: TopicFacts, kafka: KafkaSettings) -> Iterator[TopicFinding]:
    """What of one topic's configuration loses events, the fatal first."""
    letters = facts.name == kafka.dead_letter_topic

    def set_to(setting: str) -> str:
        return _set_to(facts.name, kafka, setting)

    if "compact" in (facts.cleanup_policy or ""):
        why = (
            "Kafka refuses letters without a key and deletes all but the latest of a key"
            if letters
            else "Kafka deletes all but the latest event of a customer, also before it is delivered"
        )
        yield TopicFinding(
            "topic_compacted",
            f"is compacted (cleanup.policy={facts.cleanup_policy}): {why}",
            set_to("cleanup.policy=delete"),
            fatal=True,
            fails=True,
        )
    least = facts.min_in_sync
    if least is not None and facts.replicas >= _SAFE_REPLICATION and least < _SAFE_COPIES:
        yield TopicFinding(
            "topic_not_durable",
            f"confirms a record that lies on one broker alone (min.insync.replicas={least} of {facts.replicas} replicas):"
            " with its disk the record is lost",
            set_to(f"min.insync.replicas={_SAFE_COPIES}"),
        )
    if least is not None and facts.in_sync < least:
        yield TopicFinding(
            "topic_lacks_replicas",
            f"has {facts.in_sync} replicas in sync and min.insync.replicas={least}: Kafka refuses every write",
            "start the missing brokers again",
            fails=True,
        )
    elif facts.in_sync < facts.replicas:
        yield TopicFinding(
            "topic_lacks_replicas",
            f"has {facts.in_sync} of its {facts.replicas} replicas in sync",
            "look at the brokers' health",
        )
    if facts.replicas < min(_SAFE_REPLICATION, facts.brokers):
        yield TopicFinding(
            "topic_not_replicated",
            f"has {facts.replicas} replica{'s' * (facts.replicas > 1)} on {facts.brokers} brokers: with one disk events are lost",
            "kafka-reassign-partitions.sh gives a topic that exists more replicas; 3 in production",
        )
    yield from _kept_too_briefly(facts, kafka, set_to)
    if facts.timestamps is not None and facts.timestamps != BROKERS_TIME:
        yield TopicFinding(
            "topic_trusts_our_clock",
            f"uses the writer's time (message.timestamp.type={facts.timestamps}): a host whose clock is wrong has its events"
            " refused, or deleted too early",
            set_to(f"message.timestamp.type={BROKERS_TIME}"),
        )


def _set_to(topic: str, kafka: KafkaSettings, setting: str) -> str:
    return (
        f"kafka-configs.sh --bootstrap-server {kafka.bootstrap_servers[0]} --alter --entity-type topics"
        f" --entity-name {topic} --add-config {setting}"
    )


def _smaller_than(events: TopicFacts, letters: TopicFacts, kafka: KafkaSettings) -> Iterator[TopicFinding]:
    if events.message_bytes is None or letters.message_bytes is None:
        return
    if letters.message_bytes < events.message_bytes:
        yield TopicFinding(
            "topic_cuts_letters",
            f"takes {letters.message_bytes} bytes, and the event topic {events.message_bytes}: larger events become dead letters"
            " that are cut and cannot be replayed",
            _set_to(letters.name, kafka, f"max.message.bytes={events.message_bytes}"),
        )


def _kept_too_briefly(facts: TopicFacts, kafka: KafkaSettings, set_to: Callable[[str], str]) -> Iterator[TopicFinding]:
    days = kafka.dead_letter_retention_days if facts.name == kafka.dead_letter_topic else 1
    wanted = round(days * _DAY_MS)
    if facts.retention_ms is not None and 0 <= facts.retention_ms < wanted:
        what = "dead letters" if facts.name == kafka.dead_letter_topic else "events that wait for delivery"
        yield TopicFinding(
            "topic_forgets_early",
            f"deletes {what} after {facts.retention_ms / _DAY_MS:.3g} days (retention.ms={facts.retention_ms})",
            set_to(f"retention.ms={wanted if facts.name == kafka.dead_letter_topic else 7 * _DAY_MS}"),
        )
    if facts.retention_bytes is not None and facts.retention_bytes >= 0:
        yield TopicFinding(
            "topic_forgets_by_size",
            f"deletes records beyond {facts.retention_bytes} bytes a partition (retention.bytes), however new they are",
            set_to("retention.bytes=-1"),
        )


def _facts(topic: Mapping[str, Any], brokers: int, configured: Mapping[str, str]) -> TopicFacts:
    def number(key: str) -> int | None:
        return int(configured[key]) if key in configured else None

    partitions = topic["partitions"]
    return TopicFacts(
        name=topic["topic"],
        partitions=len(partitions),
        replicas=min(len(partition["replicas"]) for partition in partitions),
        in_sync=min(len(partition["isr"]) for partition in partitions),
        brokers=brokers,
        cleanup_policy=configured.get("cleanup.policy"),
        message_bytes=number(_LIMIT),
        timestamps=configured.get("message.timestamp.type"),
        min_in_sync=number("min.insync.replicas"),
        retention_bytes=number("retention.bytes"),
        retention_ms=number("retention.ms"),
    )
