"""A line of ``aep-bridge check``, and the lines about Kafka that every kind of route has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bridge.model.errors import BridgeError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bridge.settings import KafkaSettings, Settings


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the table; ``todo`` says what to do where it is not ``ok``; ``route`` is "" where there are no several."""

    name: str
    ok: bool
    found: str
    todo: str = ""
    route: str = ""


def failed(name: str, error: BridgeError, *, todo: str = "") -> Check:
    """The line of a check that raised."""
    return Check(name, ok=False, found=str(error), todo=error.hint or todo)


async def kafka_checks(settings: Settings) -> AsyncIterator[Check]:
    """Brokers and topics of a route."""
    from bridge.kafka.topics import TopicMissing, ensure_topics

    try:
        partitions = await ensure_topics(settings.kafka, create=False)
    except TopicMissing as error:
        if settings.kafka.create_topics:
            yield Check("kafka", ok=True, found=f"{error}; the worker will create it")
        else:
            yield failed("kafka", error)
        return
    except BridgeError as error:
        yield failed("kafka", error)
        return
    counts = ", ".join(f"{topic} ({count} partitions)" for topic, count in partitions.items())
    try:
        await ensure_topics(settings.kafka, create=False, topics=(settings.kafka.state_topic,))
    except BridgeError as error:
        made = settings.kafka.create_topics
        counts += f"; {error}" + (
            "; the worker will create it" if made else ": an event that ends workers is not set aside"
        )
    topics = [each async for each in _topics(settings.kafka)]
    unfit = "".join(f"; the {each.name} cannot be used as it is: see its own line" for each in topics if not each.ok)
    yield Check("kafka", ok=not unfit, found=f"{', '.join(settings.kafka.bootstrap_servers)}: {counts}{unfit}")
    for each in topics:
        yield each


async def _topics(kafka: KafkaSettings) -> AsyncIterator[Check]:
    """A line a topic: how it is configured, and what of that loses events. What merely may is no failure."""
    from bridge.kafka.topic_facts import describe, judge_all
    from bridge.kafka.topics import admin

    kinds = {kafka.topic: "event topic", kafka.dead_letter_topic: "dead-letter topic"}
    try:
        async with admin(kafka) as client:
            facts = await describe(client, kinds)
    except BridgeError as error:
        yield Check("topics", ok=True, found=f"their configuration cannot be read: {error}")
        return
    for each, findings in judge_all(facts, kafka):
        found = [each.words, *(f"it {finding.words}" for finding in findings)]
        fixes = [finding.fix for finding in findings]
        if each.message_bytes is None:
            found.append("its configuration cannot be read: the permission DescribeConfigs on it is missing")
        yield Check(
            kinds[each.name],
            ok=not any(finding.fails for finding in findings),
            found="\n".join(found),
            todo="\n".join(fixes),
        )
