"""The worker's Faust: its start, and what others ask of its consumer, also while there is none yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog

from bridge.kafka.topics import unreachable
from bridge.telemetry.damper import Damper

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.kafka.consumer.lag import LagMeter
    from bridge.settings import KafkaSettings
    from bridge.worker.lifetime.run_end import RunEnd

_log = structlog.get_logger(__name__)
_TOLD_EVERY = 60.0
"""Seconds between two log lines of a start that fails the same way again and again."""


class WorkerStream:
    """``app`` and ``lag`` are None until the brokers have answered for the first time; ``clock`` is monotonic, in seconds.

    ``trouble`` says why the stream has not started although it was tried, for readiness; empty when it has, or when nothing failed.
    """

    def __init__(self, kafka: KafkaSettings, clock: Callable[[], float]) -> None:
        self._kafka = kafka
        self._told = Damper(_TOLD_EVERY, clock)
        self.trouble = ""
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
        except Exception as error:  # noqa: BLE001 - whatever keeps Faust from starting ends the worker
            end.stop(f"the stream did not start: {type(error).__name__}")

    def start_tried(self, error: Exception | None) -> None:
        """The Kafka client could not start, and is started again soon; or it has started, when ``error`` is None."""
        if error is None:
            if self.trouble:
                _log.info("stream_started", detail="Kafka answers again, and the worker joins its group.")
            self.trouble = ""
            return
        told = unreachable(self._kafka, error)
        self.trouble = f"the stream cannot start: {told}"
        if (left_out := self._told.suppressed_since(self.trouble)) is not None:
            _log.warning(
                "stream_not_started",
                detail="Kafka did not answer when the stream began; starting it is retried until it does.",
                why=str(told),
                hint=told.hint,
                left_out=left_out,
            )
