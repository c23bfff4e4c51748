"""Records for a publisher on topics in memory: of one key, large ones, refused ones, and where a key's lie."""

from __future__ import annotations

import random

from bridge.kafka.producer.refusal import InvalidRecordError

NOISE = random.Random(1).randbytes(3_000_000)


def refuse(*values, error=InvalidRecordError):
    """Refuse batches that hold one of these values."""
    return lambda _topic, record: error() if record.value in values else None


def records(*values, key=b"k"):
    """Records of one key."""
    return [(key, value, ()) for value in values]


def publisher_place(publisher, key):
    """The partition of a key."""
    from aiokafka.partitioner import murmur2

    return (murmur2(key) & 0x7FFFFFFF) % len(publisher._producer.cluster.partitions_for_topic("events"))
