"""Tells what of the topic cannot be read, and what was deleted before it was: by health, metrics and the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from bridge.kafka.consumer.chunk import Partition
    from bridge.kafka.consumer.client.fetching import Expired, Unreadable
    from bridge.kafka.consumer.client.kafka_client import Offsets
    from bridge.telemetry.metrics import Metrics

_log = structlog.get_logger(__name__)
_AGAIN_SECONDS = 300.0
_WAITING_SECONDS = 10.0
"""Seconds for which an open transaction may hold a partition before it is reported."""
_SHOWN = 5
"""Places that are told in words; the metric has them all."""


class Reading:
    """``clock`` is monotonic, in seconds: a place that stays unreadable is logged once in five minutes."""

    def __init__(self, metrics: Metrics, clock: Callable[[], float]) -> None:
        self._metrics = metrics
        self._clock = clock
        self._places: dict[Partition, Unreadable] = {}
        self._logged: dict[Partition, tuple[int, float]] = {}
        self._waiting: dict[Partition, tuple[int, float]] = {}
        self._told: set[Partition] = set()

    @property
    def transactions(self) -> str:
        """Which partitions wait for a transaction of their producers to end, in words; empty when none does."""
        told = [
            f"topic {partition[0]} partition {partition[1]} waits at offset {self._waiting[partition][0]} for an open transaction"
            for partition in sorted(self._told)[:_SHOWN]
        ]
        if len(self._told) > _SHOWN:
            told.append(f"and {len(self._told) - _SHOWN} more")
        return "; ".join(told)

    @property
    def partitions(self) -> Collection[Partition]:
        """Partitions that cannot be read on."""
        return self._places.keys()

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
            _log.info(
                "partition_read_again",
                detail="The partition can be read again.",
                topic=partition[0],
                partition=partition[1],
            )
        for partition, place in places.items():
            self._metrics.unreadable_partitions.labels(str(partition[1])).set(1)
            self._log(partition, place)
        self._places = dict(places)

    def surveyed(self, offsets: Mapping[Partition, Offsets]) -> None:
        """Where all partitions stand: whether one is read to its end, and has more that belongs to an open transaction."""
        now = self._clock()
        for partition, found in offsets.items():
            waits = found.watermark is not None and found.watermark > found.end and found.position == found.end
            if not waits or self._waiting.get(partition, (found.end, now))[0] != found.end:
                self._ended(partition)
            if not waits:
                continue
            _end, since = self._waiting.setdefault(partition, (found.end, now))
            if now - since >= _WAITING_SECONDS:
                self._metrics.open_transaction_seconds.labels(str(partition[1])).set(now - since)
                if partition not in self._told:
                    self._told.add(partition)
                    _log.warning(
                        "open_transaction",
                        detail="An open transaction blocks the partition; nothing after it is read until it ends.",
                        topic=partition[0],
                        partition=partition[1],
                        offset=found.end,
                    )

    def _ended(self, partition: Partition) -> None:
        self._waiting.pop(partition, None)
        if partition in self._told:
            self._told.discard(partition)
            self._metrics.open_transaction_seconds.remove(str(partition[1]))

    def assigned(self, partitions: int) -> None:
        """Another assignment begins, of a number of partitions."""
        self._metrics.assigned_partitions.set(partitions)
        for partition in list(self._waiting):
            self._ended(partition)
        for partition in self._places:
            self._metrics.unreadable_partitions.remove(str(partition[1]))
        self._places = {}

    def _log(self, partition: Partition, place: Unreadable) -> None:
        before, now = self._logged.get(partition), self._clock()
        if before is None or before[0] != place.offset or now - before[1] >= _AGAIN_SECONDS:
            self._logged[partition] = place.offset, now
            _log.error(
                "partition_unreadable",
                detail="Nothing after this offset is delivered; the partition is held and reading is retried.",
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
            "records_expired",
            detail="These records are lost: they were deleted before they were read, by retention, by hand or with the topic, or the"
            " broker does not find them.",
            topic=topic,
            partition=partition,
            first=lost.start,
            last=lost.end - 1,
            count=count,
        )
