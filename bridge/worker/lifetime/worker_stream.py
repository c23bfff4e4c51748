"""The worker's Faust: its start, and what others ask of its consumer, also while there is none yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog

from bridge.kafka.topics import NO_ANSWER, unreachable

if TYPE_CHECKING:
    from bridge.kafka.consumer.lag import LagMeter
    from bridge.settings import KafkaSettings
    from bridge.worker.lifetime.run_end import RunEnd

_log = structlog.get_logger(__name__)


class WorkerStream:
    """``app`` and ``lag`` are None until the brokers have answered for the first time."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self.app: Any = None
        self.lag: LagMeter | None = None

    @property
    def joined(self) -> bool:
        """Whether the worker is a member of the consumer group."""
        return self.app is not None and self.app.consumer.joined

    def lag_total(self) -> int | None:
        """Records that wait in Kafka; None when that is not known."""
        return None if self.lag is None else self.lag.total

    def partitions(self) -> int | None:
        """Number of the topic's partitions; None when there is no such topic, or nobody to ask yet."""
        found: int | None = None if self.app is None else self.app.consumer.topic_partitions(self._kafka.topic)
        return found

    async def is_ours(self) -> bool:
        """Ask the group whether the partitions are still this worker's."""
        return bool(await self.app.consumer.is_ours())

    async def start(self, end: RunEnd) -> None:
        """Start Faust, and return when it ends; an error ends the run."""
        try:
            await self.app.start()
        except NO_ANSWER as error:
            told = unreachable(self._kafka, error)
            _log.error(
                "stream_not_started",
                detail="Kafka did not answer when the stream began: start the worker once it answers.",
                why=str(told),
                hint=told.hint,
            )
            end.stop(f"the stream did not start: {type(error).__name__}")
        except Exception as error:  # noqa: BLE001 - whatever keeps Faust from starting ends the worker
            end.stop(f"the stream did not start: {type(error).__name__}")
