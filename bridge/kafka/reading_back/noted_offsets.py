"""What a consumer group has committed, and the notes beside it, asked by somebody who is no member."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from aiokafka import TopicPartition, errors

from bridge.kafka.topics import admin, ensure_topics
from bridge.model.day_counts import NotedOffset
from bridge.model.errors import KafkaError

if TYPE_CHECKING:
    from bridge.settings import KafkaSettings

_COORDINATOR_TRIES: Final = 30
_COORDINATOR_SECONDS: Final = 0.5


async def noted_offsets(kafka: KafkaSettings) -> dict[int, NotedOffset]:
    """Partition -> what the route's group has committed, and the note beside it; none where it has committed nothing."""
    count = (await ensure_topics(kafka, create=False, topics=[kafka.topic]))[kafka.topic]
    wanted = [TopicPartition(kafka.topic, number) for number in range(count)]
    async with admin(kafka) as client:
        for _ in range(_COORDINATOR_TRIES):
            if (found := await _group_offsets(client, kafka.group, wanted)) is not None:
                return {
                    place.partition: NotedOffset(told.offset, told.metadata or "")
                    for place, told in found.items()
                    if told.offset >= 0
                }
            await asyncio.sleep(_COORDINATOR_SECONDS)
    raise KafkaError(
        f"the offsets of the group {kafka.group} cannot be had",
        hint="its coordinator is not there; look at the brokers",
    )


async def _group_offsets(client: Any, group: str, wanted: list[TopicPartition]) -> dict[TopicPartition, Any] | None:
    """None while there is no coordinator that knows them.

    A young broker makes its topic of offsets when it is first asked, and one that has just begun to lead it reads it first; the
    client passes over that error, and tells of no partition.
    """
    try:
        found: dict[TopicPartition, Any] = await client.list_consumer_group_offsets(group, partitions=wanted)
    except (
        errors.GroupCoordinatorNotAvailableError,
        errors.GroupLoadInProgressError,
        errors.NotCoordinatorForGroupError,
    ):
        return None
    return found if found.keys() == set(wanted) else None
