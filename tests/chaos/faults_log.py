"""What can happen to a partition's log under a running worker: a batch rots on the disk, or retention overtakes the group."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson
from confluent_kafka import Consumer, TopicPartition
from faults import fault
from kafka_topics import admin_client
from numbered_events import number_of
from stage import GROUP, PARTITIONS, TOPIC

if TYPE_CHECKING:
    from pathlib import Path

    from faults import Planned
    from stage import Stage

_STANDING = 3.0
"""Seconds that workers are stopped for so that records are there which nobody has fetched: less than their session."""
_SHOWN = 12.0
"""Seconds that a damaged batch stays as it is: until it must have been told."""


@dataclass(frozen=True, slots=True)
class _Batch:
    """A record batch in a log file: where it begins, its length, and its first and last offset (KIP-98, format 2)."""

    position: int
    length: int
    first: int
    last: int


@fault("broker", _SHOWN + 2, _SHOWN + 6, spares=False)
async def damaged_batch(stage: Stage, planned: Planned) -> None:
    """One byte of a batch that nobody has read yet is another on the leader's disk; then it is mended."""
    partition = planned.rng.randrange(PARTITIONS)
    path = await asyncio.to_thread(_log_of_leader, stage, partition)
    before = path.stat().st_size
    stopped = await _stand_still(stage)
    try:
        await asyncio.sleep(_STANDING)
        high = await asyncio.to_thread(_high_watermark, stage, partition)
        batches = [each for each in _batches(path, before) if each.last < high]
    finally:
        # Damaged before they go on, or they would read what is still whole.
        damaged = _flip(path, batches[-1]) if batches else None
        _resume(stage, stopped)
    try:
        await asyncio.sleep(planned.seconds)
    finally:
        if damaged is not None:
            _flip(path, damaged)


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
    return max((leader.directory / "data" / f"{TOPIC}-{partition}").glob("*.log"))


def _reader(stage: Stage) -> Consumer:
    return Consumer({"bootstrap.servers": stage.cluster.bootstrap, "group.id": GROUP, "enable.auto.commit": False})


def _high_watermark(stage: Stage, partition: int) -> int:
    reader = _reader(stage)
    try:
        return int(reader.get_watermark_offsets(TopicPartition(TOPIC, partition), timeout=5)[1])
    finally:
        reader.close()


def _delete_unread(stage: Stage, partition: int) -> set[int]:
    """Delete what the group has not committed; numbers of the events that were there."""
    reader, place = _reader(stage), TopicPartition(TOPIC, partition)
    numbers: set[int] = set()
    try:
        (committed,) = reader.committed([place], timeout=5)
        first, high = reader.get_watermark_offsets(place, timeout=5)
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


def _batches(path: Path, start: int) -> list[_Batch]:
    """Batches of a log file that begin at ``start`` bytes or later."""
    data, position, found = path.read_bytes(), 0, []
    while position + 61 <= len(data):
        length = 12 + int.from_bytes(data[position + 8 : position + 12], "big")
        if length <= 61 or position + length > len(data):
            break
        first = int.from_bytes(data[position : position + 8], "big")
        if position >= start:
            delta = int.from_bytes(data[position + 23 : position + 27], "big")
            found.append(_Batch(position, length, first, first + delta))
        position += length
    return found


def _flip(path: Path, batch: _Batch) -> _Batch:
    """Turn over the last byte of the batch; a second time mends it."""
    with path.open("r+b") as file:
        file.seek(batch.position + batch.length - 1)
        byte = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte[0] ^ 0xFF]))
    return batch
