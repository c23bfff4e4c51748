"""A consumer client as aiokafka's is: it joins, prefetches, hands out, commits and rebalances, each at its own time.

It is a :class:`bridge.kafka.consumer.client.kafka_client.KafkaClient`.
"""

import asyncio
import contextlib
from dataclasses import dataclass

from aiokafka.errors import (
    CommitFailedError,
    ConsumerStoppedError,
    IllegalGenerationError,
    IllegalStateError,
    KafkaError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)

from bridge.kafka.consumer.client.kafka_client import Offsets, PolledRecords
from bridge.model.day_counts import NotedOffset
from simulation.cluster import TOPIC
from simulation.partition_log import Kind

_BATCH = 40
_PREFETCH_SECONDS = 0.05
_BRIEFLY, _PATIENTLY = 0.05, 0.5


class FetchedRecord:
    """One record as the client hands it out."""

    __slots__ = ("headers", "key", "offset", "timestamp", "value")

    def __init__(self, entry):
        self.key, self.value, self.headers = entry.key, entry.value, entry.headers
        self.offset, self.timestamp = entry.offset, entry.timestamp


@dataclass(slots=True)
class _Place:
    """Where the client is in a partition: ``held`` are entries that are here and not taken out, which end before ``after``."""

    next: int
    held: list | None = None
    after: int = 0
    asking: bool = False
    paused: bool = False
    watermark: int | None = None
    seeks: int = 0


