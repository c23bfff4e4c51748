"""What an operator can do to the topic: delete it while events flow, and make it again."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import orjson
from aiokafka.record.memory_records import MemoryRecords
from confluent_kafka import KafkaException
from faults import fault
from log_files import batches
from stage import PARTITIONS, TOPIC

from bridge.testing.kafka.admin import admin_client
from bridge.testing.numbered_events import number_of
from bridge.testing.processes import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from faults import Planned
    from stage import Stage

ABSENCE_TOLD = 40.0
"""Seconds within which the topic's absence is told: the client looks at the brokers' topics each half minute."""


@fault("broker", ABSENCE_TOLD + 2, ABSENCE_TOLD + 6, spares=False, brief=False, once=True)
async def topic_deleted(stage: Stage, planned: Planned) -> None:
    """The topic is deleted, with what nobody had delivered, and made again later: new events flow."""
    async with stage.topic_stays:
        committed = await asyncio.to_thread(stage.committed_offsets)
        admin = admin_client(stage.cluster.bootstrap)
        await asyncio.to_thread(admin.delete_topics([TOPIC])[TOPIC].result, 20)
        stage.deleted_topics.append(await asyncio.to_thread(_numbers_in_deleted_logs, stage, committed))
        try:
            await asyncio.sleep(planned.seconds)
        finally:
            await asyncio.to_thread(_made_again, stage)


def _made_again(stage: Stage) -> None:
    def made() -> bool:
        with contextlib.suppress(KafkaException):
            stage.create_event_topic()
            return True
        return False

    eventually(made, within=60, what="the topic is made again", every=1.0)


def _numbers_in_deleted_logs(stage: Stage, committed: dict[int, int]) -> set[int]:
    """Numbers of the events that lay behind the committed offsets, read from the brokers' files before they are removed.

    A broker renames the folder of a deleted partition, and removes it a minute later.
    """
    numbers: set[int] = set()
    for broker in stage.cluster.brokers:
        data = broker.directory / "data"

        def renamed(data: Path = data) -> list[Path]:
            found = sorted(data.glob(f"{TOPIC}-*-delete"))
            return found if len(found) >= PARTITIONS else []

        for folder in eventually(renamed, within=30, what=f"{data} has the folders of the deleted topic", every=0.2):
            first = committed.get(int(folder.name.removeprefix(f"{TOPIC}-").partition(".")[0]), 0)
            for log in folder.glob("*.log"):
                raw = log.read_bytes()
                for each in batches(log):
                    if each.last >= first:
                        numbers |= _numbers(raw[each.position : each.position + each.length], first)
    return numbers


def _numbers(batch: bytes, first: int) -> set[int]:
    found = set()
    records = MemoryRecords(batch)
    while (part := records.next_batch()) is not None:
        for record in part:
            if record.offset >= first:
                number = number_of(str(orjson.loads(record.value).get("event_uuid")))
                found |= set() if number is None else {number}
    return found
