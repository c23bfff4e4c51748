"""Keeps :mod:`bridge.worker.restart_memory.memory` for each assigned partition, in the state topic.

Before anything is mapped all partitions are marked as held. Where the process before has not given the partition away in order, a
probation begins: chunks are written down until as many events are mapped as may be under way, or for a while;
what kills a process again lies there, as reading begins anew at the committed offsets. After that nothing is written, and a chunk
costs one look into a dictionary.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import structlog

from bridge.model.errors import KafkaError
from bridge.worker.restart_memory.memory import PartitionMemory, Remembered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from bridge.kafka.consumer.chunk import Chunk, Partition

_log = structlog.get_logger(__name__)
_PROBATION_SECONDS: Final = 15.0
ALONE_SECONDS: Final = 10.0
"""Seconds that one record may need that is tried alone."""
_STRIKE_OUT_SECONDS: Final = 0.05


class Store(Protocol):
    """Keeps values by key (:class:`bridge.kafka.state_topic.StateTopic`); ``KafkaError`` when it cannot."""

    async def read(self) -> Mapping[bytes, bytes]:
        """All of them."""
        ...

    async def write(self, values: Mapping[bytes, bytes]) -> None:
        """Some of them; stored when it returns."""
        ...


@dataclass(slots=True)
class _Watched:
    generation: int
    memory: PartitionMemory
    until: float
    over: bool
    given_away: bool = False

    def is_quiet(self) -> bool:
        """Whether nothing is to be written of it any more."""
        return self.over or self.given_away


class RestartMarks:
    """Writes down what is about to be mapped, and tries alone what ended a process.

    ``try_alone`` maps a record for nothing; ``put_off`` gives the dead-man's switch a bound in seconds for it.
    ``probation`` is the number of events after which an assignment has proved itself. ``tell`` hears whether the memory works.
    ``assigned`` gives the partitions of the assignment.
    """

    def __init__(
        self,
        store: Store,
        group: str,
        *,
        try_alone: Callable[[Any], None],
        put_off: Callable[[float], None],
        clock: Callable[[], float],
        probation: int,
        tell: Callable[[bool], None],
        assigned: Callable[[], Iterable[Partition]] = tuple,
    ) -> None:
        self._store = store
        self._group = group
        self._try_alone = try_alone
        self._put_off = put_off
        self._clock = clock
        self._probation = probation
        self._tell = tell
        self._assigned = assigned
        self._generation: int | None = None
        self._stored: Mapping[bytes, bytes] | None = None
        self._watched: dict[Partition, _Watched] = {}
        self._mapped = 0
        self._struck_out: dict[bytes, bytes] = {}
        self._striking_out: asyncio.Task[None] | None = None

    def watches(self, chunk: Chunk) -> bool:
        """Whether the chunk has to go through :meth:`before` and :meth:`after`."""
        # One that nobody will map, of an assignment before or given twice, must not begin anything.
        if chunk.closed or chunk.admitted:
            return False
        watched = self._watched.get(chunk.partition)
        return watched is None or watched.generation != chunk.generation or not watched.over

    async def before(self, chunk: Chunk) -> frozenset[int]:
        """Write the chunk down, its suspects tried before; the offsets of it that must not be mapped."""
        watched = await self._of(chunk)
        memory = watched.memory
        for record in chunk.records:
            if watched.is_quiet() or chunk.closed:
                break
            if not memory.meets(record.offset, record.timestamp):
                _log.info(
                    "restart_memory_forgotten",
                    detail="The topic was created again, and the remembered offset holds another record.",
                    topic=chunk.partition[0],
                    partition=chunk.partition[1],
                    offset=record.offset,
                )
            if memory.is_suspect(record.offset):
                await self._write(chunk.partition, memory.trying(record.offset), watched)
                if watched.is_quiet():
                    break
                self._put_off(ALONE_SECONDS)
                self._try_alone(record)
                memory.passed(record.offset)
        if not (watched.is_quiet() or chunk.closed):
            await self._write(chunk.partition, memory.mapping(chunk.first, chunk.last), watched)
        return frozenset(memory.hung)

    def after(self, chunk: Chunk) -> None:
        """The chunk has been mapped."""
        watched = self._watched.get(chunk.partition)
        if watched is None or watched.is_quiet() or watched.generation != chunk.generation:
            return
        memory = watched.memory
        self._mapped += max(1, chunk.unresolved)
        proved = self._mapped >= self._probation or self._clock() >= watched.until
        met = all(offset <= chunk.last for offset in memory.hung)
        watched.over = proved and memory.suspects is None and met
        self._struck_out[self._key(chunk.partition)] = memory.settled().to_bytes()
        if self._striking_out is None or self._striking_out.done():
            self._striking_out = asyncio.create_task(self._strike_out(), name="restart-marks")

    async def give_away(self, seconds: float) -> None:
        """The partitions are given away in order: nobody needs to wonder whether this process died. Takes ``seconds`` at most.

        Nothing is written of them from now on, whatever is still being mapped: it would pass for the mark of a process that died.
        """
        for watched in self._watched.values():
            watched.given_away = True
        self._struck_out = {
            self._key(partition): watched.memory.settled(busy=False).to_bytes()
            for partition, watched in self._watched.items()
            if self._stored is not None
        }
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._write_struck_out()

    async def close(self) -> None:
        """Strike out what has been mapped, or give that up."""
        if self._striking_out is not None:
            await asyncio.gather(self._striking_out, return_exceptions=True)

    def _key(self, partition: Partition) -> bytes:
        return f"mapping/{self._group}/{partition[0]}/{partition[1]}".encode()

    async def _of(self, chunk: Chunk) -> _Watched:
        if chunk.generation != self._generation:
            # All partitions of an assignment are numbered alike, and nobody else writes of them while it lasts.
            try:
                stored = await self._store.read()
            except KafkaError as error:
                self._fails("read", error)
                stored = None
            self._generation, self._stored, self._watched, self._mapped = chunk.generation, stored, {}, 0
            if stored is not None:
                await self._begin(chunk.generation, stored)
        watched = self._watched.get(chunk.partition)
        if watched is None:
            remembered = Remembered.from_bytes((self._stored or {}).get(self._key(chunk.partition)))
            memory = PartitionMemory(chunk.first, remembered)
            until = self._clock() + _PROBATION_SECONDS if remembered.busy else self._clock()
            watched = _Watched(chunk.generation, memory, until, over=self._stored is None)
            self._watched[chunk.partition] = watched
            if memory.suspects or memory.hung:
                _log.error(
                    "records_mapped_alone",
                    detail="A process ended while it mapped these records; they are mapped one by one.",
                    topic=chunk.partition[0],
                    partition=chunk.partition[1],
                    offsets=list(memory.suspects or ()),
                    given_up=sorted(memory.hung),
                )
        return watched

    async def _begin(self, generation: int, stored: Mapping[bytes, bytes]) -> None:
        """Mark all partitions as held of which nothing is remembered, together: no chunk of them is watched."""
        values = {}
        for partition in self._assigned():
            if Remembered.from_bytes(stored.get(self._key(partition))) == Remembered():
                memory = PartitionMemory(0, Remembered())
                self._watched[partition] = _Watched(generation, memory, self._clock(), over=True)
                values[self._key(partition)] = memory.settled().to_bytes()
        self._struck_out |= values
        await self._write_struck_out()

    async def _write(self, partition: Partition, remembered: Remembered, watched: _Watched) -> None:
        # What was mapped meanwhile goes along, so that at most one run is written down at any time.
        key = self._key(partition)
        values, self._struck_out = {**self._struck_out, key: remembered.to_bytes()}, {}
        try:
            await self._store.write(values)
        except KafkaError as error:
            self._fails("written", error)
            watched.over = True
        else:
            self._tell(True)

    async def _strike_out(self) -> None:
        await asyncio.sleep(_STRIKE_OUT_SECONDS)
        await self._write_struck_out()

    async def _write_struck_out(self) -> None:
        values, self._struck_out = self._struck_out, {}
        if not values:
            return
        try:
            await self._store.write(values)
        except KafkaError as error:
            self._fails("written", error)
        else:
            self._tell(True)

    def _fails(self, what: str, error: KafkaError) -> None:
        self._tell(False)
        _log.warning(
            "restart_memory_lost",
            detail="The state topic cannot be used; records that end a process are not remembered meanwhile.",
            what=what,
            error=str(error),
        )
