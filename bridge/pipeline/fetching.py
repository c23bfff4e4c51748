"""Fetching and committing on behalf of the worker's main loop, above the Kafka client and in its loop.

Every fetch is tagged with the number of the assignment it belongs to: a rebalance may pass between the fetch and its arrival
in the main loop, and records of an assignment that is over must be dropped while records of one that has just begun must not
be. Records are taken out one partition at a time, so that what cannot be read in one takes nothing along of the others; and
every offset between two takes must be accounted for: delivered to the main loop, no record, or deleted by retention.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import structlog
from aiokafka.errors import KafkaError

from bridge.errors import BridgeError
from bridge.pipeline.kafka_client import KafkaClient, Offsets, Taken

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from bridge.pipeline.ledger import Partition

_log = structlog.get_logger(__name__)
_PARTLY_SECONDS = 0.02
"""To wait for records of some partitions while the client holds records of others, which are not admitted."""
_ALL = 1_000_000
"""More records than one fetch can bring."""
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
"""Seconds between two tries to read what could not be read."""


class SkippedError(BridgeError):
    """The client has moved over records that are still there: nothing behind them may be acknowledged."""


@dataclass(frozen=True, slots=True)
class Expired:
    """Records of a partition that were deleted unread, from ``start`` to before ``end``."""

    partition: Partition
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Where a partition cannot be read, and why (the type of the error: its message may quote the record); tries so far."""

    partition: Partition
    offset: int
    why: str
    tries: int


@dataclass(frozen=True, slots=True)
class Fetch:
    """What one fetch gave: records by partition, ``number`` of the assignment, and where it cannot be read.

    ``anew``: partitions whose log was cut or made again, so that reading began anew before what was read already.
    """

    number: int
    taken: Mapping[Partition, Taken]
    unreadable: Mapping[Partition, Unreadable] = field(default_factory=dict)
    anew: Collection[Partition] = ()


@dataclass(frozen=True, slots=True)
class Survey:
    """Where the partitions stand, ``number`` of the assignment, and where it cannot be read."""

    number: int
    offsets: Mapping[Partition, Offsets]
    unreadable: Mapping[Partition, Unreadable]


@dataclass(slots=True)
class _Held:
    """A partition that waits for its next try."""

    place: Unreadable
    due: float
    damaged: bool
    reading: bool = False


