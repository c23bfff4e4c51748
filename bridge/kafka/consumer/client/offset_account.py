"""Accounts for every offset between two takes of a partition: handed on, no record, or deleted before it was read.

A client resets its position by itself when what it wants is gone, and says nothing of it. So its position is compared with where
the last take ended: records that nobody can read any more are told, and records that were passed over end the worker.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from bridge.kafka.consumer.client.deleted_logs import DeletedLogs
from bridge.model.errors import BridgeError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from bridge.kafka.consumer.chunk import Partition
    from bridge.kafka.consumer.client.deleted_logs import KnownLog
    from bridge.kafka.consumer.client.kafka_client import KafkaClient, Offsets, PolledRecords

_log = structlog.get_logger(__name__)


class SkippedError(BridgeError):
    """The client has moved over records that are still there: nothing behind them may be acknowledged."""


@dataclass(frozen=True, slots=True)
class Expired:
    """Records of a partition that were deleted unread, from ``start`` to before ``end``."""

    partition: Partition
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Gone:
    """A partition's log is there no more, of which the assignment of this number had read from ``begun`` to before ``upto``.

    ``log`` is its number, 0 for the one that the assignment began with.
    """

    partition: Partition
    number: int
    log: int
    begun: int
    upto: int


class OffsetAccount:
    """One assignment's account. ``number`` gives the assignment's number: what is asked across a change of it is forgotten.

    ``begins_anew`` is called with a partition in the place of whose log another one has come.
    ``next`` is where the next take of a partition has to begin. ``anew``: partitions whose log was cut or made again, of which
    nothing has been handed on since, with the log's number; ``logs_begun`` is the number of the last one that began so.
    ``expired`` and ``gone`` are for the main loop to empty: they get what an answer may lose that nobody waits for any more.
    """

    def __init__(
        self, client: KafkaClient, number: Callable[[], int], begins_anew: Callable[[Partition], None]
    ) -> None:
        self._client = client
        self._begins_anew = begins_anew
        self._number = number
        self.next: dict[Partition, int] = {}
        self.anew: dict[Partition, int] = {}
        self.expired: deque[Expired] = deque()
        self.gone: deque[Gone] = deque()
        self._beginning = asyncio.Lock()
        self._handed: dict[Partition, int] = {}
        self._begun: dict[Partition, int] = {}
        self._log: dict[Partition, int] = {}
        self._read: dict[Partition, int] = {}
        self._gone: dict[Partition, list[Expired]] = {}
        self._logs = DeletedLogs()
        self.logs_begun = 0

    def clear(self) -> None:
        """Another assignment begins. What has been told as expired is not told again when a partition comes back."""
        self.next.clear()
        self._log.clear()
        self._read.clear()
        self.anew.clear()

    def handing_on(self, partition: Partition, found: PolledRecords) -> PolledRecords:
        """The same, accounting for all offsets since what was handed on before."""
        since = min(self._handed.get(partition, found.start), found.start)
        self._handed[partition] = found.end
        return found if since == found.start else replace(found, start=since)

    def gap(self, partition: Partition) -> int:
        """How far ahead of what is expected the client reads on; 0 while either is not known."""
        position, expected = self._client.position(partition), self.next.get(partition)
        return 0 if position is None or expected is None else position - expected

    async def begin(self, committed: Mapping[Partition, int | None]) -> None:
        """Begin these partitions where the group has committed, or where it has not, with what is there.

        That is stored first: without it whoever comes next could not tell what was deleted meanwhile.
        """
        number = self._number()
        # Fetching and surveying both begin: an offset that is stored late must not take back what was committed meanwhile.
        async with self._beginning:
            unknown = {partition: offset for partition, offset in committed.items() if partition not in self.next}
            first = {
                partition: position
                for partition, offset in unknown.items()
                if offset is None and (position := self._client.position(partition)) is not None
            }
            if number != self._number():
                return
            if first:
                await self._client.commit(first, {})
                if number != self._number():
                    return
            for partition, offset in unknown.items():
                if partition in first:
                    # The group knows nothing of it (any more): the topic may be another of the same name.
                    self._gone.pop(partition, None)
                begin = first.get(partition) if offset is None else offset
                if begin is not None:
                    self.next[partition] = self._handed[partition] = self._begun[partition] = begin

    def waiting(self, partition: Partition, found: Offsets) -> int | None:
        """Offsets that are not acknowledged yet and that nobody has deleted unread."""
        begun = self._begun.get(partition)
        if begun is None:
            return None
        # What was committed before the log was cut says nothing of the log that is there now.
        since = begun if found.committed is None or found.committed > found.end else found.committed
        gone = [lost for lost in self._gone.get(partition, ()) if lost.end > since]
        self._gone[partition] = gone
        return max(0, found.end - since - sum(lost.end - max(lost.start, since) for lost in gone))

    async def reconcile(self, partitions: Iterable[Partition]) -> None:
        """Explain where the client stands; :class:`SkippedError` when that cannot be explained."""
        client, number = self._client, self._number()
        unknown = [partition for partition in partitions if partition not in self.next]
        if unknown:
            committed = await client.committed(unknown)
            if number != self._number():
                return
            await self.begin(committed)
            if number != self._number():
                return
        ahead = [partition for partition in partitions if self.gap(partition) > 0]
        if ahead:
            firsts = await client.first_offsets(ahead)
            if number != self._number():
                return
            for partition in ahead:
                self.explain(partition, firsts[partition])
        for partition in partitions:
            if self.gap(partition) < 0:
                await self._gone_back(partition)

    async def _gone_back(self, partition: Partition) -> None:
        """The client has reset its position to before what was read: the log was cut, or its topic is another one of the same name."""
        number, topic = self._number(), partition[0]
        identity = await self._client.topic_identity(topic)
        if number != self._number() or (gap := self.gap(partition)) >= 0:
            return
        if self._logs.is_new(partition, identity):
            await self._begin_new_topic([partition], identity, {partition: self.next[partition]})
            return
        # Stored first: else whoever comes next would go on where the log that is gone was committed.
        begins = self.next[partition] + gap
        await self._client.commit({partition: begins}, {})
        if number == self._number() and self.gap(partition) < 0:
            self._begin_anew(partition, begins, read=self.next[partition], before=self._logs.cut(partition, begins))

    def explain(self, partition: Partition, first: int) -> None:
        """The client reads on behind what was expected: because all before ``first`` is gone, or something is very wrong."""
        gap = self.gap(partition)
        if gap <= 0:
            return
        start = self.next[partition]
        end = start + gap
        if end > first:
            raise SkippedError(
                f"topic {partition[0]} partition {partition[1]}: the client reads on at {end},"
                f" and {max(start, first)} is still there"
            )
        gone = self._gone.setdefault(partition, [])
        for told in sorted(gone, key=lambda told: told.start):
            self._tell(partition, start, min(told.start, end))
            start = max(start, told.end)
        self._tell(partition, start, end)
        self.next[partition] = end

    def _tell(self, partition: Partition, start: int, end: int) -> None:
        if start < end:
            lost = Expired(partition, start, end)
            self.expired.append(lost)
            self._gone[partition].append(lost)

    def _begin_anew(self, partition: Partition, begins: int, *, read: int | None, before: KnownLog | None) -> None:
        """What was read is not there any more, the log was cut or the topic made again. Commit first where it begins.

        ``read``: how far this assignment has read the log that is gone; None where it has not. ``before``: what is known of that log.
        """
        expected = self.next[partition]
        if read is not None:
            # What was handed on before is still under way, and gets its verdict as long as the assignment stands.
            log = self._log.get(partition, 0)
            self.gone.append(Gone(partition, self._number(), log, self._begun.get(partition, read), read))
        self._read.pop(partition, None)
        if before is not None:
            self._tell_deleted(partition, max(read or 0, before.finished), before.end)
        self._gone.pop(partition, None)
        self.logs_begun += 1
        self.next[partition] = self._begun[partition] = begins
        self.anew[partition] = self._log[partition] = self.logs_begun
        self._begins_anew(partition)
        _log.error(
            "partition_made_again",
            detail="The log of the partition was cut or made again; it is read from its beginning.",
            topic=partition[0],
            partition=partition[1],
            expected=expected,
            begins=self.next[partition],
        )

    def is_of_this_log(self, partition: Partition, offset: int) -> bool:
        """Whether the offset may be committed: none lies behind what was handed on, unless it is of a log that is gone."""
        return offset <= self.next.get(partition, offset)

    def finished(self, offsets: Mapping[Partition, int], identities: Mapping[str, bytes | None]) -> None:
        """So far everything has its verdict, whether or not the group could store it. ``identities``: asked for since then.

        What is not certainly of the known log counts only as far as that was read: behind it may be records of the next one.
        """
        self._logs.finished(
            {
                partition: offset
                if self._logs.is_still(partition, identities.get(partition[0]))
                else min(offset, self._read.get(partition, 0))
                for partition, offset in offsets.items()
            }
        )

    def topics(self) -> set[str]:
        """Topics of the partitions whose logs are remembered."""
        return self._logs.topics()

    def seen(
        self,
        identities: Mapping[str, bytes | None],
        offsets: Mapping[Partition, Offsets],
        read: Mapping[Partition, int],
    ) -> None:
        """Remember where the logs end that are assigned, and how far they were ``read`` when their topic was asked which it is."""
        for partition, found in offsets.items():
            begun = self._begun.get(partition)
            if begun is not None and partition in self.next:
                finished = begun if found.committed is None or found.committed > found.end else found.committed
                known = self._logs.seen(partition, identities.get(partition[0]), end=found.end, finished=finished)
                if known and partition in read:
                    self._read[partition] = read[partition]

    async def look_for_deleted(
        self,
        identities: Mapping[str, bytes | None],
        assigned: Collection[Partition],
        *,
        wait: Collection[Partition] = (),
    ) -> Sequence[Partition]:
        """Notice a topic that was deleted, and one that was made again: it is read from its first record on, but where to ``wait``.

        Of which partitions that was noticed now.
        """
        for partition, known in self._logs.gone(identities, assigned).items():
            self._tell_deleted(partition, known.finished, known.end)
        again = [p for p in self.made_again(identities, assigned) if p in self.next and p not in wait]
        begun: list[Partition] = []
        for topic in {topic for topic, _ in again}:
            of_topic = [partition for partition in again if partition[0] == topic]
            begun += await self._begin_new_topic(of_topic, identities[topic], self._read)
        return begun

    async def _begin_new_topic(
        self, partitions: Sequence[Partition], identity: bytes | None, read: Mapping[Partition, int]
    ) -> Sequence[Partition]:
        """Read these partitions from their first record on; nothing where a rebalance comes between. ``read`` as :meth:`_begin_anew`."""
        number = self._number()
        firsts = await self._client.first_offsets(partitions)
        if number == self._number():
            await self._client.commit(firsts, {})
        if number != self._number():
            return ()
        # Fetching and surveying both look: who comes second finds it begun.
        begun = [partition for partition in partitions if self._logs.is_new(partition, identity)]
        for partition in begun:
            first = firsts[partition]
            # A position of the log before would pass over the first records of this one.
            self._client.seek(partition, first)
            # What was read since is of the new log, or may be: the client goes on at its position.
            before = self._logs.replace(partition, identity, first)
            self._begin_anew(partition, first, read=read.get(partition), before=before)
        return begun

    def made_again(
        self, identities: Mapping[str, bytes | None], partitions: Collection[Partition]
    ) -> Collection[Partition]:
        """Which of the partitions are of another topic of the same name than when they were seen last."""
        return self._logs.made_again(identities, partitions)

    def _tell_deleted(self, partition: Partition, start: int, end: int) -> None:
        start = max([start, *(lost.end for lost in self._gone.pop(partition, ()) if lost.start <= start)])
        if start < end:
            self.expired.append(Expired(partition, start, end))
