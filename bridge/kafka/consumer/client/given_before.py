"""Asks a broker for what lies before an offset that it does not find: the answer goes on with what is stored there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiokafka.errors import BrokerResponseError, KafkaError, OffsetOutOfRangeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.kafka.consumer.chunk import Partition
    from bridge.kafka.consumer.client.kafka_client import KafkaClient

_BACK = 1_000
"""How many offsets are tried."""


async def given_before(client: KafkaClient, partition: Partition, offset: int, still: Callable[[], bool]) -> bytes:
    """What the broker gives from the nearest batch before ``offset`` on that it finds; nothing where it finds none, or does not answer.

    It may find one by its first offset only, which may be far back. ``still``: whether the assignment stands.
    """
    for before in range(offset - 1, max(0, offset - _BACK) - 1, -1):
        try:
            raw = await client.raw(partition, before)
        except BrokerResponseError as error:
            raw = b""
            if error.retriable or isinstance(error, OffsetOutOfRangeError):
                break
        except KafkaError:
            break
        if raw or not still():
            return raw
    return b""