class Fetching:
    """All calls come in the client's loop. ``clock`` is monotonic, in seconds.

    ``expired`` is for the main loop to empty: it gets what an answer may lose that nobody waits for any more.
    """

    def __init__(self, client: KafkaClient, clock: Callable[[], float]) -> None:
        self._client = client
        self._clock = clock
        self.number = 0
        self.expired: deque[Expired] = deque()
        self._next: dict[Partition, int] = {}
        self._handed: dict[Partition, int] = {}
        self._kept: dict[Partition, deque[Taken]] = {}
        self._held: dict[Partition, _Held] = {}
        self._anew: set[Partition] = set()

    def assigned(self) -> None:
        """Number a new assignment; to be called before any of its records can be taken out."""
        self.number += 1
        self._next.clear()
        self._handed.clear()
        self._kept.clear()
        self._held.clear()
        self._anew.clear()

    async def fetch(self, partitions: Collection[Partition], seconds: float, most: int) -> Fetch:
        """At most so many records of these partitions; waits for some ``seconds`` at most.

        When records of others are here, which may be admitted again at any moment, the wait is short; else it ends with the
        first that come, whatever partition they are of.
        """
        client = self._client
        client.touch()
        self._try_again(partitions)
        number, taken = await self._take(partitions, most)
        if not taken:
            await client.arrival(_PARTLY_SECONDS if client.holds() else seconds)
            client.touch()
            number, taken = await self._take(partitions, most)
        client.be_patient(patient=not taken and not client.holds())
        anew = self._anew & taken.keys()
        self._anew -= anew
        return Fetch(number, taken, self._unreadable(), anew)

    async def _take(self, partitions: Collection[Partition], most: int) -> tuple[int, dict[Partition, Taken]]:
        """Take out what is here. Nothing is awaited from the first take on, so that all of it is of one assignment."""
        here = [partition for partition in self._client.holds() if partition in partitions]
        await self._reconcile(here)
        taken: dict[Partition, Taken] = {}
        for partition in [*self._kept, *here]:
            if most <= 0:
                break
            if partition in partitions and partition not in taken:
                found = self._take_one(partition, most)
                # Without a record there is nothing yet to begin anew with.
                if found is not None and (found.rows or partition not in self._anew):
                    taken[partition] = self._accounting(partition, found)
                    most -= len(found.rows)
        return self.number, taken

    def _accounting(self, partition: Partition, found: Taken) -> Taken:
        """The same, accounting for all offsets since what was handed on before."""
        since = min(self._handed.get(partition, found.start), found.start)
        self._handed[partition] = found.end
        return found if since == found.start else replace(found, start=since)

    def _take_one(self, partition: Partition, most: int) -> Taken | None:
        if partition in self._kept:
            return self._from_kept(partition, most)
        # What has moved since it was looked at waits for the next round.
        if self._client.position(partition) != self._next.get(partition):
            return None
        return self._from_client(partition, most)

    def _from_client(self, partition: Partition, most: int) -> Taken | None:
        found = self._client.take(partition, most)
        if found is None:
            return None
        if found.start != self._next[partition]:
            raise SkippedError(
                f"{_name(partition)}: records from {found.start} on came in the place of {self._next[partition]}"
            )
        self._next[partition] = found.end
        if found.error is not None:
            self._hold(partition, found)
        elif found.end > found.start:
            self._held.pop(partition, None)
        return found if found.end > found.start else None

    def _from_kept(self, partition: Partition, most: int) -> Taken:
        kept = self._kept[partition]
        found = kept.popleft()
        if len(found.rows) > most:
            cut = found.rows[most].offset
            kept.appendleft(Taken(found.rows[most:], cut, found.end))
            found = Taken(found.rows[:most], found.start, cut)
        if not kept:
            del self._kept[partition]
        return found

    async def _reconcile(self, partitions: Iterable[Partition]) -> None:
        """Account for every offset between what was taken out before and where the client reads on."""
        client, number = self._client, self.number
        unknown = [partition for partition in partitions if partition not in self._next]
        if unknown:
            committed = await client.committed(unknown)
            if number != self.number:
                return
            self._begin(committed)
        ahead = [partition for partition in partitions if self._gap(partition) > 0]
        if ahead:
            firsts = await client.first_offsets(ahead)
            if number != self.number:
                return
            for partition in ahead:
                self._explain(partition, firsts[partition])
        for partition in partitions:
            if self._gap(partition) < 0:
                self._begin_anew(partition)

    def _begin(self, committed: Mapping[Partition, int | None]) -> None:
        for partition, offset in committed.items():
            # Where the group has stored nothing, it begins with what is there.
            begin = self._client.position(partition) if offset is None else offset
            if begin is not None and partition not in self._next:
                self._next[partition] = self._handed[partition] = begin

    def _gap(self, partition: Partition) -> int:
        position, expected = self._client.position(partition), self._next.get(partition)
        return 0 if position is None or expected is None else position - expected

    def _explain(self, partition: Partition, first: int) -> None:
        """The client goes on behind what was expected: because everything before is gone, or something is very wrong."""
        gap, start = self._gap(partition), self._next[partition]
        if gap <= 0:
            return
        if start + gap > first:
            raise SkippedError(
                f"{_name(partition)}: the client reads on at {start + gap}, and {max(start, first)} is still there"
            )
        self.expired.append(Expired(partition, start, start + gap))
        self._next[partition] = start + gap

    def _begin_anew(self, partition: Partition) -> None:
        """The client has gone back: what it had read is not there any more, the log was cut or the topic made again."""
        position = self._client.position(partition)
        if position is not None:
            _log.error(
                "the log of a partition was cut or made again, it is read from its beginning",
                topic=partition[0],
                partition=partition[1],
                expected=self._next[partition],
                begins=position,
            )
            self._next[partition] = position
            self._anew.add(partition)

    def _hold(self, partition: Partition, found: Taken) -> None:
        before = self._held.get(partition)
        tries = before.place.tries + 1 if before is not None and before.place.offset == found.end else 1
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** (tries - 1))
        place = Unreadable(partition, found.end, type(found.error).__name__, tries)
        self._held[partition] = _Held(place, self._clock() + pause, found.damaged)
        self._client.pause(partition)

    def _try_again(self, partitions: Collection[Partition]) -> None:
        """Have the client fetch anew what could not be read: a disk, or a replica, may be whole again."""
        now = self._clock()
        for partition, held in self._held.items():
            if held.due <= now and not held.reading and partition in partitions:
                held.reading = True
                self._client.resume(partition)
                self._client.seek(partition, self._next[partition])

    def _unreadable(self) -> dict[Partition, Unreadable]:
        return {partition: held.place for partition, held in self._held.items()}

    async def touch(self) -> None:
        """Tell the client that we are alive while we fetch nothing, or it would leave the group."""
        self._client.touch()

    async def store(self, number: int, offsets: Mapping[Partition, int]) -> bool:
        """Commit; False when it did not come to pass, for whatever reason."""
        if number != self.number:
            return False
        try:
            await self._client.commit(offsets)
        except KafkaError as error:
            _log.warning("offsets not committed, will try again", error=type(error).__name__)
            return False
        return True

    async def survey(self, partitions: Collection[Partition]) -> Survey:
        """Where these partitions stand. What retention has deleted is noticed here too, while nothing is fetched."""
        number = self.number
        offsets = await self._client.offsets(partitions)
        if number == self.number:
            self._begin({p: found.committed for p, found in offsets.items() if p not in self._next})
            held = set(self._client.holds())
            for partition, found in offsets.items():
                position = self._client.position(partition)
                if position is None or partition not in self._next:
                    continue
                if position < found.first and partition in held and self._gap(partition) == 0:
                    self._secure(partition)
                elif self._gap(partition) > 0 and position <= found.first:
                    self._explain(partition, found.first)
        return Survey(number, offsets, self._unreadable())

    def _secure(self, partition: Partition) -> None:
        """Take out what the client still has of records that are deleted: it would drop them with its next look."""
        found = self._from_client(partition, _ALL)
        if found is not None:
            self._kept.setdefault(partition, deque()).append(found)


def _name(partition: Partition) -> str:
    return f"topic {partition[0]} partition {partition[1]}"
