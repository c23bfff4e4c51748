"""What a worker waits for before its stream begins: the brokers, and the topics in which it remembers."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

import structlog

from bridge.kafka.topic_facts import UnfitTopic
from bridge.kafka.topics import TopicMissing
from bridge.model.errors import KafkaError

if TYPE_CHECKING:
    from bridge.kafka.producer.publisher import KafkaPublisher
    from bridge.kafka.state_topic import StateTopic
    from bridge.telemetry.health import Health
    from bridge.telemetry.metrics import Metrics
    from bridge.worker.accepted_state.state_keeper import StateKeeper

_log = structlog.get_logger(__name__)
_AGAIN_SECONDS: Final = 2.0
_TELL_SECONDS: Final = 1.0


async def connect(publisher: KafkaPublisher, stop: asyncio.Event, health: Health) -> bool:
    """Wait for Kafka, while readiness says why it takes so long; False when stopped before. A topic that is missing for good raises."""
    waiting = asyncio.create_task(publisher.connected())
    stopping = asyncio.create_task(stop.wait())
    done: set[asyncio.Task[object]] = set()
    while not done:
        if trouble := publisher.trouble:
            health.hold("kafka", trouble)
        done, _ = await asyncio.wait({waiting, stopping}, timeout=_TELL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not waiting.done():
        waiting.cancel()
        return False
    waiting.result()
    health.release("kafka")
    return True


async def open_state(keeper: StateKeeper | None, stop: asyncio.Event, health: Health) -> bool:
    """Find the topic of the route's state, where it has one; False when stopped before. One that cannot be used raises."""
    if keeper is None:
        return True
    while not stop.is_set():
        try:
            await keeper.open()
        except (TopicMissing, UnfitTopic):
            raise
        except KafkaError as error:
            health.hold("state_topic", f"the state topic cannot be opened: {error}")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_AGAIN_SECONDS):
                    await stop.wait()
        else:
            health.release("state_topic")
            return True
    return False


async def open_memory(state: StateTopic, metrics: Metrics) -> None:
    """Find the topic of what is remembered over restarts; without it work goes on, and that is told."""
    try:
        await state.open()
    except KafkaError as error:
        metrics.restart_memory.set(0)
        _log.warning(
            "restart_memory_unavailable",
            detail="A record that ends this process will not be remembered, and may end the next process too.",
            why=str(error),
            hint=error.hint,
        )
    else:
        metrics.restart_memory.set(1)
