"""How much a topic takes, read from the brokers: at the start, every minute, and when a broker refuses a record for its size."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from bridge.kafka.topic_facts import UnfitTopic, describe, describe_limits, judge_all
from bridge.kafka.topics import DEFAULT_MESSAGE_BYTES, admin
from bridge.model.errors import BridgeError, KafkaError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bridge.kafka.topic_facts import TopicFacts
    from bridge.settings import KafkaSettings

log = structlog.get_logger(__name__)

REREAD_SECONDS = 60.0
"""How often the limits are read again without a reason; one that was raised is known after that time."""
_FRESH_SECONDS = 0.5
"""Seconds for which limits count as current: many callers may be refused at once."""
_OVERHEAD = 110
"""A batch's header, a record's lengths, and the frame around what is compressed, generously."""
_UNCOMPRESSIBLE = 2_048
"""Of this many bytes one is kept for what a codec adds to data that does not compress: lz4 one in 8,000, gzip one in 3,000."""


class TopicLimits:
    """The limits of ``topics``. Kafka's default counts where the brokers do not report it."""

    def __init__(self, kafka: KafkaSettings, topics: tuple[str, ...], *, clock: Callable[[], float]) -> None:
        self._kafka = kafka
        self._topics = topics
        self._clock = clock
        self._bytes: dict[str, int] = dict.fromkeys(topics, DEFAULT_MESSAGE_BYTES)
        self._read_at: float | None = None
        self._reading = asyncio.Lock()

    def record_limit(self, topic: str) -> int:
        """The most bytes that ``record_bytes`` of one record may come to in ``topic``, whether or not it compresses."""
        most = self._bytes.get(topic, DEFAULT_MESSAGE_BYTES)
        return most - _OVERHEAD - most // _UNCOMPRESSIBLE

    async def look(self, *, refuse: bool) -> None:
        """Read the limits, and warn of what the topics' configuration may lose.

        Of what it will lose raise ``UnfitTopic``; without ``refuse`` it is told only: what runs already goes on, since
        holding back would lose more.
        """
        try:
            facts = await self._facts()
        except KafkaError as error:
            # Describing configurations is a right of its own, and an older or embedded broker may not know the request.
            log.warning(
                "topic_limits_unknown",
                detail="The topics' max.message.bytes cannot be read; the default is assumed.",
                assumed_bytes=DEFAULT_MESSAGE_BYTES,
                error=str(error),
            )
            return
        self._learn({name: each.message_bytes for name, each in facts.items() if each.message_bytes is not None})
        for each, findings in judge_all(facts, self._kafka):
            for finding in findings:
                if finding.fatal and refuse:
                    raise UnfitTopic(f"the topic {each.name} {finding.words}", hint=finding.fix)
                tell = log.error if finding.fatal else log.warning
                tell(
                    finding.name,
                    detail="The topic as it is may lose records or refuse them.",
                    topic=each.name,
                    risk=finding.words,
                    fix=finding.fix,
                )

    async def read_again(self) -> None:
        """Read the limits, unless that was done a moment ago; where it fails those known stay."""
        async with self._reading:
            if self._read_at is not None and self._clock() - self._read_at < _FRESH_SECONDS:
                return
            before = dict(self._bytes)
            try:
                self._learn(await self._told())
            except Exception as error:  # noqa: BLE001 - those known stay, and who keeps them must live on
                self._read_at = self._clock()
                log.info(
                    "topic_limits_unread",
                    detail="The topics' max.message.bytes could not be read again; the known values stay.",
                    error=str(error) if isinstance(error, BridgeError) else type(error).__name__,
                )
            changed = {name: most for name, most in self._bytes.items() if before.get(name) != most}
            if changed:
                log.info(
                    "topic_limits_changed",
                    detail="The topics' max.message.bytes has changed.",
                    limits=changed,
                )

    def _learn(self, told: Mapping[str, int]) -> None:
        self._read_at = self._clock()
        self._bytes.update(told)

    async def _facts(self) -> Mapping[str, TopicFacts]:
        async with admin(self._kafka) as client:
            return await describe(client, self._topics)

    async def _told(self) -> Mapping[str, int]:
        async with admin(self._kafka) as client:
            return await describe_limits(client, self._topics)
