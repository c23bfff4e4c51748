"""Tells what of the topic cannot be read, and what was deleted before it was: by health, metrics and the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bridge.pipeline.fetching import Expired, Unreadable
    from bridge.pipeline.ledger import Partition
    from bridge.telemetry.metrics import Metrics

_log = structlog.get_logger(__name__)
_AGAIN_SECONDS = 300.0
_SHOWN = 5
"""Places that are told in words; the metric has them all."""


class Reading:
    """``clock`` is monotonic, in seconds: a place that stays unreadable is logged once in five minutes."""

    def __init__(self, metrics: Metrics, clock: Callable[[], float]) -> None:
        self._metrics = metrics
        self._clock = clock
        self._places: dict[Partition, Unreadable] = {}
        self._logged: dict[Partition, tuple[int, float]] = {}

    @property
    def trouble(self) -> str:
        """What cannot be read, in words, once a second try has failed as well; empty when all can."""
        places = sorted(
            (place for place in self._places.values() if place.tries > 1), key=lambda place: place.partition
        )
        told = [
            f"topic {place.partition[0]} partition {place.partition[1]} cannot be read at offset {place.offset}: {place.why}"
            for place in places[:_SHOWN]
        ]
        if len(places) > _SHOWN:
            told.append(f"and {len(places) - _SHOWN} more")
        return "; ".join(told)

    def unreadable(self, places: Mapping[Partition, Unreadable]) -> None:
        """All places of now."""
        for partition in self._places.keys() - places.keys():
            self._metrics.unreadable_partitions.remove(str(partition[1]))
            self._logged.pop(partition, None)
            _log.info("a partition is read again", topic=partition[0], partition=partition[1])
        for partition, place in places.items():
            self._metrics.unreadable_partitions.labels(str(partition[1])).set(1)
            self._log(partition, place)
        self._places = dict(places)

    def forget(self) -> None:
        """Another assignment begins."""
        for partition in self._places:
            self._metrics.unreadable_partitions.remove(str(partition[1]))
        self._places = {}

    def _log(self, partition: Partition, place: Unreadable) -> None:
        offset, at = self._logged.get(partition, (-1, 0.0))
        now = self._clock()
        if offset != place.offset or now - at >= _AGAIN_SECONDS:
            self._logged[partition] = place.offset, now
            _log.error(
                "a partition cannot be read, it is held and tried again",
                topic=partition[0],
                partition=partition[1],
                offset=place.offset,
                error=place.why,
            )

    def expired(self, lost: Expired) -> None:
        """Records that were deleted unread."""
        topic, partition = lost.partition
        count = lost.end - lost.start
        self._metrics.expired_records.labels(str(partition)).inc(count)
        _log.error(
            "records were deleted before they were read, by the topic's retention or by hand: they are lost",
            topic=topic,
            partition=partition,
            first=lost.start,
            last=lost.end - 1,
            count=count,
        )
