"""What a broker stores and no client can read: a batch that rots on its disk, and a record whose header has no UTF-8 name."""

from __future__ import annotations

import struct
import time
from typing import TYPE_CHECKING, Any

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_CRC_AT, _CHECKED_FROM, _LAST_DELTA_AT = 17, 21, 23


def rot(data: Path, topic: str, partition: int, *, at: int = 400) -> bytes:
    """Change one byte of a partition's log on the disk, and give what it was. Brokers do not look when they are asked for it."""
    (segment,) = (data / f"{topic}-{partition}").glob("*.log")
    with segment.open("r+b") as log:
        log.seek(at)
        before = log.read(1)
        log.seek(at)
        log.write(bytes([before[0] ^ 0xFF]))
    return before


def mend(data: Path, topic: str, partition: int, before: bytes, *, at: int = 400) -> None:
    """Put the byte back."""
    (segment,) = (data / f"{topic}-{partition}").glob("*.log")
    with segment.open("r+b") as log:
        log.seek(at)
        log.write(before)


async def send_with_bad_header(
    bootstrap: str, topic: str, events: Iterable[dict[str, Any]], bad: dict[str, Any], *, after: int, partition: int = 0
) -> None:
    """One batch of these events, with ``bad`` among them ``after`` so many, which has a header that is not UTF-8."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, max_batch_size=900_000)
    await producer.start()
    try:
        batch = producer.create_batch()
        for number, event in enumerate(events):
            if number == after:
                batch.append(key=b"bad", value=orjson.dumps(bad), timestamp=None, headers=[("ZZZZ", b"x")])
            batch.append(key=b"good", value=orjson.dumps(event), timestamp=None)
        batch.close()
        raw = bytearray(batch._build())
        at = raw.index(b"ZZZZ")
        raw[at : at + 4] = b"\xff\xfe\xfd\xfc"
        struct.pack_into(">I", raw, _CRC_AT, calc_crc32c(bytes(raw[_CHECKED_FROM:])))
        batch._build = lambda: raw
        await (await producer.send_batch(batch, topic, partition=partition))
    finally:
        await producer.stop()


async def send_numbered_alike(
    bootstrap: str, topic: str, events: Iterable[dict[str, Any]], *, partition: int = 0
) -> None:
    """One batch of these events, as a producer sends it that gives all records of a batch the same offset."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, max_batch_size=900_000)
    await producer.start()
    try:
        batch, builder = producer.create_batch(), DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 900_000)
        made = [orjson.dumps(event) for event in events]
        now = int(time.time() * 1000)
        for value in made:
            batch.append(key=b"alike", value=value, timestamp=now)
            builder.append(0, now, b"alike", value, [])
        batch.close()
        raw = bytearray(builder.build())
        struct.pack_into(">i", raw, _LAST_DELTA_AT, len(made) - 1)
        struct.pack_into(">I", raw, _CRC_AT, calc_crc32c(bytes(raw[_CHECKED_FROM:])))
        batch._build = lambda: raw
        await (await producer.send_batch(batch, topic, partition=partition))
    finally:
        await producer.stop()
