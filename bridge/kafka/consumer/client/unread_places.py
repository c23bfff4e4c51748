"""Partitions that cannot be read on: since when, how often it was tried, and when it is tried again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiokafka.errors import BrokerResponseError, KafkaError, OffsetOutOfRangeError, ReplicaNotAvailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from bridge.kafka.consumer.chunk import Partition
    from bridge.kafka.consumer.client.kafka_client import KafkaClient, Offsets, PolledRecords

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
"""Seconds between two tries."""
_SILENT_SECONDS = 30.0
"""Seconds for which a partition with records may give none before the broker is asked why."""
_REST_SECONDS = 28.0
"""Seconds for which nothing is fetched of a partition whose fetches the broker answers with an error: the client has no pause of
its own, and would ask hundreds of times a second. Less than until the broker is asked why once more."""
TRIES = 3
"""Failed tries before what is damaged is set aside, where that is wanted."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Where a partition cannot be read, and why (the type of the error: its message may quote the record); tries so far."""

    partition: Partition
    offset: int
    why: str
    tries: int


@dataclass(slots=True)
class _Held:
    """A partition that waits for its next try; ``damaged``: it is the data, and the batch has not been looked into since."""

    place: Unreadable
    due: float
    damaged: bool
    reading: bool = False


class UnreadPlaces:
    """One assignment's places. ``clock`` is monotonic, in seconds. Held partitions are paused in the client until they are due."""

    def __init__(self, client: KafkaClient, clock: Callable[[], float]) -> None:
        self._client = client
        self._clock = clock
        self._held: dict[Partition, _Held] = {}
        self._silent: dict[Partition, tuple[int, float]] = {}
        self._mute: dict[Partition, Unreadable] = {}
        self._resting: dict[Partition, float] = {}
        self._asked: set[Partition] = set()

    def clear(self) -> None:
        """Another assignment begins."""
        self._held.clear()
        self._silent.clear()
        self._mute.clear()
        self._asked.clear()
        self._resting.clear()

    def forget(self, partition: Partition) -> None:
        """Another log has come in the place of the one that could not be read on: nothing of this holds there."""
        held = self._held.pop(partition, None)
        rested = self._resting.pop(partition, None) is not None
        self._silent.pop(partition, None)
        self._mute.pop(partition, None)
        if rested or (held is not None and not held.reading):
            self._client.resume(partition)

    def all(self) -> dict[Partition, Unreadable]:
        """Where nothing comes on, by partition."""
        return self._mute | {partition: held.place for partition, held in self._held.items()}

    def hold(self, partition: Partition, found: PolledRecords) -> None:
        """Reading has failed at the end of what was taken."""
        before = self._held.get(partition)
        tries = before.place.tries + 1 if before is not None and before.place.offset == found.end else 1
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** (tries - 1))
        place = Unreadable(partition, found.end, type(found.error).__name__, tries)
        self._held[partition] = _Held(place, self._clock() + pause, found.damaged)
        self._client.pause(partition)

    def read(self, partition: Partition) -> None:
        """It has been read on."""
        self._held.pop(partition, None)

    def try_again(self, partitions: Collection[Partition]) -> None:
        """Have the client fetch anew what is due: a disk, or a replica, may be whole again."""
        now = self._clock()
        for partition in [each for each, until in self._resting.items() if until <= now and each in partitions]:
            del self._resting[partition]
            self._client.resume(partition)
        for partition, held in self._held.items():
            if held.due <= now and not held.reading and partition in partitions:
                held.reading = True
                self._client.resume(partition)
                self._client.seek(partition, held.place.offset)

    def to_look_into(self, partitions: Collection[Partition]) -> Iterator[Unreadable]:
        """Damaged places that have been tried often enough, each once a try."""
        for partition, held in list(self._held.items()):
            if held.damaged and not held.reading and held.place.tries >= TRIES and partition in partitions:
                held.damaged = False
                yield held.place

    def silent(self) -> Sequence[Unreadable]:
        """Places of which the broker gives nothing, each once a time that it was asked why."""
        found = [self._mute[partition] for partition in self._asked if partition in self._mute]
        self._asked.clear()
        return found

    def passed(self, partition: Partition, offset: int) -> None:
        """The place is read by other means: the client goes on at this offset."""
        self._held.pop(partition, None)
        self._mute.pop(partition, None)
        self._silent.pop(partition, None)
        self._resting.pop(partition, None)
        self._client.resume(partition)
        self._client.seek(partition, offset)

    async def look_into_silence(
        self, offsets: Mapping[Partition, Offsets], giving: Collection[Partition], still: Callable[[], bool]
    ) -> None:
        """Partitions whose broker answers each fetch with an error: the client only tries again, and says nothing to us.

        ``giving``: partitions of which the client has something. ``still``: whether it is the same assignment.
        """
        now = self._clock()
        for partition, found in offsets.items():
            position, held = found.position, self._held.get(partition)
            # A held one that is tried again may be refused by the broker from then on: nothing more would come of the try.
            waits = held is not None and not held.reading
            if partition in giving or waits or position is None or position >= found.end:
                self._silent.pop(partition, None)
                self._mute.pop(partition, None)
                continue
            before, since = self._silent.setdefault(partition, (position, now))
            if before != position:
                self._silent[partition] = position, now
                self._mute.pop(partition, None)
            elif now - since >= _SILENT_SECONDS:
                self._silent[partition] = position, now
                why, refuses = await self._why_silent(partition, position)
                if not still():
                    return
                self._mute[partition] = Unreadable(partition, position, why, TRIES)
                self._asked.add(partition)
                if refuses:
                    self._resting[partition] = now + _REST_SECONDS
                    self._client.pause(partition)

    async def _why_silent(self, partition: Partition, position: int) -> tuple[str, bool]:
        """In words, and whether the broker answers with an error that is not about its own state: that may pass at any moment."""
        try:
            found = await self._client.raw(partition, position)
        except KafkaError as error:
            passing = error.retriable or isinstance(error, OffsetOutOfRangeError | ReplicaNotAvailableError)
            return type(error).__name__, isinstance(error, BrokerResponseError) and not passing
        return ("the broker gives records, the client does not" if found else "the broker gives no records"), False
