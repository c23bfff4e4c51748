"""Which of several topics of one name is there: Kafka numbers them (KIP-516, since 3.1), and aiokafka asks no broker for that.

A topic that is deleted and made again has other records at the same offsets, and a client that did not look meanwhile reads on in it as
if nothing had been. Only the identity tells them apart.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError
from aiokafka.protocol.abstract import AbstractType
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Boolean, CompactArray, CompactString, Int8, Int16, Int32, Schema, TaggedFields

if TYPE_CHECKING:
    from io import BytesIO

ABSENT: Final = b""
"""In the place of an identity: there is no such topic."""
_PATIENCE_SECONDS: Final = 2.0
_BYTES: Final = 16
_NONE: Final = bytes(_BYTES)


class _Uuid(AbstractType[bytes]):
    @classmethod
    def encode(cls, value: bytes) -> bytes:
        return value

    @classmethod
    def decode(cls, data: BytesIO) -> bytes:
        return data.read(_BYTES)

    @classmethod
    def repr(cls, value: bytes) -> str:
        return value.hex()


class _MetadataResponse(Response):
    API_KEY = 3
    API_VERSION = 12
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", CompactString("utf-8")),
                ("port", Int32),
                ("rack", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", CompactString("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", CompactString("utf-8")),
                ("topic_id", _Uuid),
                ("is_internal", Int8),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition_index", Int32),
                        ("leader_id", Int32),
                        ("leader_epoch", Int32),
                        ("replica_nodes", CompactArray(Int32)),
                        ("isr_nodes", CompactArray(Int32)),
                        ("offline_replicas", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("topic_authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _MetadataRequest(RequestStruct):
    FLEXIBLE_VERSION = True
    API_KEY = 3
    API_VERSION = 12
    RESPONSE_TYPE = _MetadataResponse
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(("topic_id", _Uuid), ("name", CompactString("utf-8")), ("tags", TaggedFields)),
        ),
        ("allow_auto_topic_creation", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class _Identities(Request[_MetadataRequest]):
    API_KEY = 3

    def __init__(self, topic: str) -> None:
        self._topic = topic

    def build(self, request_struct_class: type[_MetadataRequest]) -> _MetadataRequest:
        return request_struct_class([(_NONE, self._topic, {})], False, False, {})


async def topic_identity(client: Any, node: int, topic: str) -> bytes | None:
    """What tells the topic from others of its name; :data:`ABSENT` where there is none, None where this is not to be learned now.

    ``client`` is an ``AIOKafkaClient``, ``node`` the broker to ask. A net below the client's own work: nothing of it may wait, or fail.
    """
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            answer = await client.send(node, _Identities(topic))
    except (KafkaError, TimeoutError, OSError, NotImplementedError):
        return None  # NotImplementedError: the broker is older than the request
    for code, _name, identity, *_more in answer.topics:
        if code == UnknownTopicOrPartitionError.errno:
            return ABSENT
        if not code and identity != _NONE:
            return bytes(identity)
    return None
