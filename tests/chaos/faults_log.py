"""What can happen to a partition's log under a running worker: a batch rots on the disk, or retention overtakes the group."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import orjson
from confluent_kafka import Consumer, TopicPartition
from faults import fault
from log_files import batches, flip
from stage import GROUP, PARTITIONS, TOPIC

from bridge.testing.kafka.admin import admin_client
from bridge.testing.kafka.offsets import committed_offsets, first_and_end
from bridge.testing.numbered_events import number_of
from bridge.testing.processes import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from faults import Planned
    from stage import Stage

_STANDING = 3.0
"""Seconds that workers are stopped for so that records are there which nobody has fetched: less than their session."""
_SHOWN = 12.0
"""Seconds that a damaged batch stays as it is: until it must have been told."""


@fault("broker", _SHOWN + 4, _SHOWN + 8, spares=False)
async def damaged_batch(stage: Stage, planned: Planned) -> None:
    """One byte of a batch that nobody has read yet is another on the leader's disk; then it is mended."""
    partition = planned.rng.randrange(PARTITIONS)
    path = await asyncio.to_thread(_log_of_leader, stage, partition)
    before = path.stat().st_size
    stopped = await _stand_still(stage)
    try:
        await asyncio.sleep(_STANDING)
        high = await asyncio.to_thread(_high_watermark, stage, partition)
        unread = [each for each in batches(path, before) if each.last < high]
    finally:
        # Damaged before they go on, or they would read what is still whole.
        damaged = flip(path, unread[-1]) if unread else None
        _resume(stage, stopped)
    try:
        await asyncio.sleep(planned.seconds)
    finally:
        if damaged is not None:
            flip(path, damaged)


@fault("broker", 10, 14, spares=False)
async def retention_overtakes(stage: Stage, planned: Planned) -> None:
    """Kafka deletes records of a partition that nobody has read: they are gone, and it must be told."""
    began, partition = time.monotonic(), planned.rng.randrange(PARTITIONS)
    stopped = await _stand_still(stage)
    try:
        await asyncio.sleep(_STANDING)
        stage.deletions.append((began, await asyncio.to_thread(_delete_unread, stage, partition)))
    finally:
        _resume(stage, stopped)
    await asyncio.sleep(planned.seconds)


async def _stand_still(stage: Stage) -> list[str]:
    names = [name for name in stage.workers if stage.roles[name].process.alive]
    for name in names:
        stage.roles[name].process.pause()
    return names


def _resume(stage: Stage, names: list[str]) -> None:
    for name in names:
        if stage.roles[name].process.alive:
            stage.roles[name].process.resume()


def _log_of_leader(stage: Stage, partition: int) -> Path:
    """The newest log file of the partition, of the broker that leads it."""
    found = admin_client(stage.cluster.bootstrap).list_topics(TOPIC, timeout=5).topics[TOPIC].partitions[partition]
    (leader,) = (broker for broker in stage.cluster.brokers if broker.node.id == found.leader)
    folder = leader.directory / "data" / f"{TOPIC}-{partition}"
    # Of a topic that was made just now the brokers name a leader before it has its files.
    return max(eventually(lambda: list(folder.glob("*.log")), within=20, what=f"{folder} has a log"))


def _reader(stage: Stage) -> Consumer:
    return Consumer({"bootstrap.servers": stage.cluster.bootstrap, "group.id": GROUP, "enable.auto.commit": False})


def _high_watermark(stage: Stage, partition: int) -> int:
    reader = _reader(stage)
    try:
        return first_and_end(reader, TopicPartition(TOPIC, partition))[1]
    finally:
        reader.close()


def _delete_unread(stage: Stage, partition: int) -> set[int]:
    """Delete what the group has not committed; numbers of the events that were there."""
    reader, place = _reader(stage), TopicPartition(TOPIC, partition)
    numbers: set[int] = set()
    try:
        (committed,) = committed_offsets(reader, [place])
        first, high = first_and_end(reader, place)
        begin = max(first, committed.offset)
        if begin >= high:
            return numbers
        reader.assign([TopicPartition(TOPIC, partition, begin)])
        offset = begin - 1
        while offset < high - 1:
            message = reader.poll(5)
            assert message is not None, f"offset {offset + 1} of partition {partition} cannot be read"
            if message.error() is None:
                offset = message.offset()
                number = number_of(str(orjson.loads(message.value()).get("event_uuid")))
                if number is not None and offset < high:
                    numbers.add(number)
        admin = admin_client(stage.cluster.bootstrap)
        for done in admin.delete_records([TopicPartition(TOPIC, partition, high)]).values():
            done.result(10)
    finally:
        reader.close()
    return numbers
