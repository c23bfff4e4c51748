"""What a consumer group has committed, and the notes beside it, asked by somebody who is no member."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiokafka import TopicPartition

from bridge.kafka.group_offsets import group_offsets
from bridge.kafka.topics import admin, ensure_topics
from bridge.model.day_counts import NotedOffset

if TYPE_CHECKING:
    from bridge.settings import KafkaSettings


async def noted_offsets(kafka: KafkaSettings) -> dict[int, NotedOffset]:
    """Partition -> what the route's group has committed, and the note beside it; none where it has committed nothing.

    Raises ``KafkaError``, ``TopicMissing`` too.
    """
    count = (await ensure_topics(kafka, create=False, topics=[kafka.topic]))[kafka.topic]
    wanted = [TopicPartition(kafka.topic, number) for number in range(count)]
    async with admin(kafka) as client:
        found = await group_offsets(kafka, client, kafka.group, wanted)
    return {
        place.partition: NotedOffset(told.offset, told.metadata or "")
        for place, told in found.items()
        if told.offset >= 0
    }
