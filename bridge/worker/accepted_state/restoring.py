"""Brings the state of assigned partitions to what lies in Kafka before anything is mapped by it, and claims it.

It goes on until it has come to pass or the assignment is over: without it a customer's event would leave with less than is known.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import structlog

from bridge.model.errors import KafkaError
from bridge.worker.accepted_state.fenced_state import OtherPartitionsError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
    from random import Random

    from bridge.model.backoff import Backoff
    from bridge.worker.accepted_state.shelf import Shelf

_log = structlog.get_logger(__name__)
_TOKEN_BYTES: Final = 16
_NOT_OURS_SECONDS: Final = 0.5


class Log(Protocol):
    """The topic of the state (:class:`bridge.kafka.route_state.state_log.StateLog`); ``KafkaError`` when it cannot."""

    name: str

    async def open(self) -> int:
        """Find or make it; its partitions. ``TopicMissing`` and ``UnfitTopic`` do not pass by waiting."""
        ...

    async def append(self, partition: int | None, entries: Sequence[tuple[bytes, bytes | None]]) -> None:
        """Store; of an error it is not known what is stored, or will be."""
        ...

    def read(self, since: Mapping[int, int]) -> AsyncIterator[Any]:
        """Batches (:class:`bridge.kafka.route_state.state_reader.StateBatch`) up to the ends of now."""
        ...


@dataclass(slots=True)
class Restoring:
    """``is_ours`` asks the group whether this worker is still its member, after which nobody else can have claimed before it.

    ``is_current`` says whether a shelf belongs to the assignment of now. ``trouble`` is what stands in the way, "" when nothing does;
    ``reading`` counts the partitions that are not there yet, since the moment ``since``, and ``records`` what was read of them.
    """

    log: Log
    is_ours: Callable[[], Awaitable[bool]]
    is_current: Callable[[Shelf], bool]
    backoff: Backoff
    random: Random
    clock: Callable[[], float]
    trouble: str = ""
    reading: int = 0
    records: int = 0
    since: float = 0.0

    async def run(self, shelves: Sequence[Shelf]) -> None:
        """Return when each of these shelves is ready, or no longer ours."""
        failures = 0
        self.reading += (count := len(shelves))
        self.records, self.since = 0, self.clock()
        try:
            while current := [shelf for shelf in shelves if self.is_current(shelf) and not shelf.ready]:
                try:
                    await self._claim(current)
                except KafkaError as error:
                    failures += 1
                    self._fails(str(error))
                    await asyncio.sleep(self.backoff.delay(failures))
                except OtherPartitionsError:
                    failures += 1
                    self._fails(
                        f"{self.log.name} was written while the topic had another number of partitions: stop the route's workers,"
                        f" delete {self.log.name} and send the events once more (aep-bridge replay)"
                    )
                    await asyncio.sleep(self.backoff.delay(failures))
        finally:
            self.reading -= count
        self._passes()

    def _fails(self, why: str) -> None:
        if not self.trouble:
            _log.error(
                "state_unreadable",
                detail="The route's accepted state cannot be read; nothing is mapped until it can.",
                why=why,
            )
        self.trouble = why

    def _passes(self) -> None:
        if self.trouble:
            _log.info("state_readable", detail="The route's accepted state can be read again.")
        self.trouble = ""

    async def _claim(self, shelves: Sequence[Shelf]) -> None:
        states = {shelf.partition: shelf.state for shelf in shelves}
        await asyncio.gather(
            *(
                self.log.append(number, [state.claim(self.random.randbytes(_TOKEN_BYTES))])
                for number, state in states.items()
                if state is not None
            )
        )
        since = {number: state.next for number, state in states.items() if state is not None and number is not None}
        async for batch in self.log.read(since):
            state = states[batch.partition]
            if state is None or not any(map(self.is_current, shelves)):
                return
            if batch.anew:
                _log.error(
                    "state_gone",
                    detail="The state topic was created again. This worker stores what it knows of a customer anew with the customer's next event.",
                    topic=self.log.name,
                    partition=batch.partition,
                )
                state.begin_anew()
            try:
                state.read(batch.records, batch.next_offset)
            except ValueError as error:
                raise KafkaError(
                    f"{self.log.name}[{batch.partition}] holds before offset {batch.next_offset} a record that this version cannot read: {error}"
                ) from None
            self.records += len(batch.records)
            # While there is more here than can be taken in, nothing else would have its turn.
            await asyncio.sleep(0)
        # Asked after the claim is stored: who is still a member now was the owner then, and whoever comes next claims later.
        if not await self.is_ours():
            await asyncio.sleep(_NOT_OURS_SECONDS)
            return
        for shelf in shelves:
            # A claim that somebody's later one has replaced is made once more.
            shelf.ready = self.is_current(shelf) and shelf.state is not None and shelf.state.owned
