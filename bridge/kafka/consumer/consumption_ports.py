"""What consuming stands on: the client's side, who brings work to an end before a revoke, and who is told what cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Collection, Mapping

    from bridge.kafka.consumer.chunk import Partition
    from bridge.kafka.consumer.client.fetching import Fetch, Gone, Survey, Unreadable
    from bridge.kafka.consumer.client.kafka_client import Offsets
    from bridge.kafka.consumer.client.offset_account import Expired
    from bridge.model.day_counts import NotedOffset
    from bridge.runtime.deadline import Deadline


class Finisher(Protocol):
    """Is told of assignments, and brings what is under way to an end (:class:`bridge.worker.worker.Worker`)."""

    def assigned(self) -> None:
        """An assignment begins; none of its records has been handed on yet."""
        ...

    async def for_revoke(self) -> Deadline:
        """Deliver and store what can be; gives the deadline of the commit that follows. Returns early when waiting is of no use."""
        ...

    def given_away(self) -> None:
        """The chunks of the assignment are closed: drop what is left of them."""
        ...


class ClientSide(Protocol):
    """:class:`~bridge.kafka.consumer.client.fetching.Fetching`, or what reaches it in another thread."""

    @property
    def number(self) -> int:
        """Number of the client's assignment."""
        ...

    @property
    def expired(self) -> deque[Expired]:
        """What retention has deleted unread, to be emptied here."""
        ...

    @property
    def gone(self) -> deque[Gone]:
        """Logs that are there no more, of which something was handed on, to be emptied here."""
        ...

    async def fetch(self, partitions: Collection[Partition], seconds: float, most: int) -> Fetch:
        """At most ``most`` records of these partitions; a wait of ``seconds`` at most."""
        ...

    async def touch(self) -> None:
        """Stay a member while nothing is fetched."""
        ...

    async def store(self, number: int, offsets: Mapping[Partition, int], notes: Mapping[Partition, str]) -> bool:
        """Commit for the assignment of this number, with a note for each offset; whether it was stored."""
        ...

    async def noted(
        self, number: int, partitions: Collection[Partition]
    ) -> Mapping[Partition, NotedOffset | None] | None:
        """What is stored for these partitions; None where it cannot be read now."""
        ...

    async def is_member(self, number: int) -> bool:
        """Whether the group says, now, that the assignment of this number still stands."""
        ...

    async def survey(self, partitions: Collection[Partition]) -> Survey:
        """Where these partitions stand."""
        ...

    async def refresh(self) -> None:
        """Look for topics and partitions that may have come."""
        ...

    async def look_back(self) -> None:
        """While nothing is assigned: whether what was assigned before has gone with its topic."""
        ...


class Reporting(Protocol):
    """Reports what cannot be read or is gone (:class:`bridge.kafka.consumer.reading.Reading`)."""

    def unreadable(self, places: Mapping[Partition, Unreadable]) -> None:
        """All places that cannot be read now."""
        ...

    def expired(self, lost: Expired) -> None:
        """Records that were deleted unread."""
        ...

    def surveyed(self, offsets: Mapping[Partition, Offsets]) -> None:
        """Where all partitions of the assignment stand."""
        ...

    def assigned(self, partitions: int) -> None:
        """Another assignment begins, of a number of partitions; 0 also between two."""
        ...