class SimulatedClient:
    """``revoked`` and ``assigned`` are awaited around each rebalance, with the partitions. Times in seconds."""

    def __init__(self, cluster, count, *, session, rebalance, heartbeat, revoked, assigned):
        self._cluster, self._count = cluster, count
        self._session, self._rebalance, self._heartbeat = session, rebalance, heartbeat
        self._revoked, self._assigned = revoked, assigned
        self.name = None
        self._generation = -1
        self._places = {}
        self._assignment = ()
        self._order = []
        self._waiters = set()
        self._rejoin = asyncio.Event()
        self._joining = True
        self._announcing = False
        self._closed = False
        self._patience = _PATIENTLY
        self._hungry = asyncio.Event()
        self._tasks = []
        self.failure = None

    def start(self):
        """Join the group and fetch."""
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(work) for work in (self._coordinate(), self._beat(), self._prefetch())]
        for task in self._tasks:
            task.add_done_callback(self._ended)

    def _ended(self, task):
        if not task.cancelled() and task.exception() is not None:
            self.failure = task.exception()
            asyncio.get_running_loop().fail(self.failure)
            self._wake()

    async def stop(self):
        """Leave the group, if it can be told."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        name, self.name = self.name, None
        self._wake()
        if name is not None:
            with contextlib.suppress(KafkaError):
                await self._cluster.ask("leave", lambda: self._cluster.coordinator.leave(name))

    # The group.

    async def _coordinate(self):
        first = True
        while True:
            if not first:
                self._joining = True
                await self._revoked(set(self._assignment))
            first = False
            await self._join()
            self._announcing = True
            await self._assigned(set(self._assignment))
            self._announcing = False
            await self._rejoin.wait()

    async def _join(self):
        cluster = self._cluster
        while True:
            try:
                self.name, joined = await cluster.ask(
                    "join", lambda: cluster.coordinator.join(self.name, self._session, self._rebalance)
                )
                async with asyncio.timeout(self._rebalance + 5.0):
                    generation, partitions = await asyncio.shield(joined)
                self._rejoin.clear()
                await asyncio.sleep(cluster.delay())
                stored = await cluster.ask("offsets", lambda: dict(cluster.coordinator.committed))
            except (KafkaError, TimeoutError):
                await asyncio.sleep(0.3)
                continue
            # Between these lines nothing else of this client runs.
            self._generation, self._assignment = generation, partitions
            self._places = {each: _Place(stored.get(each, cluster.logs[each].start)) for each in partitions}
            self._order = []
            self._joining = False
            self._hungry.set()
            return

    async def _beat(self):
        cluster = self._cluster
        while True:
            await asyncio.sleep(self._heartbeat)
            name, generation = self.name, self._generation
            if name is None or self._joining:
                # While it joins it is alive by that; while its owner finishes what it has, by this.
                if name is not None:
                    with contextlib.suppress(KafkaError):
                        await cluster.ask("heartbeat", lambda n=name, g=generation: cluster.coordinator.heartbeat(n, g))
                continue
            try:
                await cluster.ask("heartbeat", lambda n=name, g=generation: cluster.coordinator.heartbeat(n, g))
            except (UnknownMemberIdError, IllegalGenerationError) as error:
                if name == self.name and generation == self._generation:
                    if isinstance(error, UnknownMemberIdError):
                        self.name = None
                    self._rejoin.set()
            except RebalanceInProgressError:
                if generation == self._generation:
                    self._rejoin.set()
            except KafkaError:
                pass

    # Fetching.

    async def _prefetch(self):
        while True:
            for partition, place in list(self._places.items()):
                if place.held is None and not place.asking and not place.paused:
                    place.asking = True
                    asyncio.get_running_loop().create_task(self._ask(partition, place))
            self._hungry.clear()
            await self._hungry.wait()

    async def _ask(self, partition, place):
        log, seeks = self._cluster.logs[partition], place.seeks
        try:
            found = await self._cluster.ask("fetch", lambda: self._read(log, place.next), partition=partition)
        except KafkaError:
            await asyncio.sleep(0.2)
        else:
            held, start, after, watermark = found
            if seeks == place.seeks and self._places.get(partition) is place:
                place.watermark = watermark
                if start > place.next:
                    self._count("the client jumps over what retention deleted")
                if held:
                    place.held, place.next, place.after = held, start, after
                    self._order.append(partition)
                    self._wake()
                else:
                    # Only entries move a position: before an open transaction it stays where compaction has left a gap.
                    place.next = start
                    await asyncio.sleep(self._patience)
            else:
                self._count("a fetch arrives for a place that is left")
        finally:
            place.asking = False
            self._hungry.set()

    def _read(self, log, position):
        start = max(position, log.start)
        entries = log.read(start, _BATCH)
        after = entries[-1].offset + 1 if entries else start
        return entries, start, after, log.end

    def _wake(self):
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    @property
    def rebalancing(self):
        """Whether an assignment is ending or about to begin."""
        return self._joining or self._announcing or self._rejoin.is_set()

    def notice(self):
        """Hear at once of a rebalance that has begun."""
        self._rejoin.set()

    def holds(self):
        """See KafkaClient."""
        if self._closed:
            raise ConsumerStoppedError
        if self.failure is not None:
            raise self.failure
        if self._joining:
            return ()
        return list(self._order)

    def poll(self, partition, most):
        """See KafkaClient."""
        place = self._places.get(partition)
        if place is None or place.held is None or self._joining:
            return None
        damaged, start, rows, error = self._cluster.logs[partition].damaged, place.next, [], None
        taken = 0
        for entry in place.held:
            if len(rows) >= most:
                break
            if entry.offset in damaged or entry.unparsable:
                error = UnicodeDecodeError("utf-8", b"\xff", 0, 1, "simulated") if entry.unparsable else _CorruptError()
                self._count("a record cannot be parsed" if entry.unparsable else "a batch is damaged")
                break
            taken += 1
            if entry.kind is Kind.RECORD:
                rows.append(FetchedRecord(entry))
        rest = place.held[taken:]
        end = rest[0].offset if rest else place.after
        place.next = end
        if rest and error is None:
            place.held = rest
        else:
            self._drop(partition, place)
        return PolledRecords(rows, start, end, error, error is not None)

    def _drop(self, partition, place):
        place.held = None
        if partition in self._order:
            self._order.remove(partition)
        self._hungry.set()

    async def arrival(self, seconds):
        """See KafkaClient."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            await asyncio.wait([waiter], timeout=seconds)
        finally:
            self._waiters.discard(waiter)
            waiter.cancel()
        if self.failure is not None:
            raise self.failure

    def be_patient(self, *, patient):
        """See KafkaClient."""
        self._patience = _PATIENTLY if patient else _BRIEFLY

    def touch(self):
        """See KafkaClient."""

    def position(self, partition):
        """See KafkaClient."""
        place = self._places.get(partition)
        return None if place is None else place.next

    def seek(self, partition, offset):
        """See KafkaClient."""
        place = self._places.get(partition)
        if place is None:
            raise IllegalStateError("not assigned")
        place.seeks += 1
        place.next = offset
        self._drop(partition, place)

    def pause(self, partition):
        """See KafkaClient."""
        if partition not in self._places:
            raise IllegalStateError("not assigned")
        self._places[partition].paused = True

    def resume(self, partition):
        """See KafkaClient."""
        if partition not in self._places:
            raise IllegalStateError("not assigned")
        self._places[partition].paused = False
        self._hungry.set()

    # Offsets.

    async def commit(self, offsets, notes):
        """See KafkaClient."""
        name, generation = self.name, self._generation
        if self._closed:
            raise ConsumerStoppedError
        if any(partition not in self._places for partition in offsets):
            raise IllegalStateError("not assigned")
        if name is None:
            raise CommitFailedError("no member")
        coordinator, stored, noted = self._cluster.coordinator, dict(offsets), dict(notes)
        await self._cluster.ask("commit", lambda: coordinator.commit(name, generation, stored, noted))

    async def noted(self, partitions):
        """See KafkaClient."""
        coordinator = self._cluster.coordinator
        stored, notes = await self._cluster.ask(
            "offsets", lambda: (dict(coordinator.committed), dict(coordinator.notes))
        )
        return {each: NotedOffset(stored[each], notes[each]) if each in stored else None for each in partitions}

    async def beat(self):
        """See KafkaClient."""
        cluster, name, generation = self._cluster, self.name, self._generation
        if name is None:
            return False
        try:
            await cluster.ask("heartbeat", lambda: cluster.coordinator.heartbeat(name, generation))
        except RebalanceInProgressError:
            return True
        except KafkaError:
            return False
        return True

    async def committed(self, partitions):
        """See KafkaClient."""
        stored = await self._cluster.ask("offsets", lambda: dict(self._cluster.coordinator.committed))
        return {partition: stored.get(partition) for partition in partitions}

    async def first_offsets(self, partitions):
        """See KafkaClient."""
        logs = self._cluster.logs
        return await self._cluster.ask("list offsets", lambda: {each: logs[each].start for each in partitions})

    async def offsets(self, partitions):
        """See KafkaClient."""
        logs = self._cluster.logs
        first = await self.first_offsets(partitions)
        end = await self._cluster.ask("list offsets", lambda: {each: logs[each].stable for each in partitions})
        committed = await self.committed(partitions)
        return {
            each: Offsets(
                first[each], committed[each], end[each], self.position(each),
                self._places[each].watermark if each in self._places else None,
            )
            for each in partitions
        }  # fmt: skip

    async def raw(self, partition, offset):
        """See KafkaClient."""
        log = self._cluster.logs[partition]
        return await self._cluster.ask("fetch", lambda: log.raw(offset), partition=partition)

    def topic_partitions(self, topic):
        """See KafkaClient."""
        return len(self._cluster.partitions) if topic == TOPIC and self.name else None

    async def topic_identity(self, _topic):
        """See KafkaClient: there is one topic, for ever."""
        await asyncio.sleep(0)
        return b"the only one"

    def refresh(self):
        """See KafkaClient."""


class _CorruptError(KafkaError):
    """A checksum that does not match."""
