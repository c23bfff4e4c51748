"""What a broker stores and no client can read: a batch that rots on its disk, and a record whose header has no UTF-8 name."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.record.util import calc_crc32c

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_CRC_AT, _CHECKED_FROM = 17, 21


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
