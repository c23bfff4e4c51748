"""What consumer groups have committed, asked and written by somebody who is no member of theirs.

A young broker makes its topic of offsets when it is first asked for a group, and one that has just begun to lead a group reads its
offsets first. Both say so, and are asked again.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from aiokafka import AIOKafkaConsumer, errors

from bridge.kafka.connection import client_options
from bridge.kafka.topics import unreachable
from bridge.model.errors import KafkaError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping

    from aiokafka import TopicPartition
    from aiokafka.structs import OffsetAndMetadata

    from bridge.settings import KafkaSettings

_T = TypeVar("_T")
_PAUSE_SECONDS: Final = 0.3
_BROKERS: Final = "look at the brokers: the coordinator of the group must be there"


async def groups_named(kafka: KafkaSettings, client: Any, prefix: str) -> list[str]:
    """Groups whose names begin so; ``client`` is a started admin client. Raises ``KafkaError`` when they cannot be had in time."""

    async def ask() -> list[str]:
        return sorted(group for group, *_ in await client.list_consumer_groups() if group.startswith(prefix))

    return await _settled(kafka, ask, "the groups")


async def group_offsets(
    kafka: KafkaSettings, client: Any, group: str, partitions: Collection[TopicPartition]
) -> dict[TopicPartition, OffsetAndMetadata]:
    """The offset and the note of every one of these partitions, offset -1 where the group has committed nothing.

    Raises ``KafkaError`` when they cannot be had within the time of a request.
    """
    wanted = list(partitions)

    async def ask() -> dict[TopicPartition, OffsetAndMetadata]:
        try:
            found: dict[TopicPartition, OffsetAndMetadata] = await client.list_consumer_group_offsets(
                group, partitions=wanted
            )
        except errors.NoError:  # what the client raises for the error of a partition
            raise KafkaError(
                f"offsets of the group {group} cannot be read", hint="may this user read the group and the topic?"
            ) from None
        if found.keys() != set(wanted):
            # The client passes over an error of the group as a whole, and tells of no partition.
            raise errors.GroupCoordinatorNotAvailableError(group)
        return found

    return await _settled(kafka, ask, f"offsets of the group {group}") if wanted else {}


async def _settled(kafka: KafkaSettings, ask: Callable[[], Awaitable[_T]], what: str) -> _T:
    loop = asyncio.get_running_loop()
    until = loop.time() + kafka.request_timeout_seconds
    while True:
        try:
            return await ask()
        except errors.KafkaError as error:
            if not error.retriable:
                raise
            if loop.time() >= until:
                raise KafkaError(f"{what} cannot be had: {error}", hint=_BROKERS) from error
        await asyncio.sleep(_PAUSE_SECONDS)


class OffsetKeeper:
    """Commits offsets of a group that has no members, while entered; connected when there is something to keep.

    Its assignment never changes: a consumer that is assigned anew while its group's coordinator is being asked fails.
    """

    def __init__(self, kafka: KafkaSettings, group: str, partitions: Collection[TopicPartition]) -> None:
        self._kafka = kafka
        self._group = group
        self._partitions = list(partitions)
        self._consumer: Any = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._consumer is not None:
            await self._consumer.stop()

    async def keep(self, offsets: Mapping[TopicPartition, tuple[int, str]]) -> None:
        """Commit the offsets and the notes beside them, all at once. Raises ``KafkaError`` when that is not confirmed in time."""
        try:
            async with asyncio.timeout(self._kafka.request_timeout_seconds):
                if self._consumer is None:
                    await self._connect()
                await self._consumer.commit(dict(offsets))
        except TimeoutError:
            raise KafkaError(
                f"the group {self._group} did not accept offsets within {self._kafka.request_timeout_seconds:g} s",
                hint=f"{_BROKERS}; the next run repeats what was done since the last offset",
            ) from None
        except (errors.KafkaError, OSError) as error:
            raise unreachable(self._kafka, error) from error

    async def _connect(self) -> None:
        self._consumer = AIOKafkaConsumer(
            **client_options(self._kafka), group_id=self._group, enable_auto_commit=False, auto_offset_reset="earliest"
        )
        await self._consumer.start()
        self._consumer.assign(self._partitions)
        # It is not to read.
        self._consumer.pause(*self._partitions)
