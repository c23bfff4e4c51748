"""Whether each partition gets on, told second by second: the age of its oldest open record, what holds it up, and where it stands.

An event that the destination postpones for ever is no reason to end the worker: the next one would meet it again. It is named.
What nobody holds any more, neither delivery nor the dead letters, is lost inside this process: only a restart brings it back.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

from bridge.worker.event_places import row_and_part
from bridge.worker.watch.ages import Ages
from bridge.worker.watch.standstill import Standstill

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bridge.delivery.delivery import Delivery
    from bridge.delivery.waiting import Shipment
    from bridge.kafka.consumer.chunk import Chunk, Partition
    from bridge.kafka.consumer.ledger import Ledger
    from bridge.kafka.dead_letters.store import DeadLetters
    from bridge.telemetry.metrics import Metrics

_log = structlog.get_logger(__name__)
_QUIET_SECONDS = 10.0
"""Between two lines about postponed events, so that many of them that begin together are one line."""
_SHOWN = 5
"""Partitions that are named in one reason."""


class Progress:
    """Looks at ledger and delivery; ``clock`` in monotonic seconds, ``wall`` in seconds since 1970.

    ``keeps``: whether somebody beside these two works on a chunk.
    """

    def __init__(
        self,
        ledger: Ledger,
        delivery: Delivery[Chunk],
        letters: DeadLetters,
        metrics: Metrics,
        *,
        stall_seconds: float,
        clock: Callable[[], float],
        wall: Callable[[], float] = time.time,
        keeps: Callable[[Chunk], bool] = lambda _chunk: False,
    ) -> None:
        self._ledger = ledger
        self._delivery = delivery
        self._letters = letters
        self._metrics = metrics
        self._stall_seconds = stall_seconds
        self._clock = clock
        self._wall = wall
        self._others_keep = keeps
        self._ages = Ages(ledger, clock())
        self._standstill = Standstill(stall_seconds)
        self._shown: set[str] = set()
        self._told_at = -_QUIET_SECONDS
        self._standing: dict[Partition, float] = {}
        self._named: set[Partition] = set()

    def show(self, lags: Mapping[Partition, int] | None) -> None:
        """Set the metrics, and name in the log what the destination has begun to postpone."""
        now = self._clock()
        ages = {str(number): age for (_, number), age in self._ages.at(now, self._wall(), lags).items()}
        for gone in self._shown - ages.keys():
            self._metrics.oldest_open_seconds.remove(gone)
        for partition, age in ages.items():
            self._metrics.oldest_open_seconds.labels(partition).set(age)
        self._shown = set(ages)
        held_up = self._delivery.held_up()
        self._metrics.postponed_events.set(sum(shipment.batch.events for shipment in held_up))
        new = [shipment for shipment in held_up if not shipment.told]
        if new and now - self._told_at >= _QUIET_SECONDS:
            self._told_at = now
            for shipment in new:
                shipment.told = True
            topic, number, offset = _place(new[0])
            _log.warning(
                "events_postponed",
                detail="The destination postpones these events while it accepts others; their partitions cannot be committed beyond them.",
                events=sum(shipment.batch.events for shipment in new),
                topic=topic,
                partition=number,
                offset=offset,
                tries=new[0].tries,
                answer=_status(new[0]),
                seconds=round(now - new[0].since, 1),
            )

    def lost(self, lags: Mapping[Partition, int] | None, *, held: bool) -> str:
        """Where an event is that this process has lost track of, "" where none is; ``held``: nothing can move, told elsewhere."""
        now, heads = self._clock(), self._ledger.heads()
        busy = {
            partition: position
            for partition, position in self._ledger.positions().items()
            if partition in heads or (lags or {}).get(partition)
        }
        self._standing = self._standstill.check(now, busy, held=held)
        self._name()
        for partition in self._standing:
            head = heads.get(partition)
            if head is not None and now - head.fetched >= self._stall_seconds and not self._keeps(head):
                return f"no part of the worker holds the events of {partition[0]}[{partition[1]}] from offset {head.first} on"
        return ""

    def _keeps(self, head: Chunk) -> bool:
        """Whether somebody still works on the chunk; the stream's queue is emptied within milliseconds."""
        return head.admitted and (
            bool(len(self._letters)) or self._others_keep(head) or head in self._delivery.owners()
        )

    def _name(self) -> None:
        standing = {partition for partition, _ in self._unexplained()}
        if new := standing - self._named:
            _log.warning(
                "partitions_stand_still",
                detail="Records wait in these partitions, and none of them has been finished.",
                partitions=sorted(f"{topic}[{number}]" for topic, number in new),
                seconds=round(max(self._standing[partition] for partition in new)),
            )
        if self._named - standing:
            _log.info(
                "partitions_move_again",
                detail="Records of these partitions are finished again.",
                partitions=sorted(f"{topic}[{number}]" for topic, number in self._named - standing),
            )
        self._named = standing

    def postponed(self) -> str | None:
        """Why the worker is not ready: events that the destination postpones while it accepts others."""
        held_up = self._delivery.held_up()
        if not held_up:
            return None
        first, count = held_up[0], sum(shipment.batch.events for shipment in held_up)
        topic, number, offset = _place(first)
        what = "1 event is" if count == 1 else f"{count} events are"
        return (
            f"{what} postponed while others are accepted, the first for {self._clock() - first.since:.0f} s and {first.tries} tries:"
            f" {topic}[{number}] offset {offset}: {_status(first)}"
        )

    def standing(self) -> str | None:
        """Why the worker is not ready: partitions that have not moved, without an event that is known to hold them up."""
        rest = self._unexplained()
        if not rest:
            return None
        told = ", ".join(f"{topic}[{number}] for {seconds:.0f} s" for (topic, number), seconds in rest[:_SHOWN])
        return f"nothing finished in {told}" + (f" and {len(rest) - _SHOWN} more" if len(rest) > _SHOWN else "")

    def _unexplained(self) -> list[tuple[Partition, float]]:
        known = {owner.partition for shipment in self._delivery.held_up() for owner in shipment.batch.every_owner()}
        return sorted((partition, seconds) for partition, seconds in self._standing.items() if partition not in known)


def _place(shipment: Shipment[Chunk]) -> tuple[str, int, int]:
    """Topic, partition and offset of the first event that is still ours."""
    batch = shipment.batch
    events = [*batch.owners(), *(each for others in batch.folded.values() for each in others)]
    chunk, event = next((each for each in events if not each[0].closed), events[0])
    row, _ = row_and_part(chunk.places[event])
    return *chunk.partition, chunk.records[row].offset


def _status(shipment: Shipment[Chunk]) -> str:
    """What was answered, without the destination's own words: they may quote the event."""
    return shipment.reason.partition(": ")[0]
