"""Fetching and committing on behalf of the worker's main loop, above the Kafka client and in its loop.

Every fetch is tagged with the number of the assignment it belongs to: a rebalance may pass between the fetch and its arrival
in the main loop, and records of an assignment that is over must be dropped while records of one that has just begun must not
be. Records are taken out one partition at a time, so that what cannot be read in one takes nothing along of the others.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog
from aiokafka.errors import KafkaError, OffsetMetadataTooLargeError

from bridge.kafka.consumer.client.damage_reading import DamageReading
from bridge.kafka.consumer.client.kept_records import KeptRecords
from bridge.kafka.consumer.client.offset_account import Expired, Gone, OffsetAccount, SkippedError
from bridge.kafka.consumer.client.unread_places import Unreadable, UnreadPlaces

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Collection, Iterable, Mapping

    from bridge.kafka.consumer.chunk import Partition
    from bridge.kafka.consumer.client.kafka_client import KafkaClient, Offsets, PolledRecords
    from bridge.model.day_counts import NotedOffset

__all__ = ["Expired", "Fetch", "Fetching", "Gone", "SkippedError", "Survey", "Unreadable"]

_log = structlog.get_logger(__name__)
_PARTLY_SECONDS = 0.02
"""Seconds to wait for records of some partitions while the client holds records of others, which are not admitted."""
_ALL = 1_000_000
"""More records than one fetch can bring."""


@dataclass(frozen=True, slots=True)
class Fetch:
    """The result of one fetch: records by partition, ``number`` of the assignment, and the places that cannot be read.

    ``anew``: partitions whose log was cut or made again, so that reading began anew before what was read already, and the logs' numbers.
    """

    number: int
    records: Mapping[Partition, PolledRecords]
    unreadable: Mapping[Partition, Unreadable] = field(default_factory=dict)
    anew: Mapping[Partition, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Survey:
    """Where the partitions stand, ``number`` of the assignment, and the places that cannot be read."""

    number: int
    offsets: Mapping[Partition, Offsets]
    unreadable: Mapping[Partition, Unreadable]


class Fetching:
    """All calls come in the client's loop. ``clock`` is monotonic, in seconds.

    With ``set_aside`` what is damaged becomes a record of its own after a few tries, marked as unreadable, and is passed; else
    it is tried again without an end.
    """

    def __init__(self, client: KafkaClient, clock: Callable[[], float], *, set_aside: bool = False) -> None:
        self._client = client
        self._set_aside = set_aside
        self.number = 0
        self._places = UnreadPlaces(client, clock)
        self._account = OffsetAccount(client, lambda: self.number, self._places.forget)
        self._kept = KeptRecords()
        self._damage = DamageReading(client, lambda: self.number, self._account, self._places, self._kept)

    @property
    def expired(self) -> deque[Expired]:
        """Records that were deleted unread, for the main loop to empty."""
        return self._account.expired

    @property
    def gone(self) -> deque[Gone]:
        """Logs that are there no more, of which something was handed on, for the main loop to empty."""
        return self._account.gone

    def assigned(self) -> None:
        """Number a new assignment; to be called before any of its records can be taken out."""
        self.number += 1
        self._account.clear()
        self._places.clear()
        self._kept.clear()

    async def fetch(self, partitions: Collection[Partition], seconds: float, most: int) -> Fetch:
        """At most ``most`` records of these partitions; where none are here, after a wait of at most ``seconds``.

        When records of other partitions are here, which may be admitted again at any moment, the wait is short. Else it ends
        with the first records that come, whatever their partition.
        """
        client = self._client
        client.touch()
        self._places.try_again(partitions)
        if self._set_aside:
            await self._damage.look_into(partitions)
        number, records = await self._poll(partitions, most)
        if not records:
            await client.arrival(_PARTLY_SECONDS if client.holds() else seconds)
            number, records = await self._poll(partitions, most)
        client.be_patient(patient=not records and not client.holds())
        anew = {
            partition: self._account.anew.pop(partition) for partition in records if partition in self._account.anew
        }
        return Fetch(number, records, self._places.all(), anew)

    async def _poll(self, partitions: Collection[Partition], most: int) -> tuple[int, dict[Partition, PolledRecords]]:
        """Take the fetched records from the client. Nothing is awaited from the first poll on, so that all of them are of one assignment."""
        here = [partition for partition in self._client.holds() if partition in partitions]
        # What was secured of a log is handed on before anything is said of the one that has come in its place.
        kept = self._kept.by_partition
        await self._account.reconcile([partition for partition in here if partition not in kept])
        records: dict[Partition, PolledRecords] = {}
        for partition in [*kept, *here]:
            if most <= 0:
                break
            if partition in partitions and partition not in records:
                found = self._poll_one(partition, most)
                # Without a record there is nothing yet to begin anew with.
                if found is not None and (found.rows or partition not in self._account.anew):
                    records[partition] = self._account.handing_on(partition, found)
                    most -= len(found.rows)
        return self.number, records

    def _poll_one(self, partition: Partition, most: int) -> PolledRecords | None:
        if partition in self._kept.by_partition:
            return self._kept.give(partition, most)
        # What has moved since it was looked at waits for the next round.
        if self._client.position(partition) != self._account.next.get(partition):
            return None
        return self._from_client(partition, most)

    def _from_client(self, partition: Partition, most: int) -> PolledRecords | None:
        try:
            found = self._client.poll(partition, most)
        except KafkaError as error:
            # It must not pass for one of those that come before anything is taken out.
            raise SkippedError(f"the client failed while it gave records: {type(error).__name__}") from error
        if found is None:
            return None
        expected = self._account.next[partition]
        if found.start != expected:
            raise SkippedError(
                f"topic {partition[0]} partition {partition[1]}: {expected} was asked for and {found.start} came"
            )
        self._account.next[partition] = found.end
        # The topic of events is not compacted: nothing else explains offsets that no batch has.
        self._account.expired.extend(Expired(partition, *gap) for gap in found.gaps)
        if found.error is not None:
            self._places.hold(partition, found)
        elif found.end > found.start:
            self._places.read(partition)
        return found if found.end > found.start else None

    async def touch(self) -> None:
        """Tell the client that we are alive while we fetch nothing, or it would leave the group."""
        self._client.touch()

    async def refresh(self) -> None:
        """Look for topics and partitions that may have come."""
        self._client.refresh()

    async def look_back(self) -> None:
        """While nothing is assigned: whether what was assigned before has gone with its topic."""
        number, account = self.number, self._account
        identities = await self._identities(account.topics())
        if number == self.number:
            await account.look_for_deleted(identities, ())

    async def _identities(self, topics: Iterable[str]) -> dict[str, bytes | None]:
        return {topic: await self._client.topic_identity(topic) for topic in topics}

    async def store(self, number: int, offsets: Mapping[Partition, int], notes: Mapping[Partition, str]) -> bool:
        """Commit; False when it did not come to pass, for whatever reason."""
        if number != self.number:
            return False
        # What was finished of a log that is gone must not be taken for progress in the one that has come in its place.
        offsets = {p: offset for p, offset in offsets.items() if self._account.is_of_this_log(p, offset)}
        identities = await self._identities({topic for topic, _ in offsets})
        if number != self.number:
            return False
        self._account.finished(offsets, identities)
        # Whoever gets such a partition next would begin in the midst of the new log.
        again = self._account.made_again(identities, offsets)
        offsets = {p: offset for p, offset in offsets.items() if p not in again}
        if not offsets:
            return True
        try:
            await self._commit(offsets, notes)
        except KafkaError as error:
            _log.warning(
                "offsets_not_committed",
                detail="They are committed with the next ones; a crash now would redeliver their events.",
                error=type(error).__name__,
            )
            return False
        return True

    async def _commit(self, offsets: Mapping[Partition, int], notes: Mapping[Partition, str]) -> None:
        try:
            await self._client.commit(offsets, notes)
        except OffsetMetadataTooLargeError:
            _log.error(
                "counts_not_stored",
                detail="The brokers refuse commit metadata of that length (offset.metadata.max.bytes); reconcile cannot know what was delivered.",
                longest=max(map(len, notes.values()), default=0),
            )
            await self._client.commit(offsets, {})

    async def noted(
        self, number: int, partitions: Collection[Partition]
    ) -> Mapping[Partition, NotedOffset | None] | None:
        """Offsets and notes as they are stored; None where they cannot be had now, or the assignment is over."""
        try:
            found = await self._client.noted(partitions)
        except KafkaError as error:
            _log.warning(
                "offsets_not_committed",
                detail="The group's committed offsets could not be read before the first commit; both are retried.",
                error=type(error).__name__,
            )
            return None
        return found if number == self.number else None

    async def is_member(self, number: int) -> bool:
        """Whether the group says, now, that the assignment of this number still stands."""
        return number == self.number and await self._client.beat() and number == self.number

    async def survey(self, partitions: Collection[Partition]) -> Survey:
        """Where these partitions stand. What retention has deleted is noticed here too, while nothing is fetched."""
        number, account = self.number, self._account
        logs, read = account.logs_begun, dict(account.next)
        identities = await self._identities(account.topics() | {topic for topic, _ in partitions})
        if number == self.number:
            # What was secured of the log before is handed on first.
            begun = await account.look_for_deleted(identities, partitions, wait=self._kept.by_partition)
            logs += len(begun)
            read.update({partition: account.next[partition] for partition in begun})
        offsets = await self._client.offsets(partitions)
        if number == self.number:
            await account.begin({p: found.committed for p, found in offsets.items() if p not in account.next})
        if number == self.number:
            giving = set(self._client.holds())
            for partition, found in offsets.items():
                position = self._client.position(partition)
                if position is None or partition not in account.next:
                    continue
                if position < found.first and partition in giving and account.gap(partition) == 0:
                    self._secure(partition)
                    read[partition] = account.next[partition]
                elif position <= found.first:
                    account.explain(partition, found.first)
            if logs == account.logs_begun:
                account.seen(identities, offsets, read)
            offsets = {p: found._replace(waiting=account.waiting(p, found)) for p, found in offsets.items()}
            await self._places.look_into_silence(offsets, giving, lambda: number == self.number)
        if self._set_aside and number == self.number:
            await self._damage.look_behind_what_is_found()
        return Survey(number, offsets, self._places.all())

    def _secure(self, partition: Partition) -> None:
        """Take out what the client still has of records that are deleted: it would drop them with its next look."""
        found = self._from_client(partition, _ALL)
        if found is not None:
            self._kept.add(partition, found)
