"""How long the event topic keeps its records: what an alert compares with the age of the oldest that is not delivered."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

import structlog
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from bridge.kafka.topics import admin
from bridge.model.errors import KafkaError

if TYPE_CHECKING:
    from bridge.settings import KafkaSettings
    from bridge.telemetry.metrics import Metrics

_log = structlog.get_logger(__name__)
_KEY = "retention.ms"
_EVERY_SECONDS = 300.0


async def watch_retention(kafka: KafkaSettings, metrics: Metrics) -> None:
    """Ask every five minutes until cancelled, as it may be changed at any time; log when it is not known, once in a row."""
    known = True
    while True:
        found, why = math.nan, "the brokers do not report it"
        try:
            found = await retention_seconds(kafka)
        except KafkaError as error:
            why = str(error)
        except Exception as error:  # noqa: BLE001 - nobody else would hear of it, and what was known last would stand for ever
            why = f"unexpected {type(error).__name__}"
        if math.isnan(found) and known:
            _log.warning(
                "retention_unknown",
                detail="The topic's retention is not known, so that the loss of records cannot be foreseen.",
                topic=kafka.topic,
                why=why,
            )
        metrics.topic_retention_seconds.set(found)
        known = not math.isnan(found)
        await asyncio.sleep(_EVERY_SECONDS)


async def retention_seconds(kafka: KafkaSettings) -> float:
    """Seconds that the event topic keeps a record, infinite for ever; NaN where the broker does not tell."""
    async with admin(kafka) as client:
        answers = await client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, kafka.topic, {_KEY: ""})])
    for answer in answers:
        for code, _message, _kind, _name, entries in answer.resources:
            for key, value, *_ in entries if code == 0 else ():
                if key == _KEY and value:
                    return math.inf if int(value) < 0 else int(value) / 1000.0
    return math.nan
