"""Which Kafka offsets may be committed: only the contiguous prefix whose events are all accepted or stored as dead letters.

One ledger for the worker, by partition and assignment. Records arrive in chunks (a run of one partition, in offset order;
compaction and transactions may leave gaps between offsets, which the chunk accounts for). Events of a chunk resolve in any
order and are only counted, so that the cost is one subtraction a run of events, whatever their number. Pure: no I/O, and
the clock is handed in.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bridge.kafka.consumer.chunk import Chunk
from bridge.kafka.consumer.settled_counts import SettledCounts
from bridge.model.errors import BridgeError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bridge.kafka.consumer.chunk import Partition


class UnaccountedError(BridgeError):
    """Records came behind offsets that nobody accounts for: acknowledging them would lose what lies between."""


@dataclass(slots=True)
class _Lane:
    """One assigned partition: its open chunks in the order they were fetched. ``begun_anew`` counts those that begin a log anew.

    Logs have numbers, 0 for the one that the assignment began with; ``log`` is the number of the one that ``position`` is of.
    ``gone``: by number, where what was read of a log began and ended that is there no more, until all of it is finished.
    """

    generation: int
    committed: int | None
    position: int | None = None
    expected: int | None = None
    span: int = 0
    begun_anew: int = 0
    log: int = 0
    gone: dict[int, tuple[int, int]] = field(default_factory=dict)
    chunks: deque[Chunk] = field(default_factory=deque)


class Ledger:
    """Counts what is under way and knows how far each partition is finished.

    ``events`` and ``weight`` are the totals between fetch and acknowledgement, in events and bytes of records. ``queued``
    counts the chunks that are fetched and not admitted yet.
    ``resolved`` only grows: a watchdog compares it. ``newest`` is the Kafka timestamp of the newest finished chunk.
    ``settled`` counts what the finished prefix has moved over. ``clock`` gives monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lanes: dict[Partition, _Lane] = {}
        self.events = 0
        self.weight = 0
        self.queued = 0
        self.resolved = 0
        self.newest = 0.0
        self.settled = SettledCounts()

    def open(self, generation: int, partitions: Mapping[Partition, int | None]) -> None:
        """Begin an assignment: partition -> offset the group had committed, None when unknown or none."""
        self.close(tuple(self._lanes))
        for partition, committed in partitions.items():
            self._lanes[partition] = _Lane(generation, committed)
        self.settled.open(partitions)

    def close(self, partitions: Sequence[Partition]) -> None:
        """Forget these partitions: they are another worker's now, and what is still under way there resolves to nothing."""
        for partition in partitions:
            for chunk in self._lanes.pop(partition).chunks:
                chunk.closed = True
                self.queued -= not chunk.admitted
                if chunk.unresolved:
                    self.events -= chunk.unresolved
                    self.weight -= chunk.weight

    def register_chunk(
        self,
        partition: Partition,
        generation: int,
        records: Sequence[Any],
        weight: int,
        *,
        first: int,
        last: int,
        since: int | None = None,
        upto: int | None = None,
        anew: int = 0,
        unreadable: str = "",
    ) -> Chunk | None:
        """Register a chunk before it is handed on; None when it belongs to no current assignment.

        ``since`` and ``upto`` are given where the client accounts for more offsets than the records have. Raises
        :class:`UnaccountedError` for a chunk behind offsets that were not accounted for.
        """
        lane = self._lanes.get(partition)
        if lane is None or lane.generation != generation:
            return None
        since, upto = first if since is None else since, last + 1 if upto is None else upto
        self._account(lane, partition, since, upto, anew=bool(anew))
        timestamp = records[-1].timestamp / 1000.0
        chunk = Chunk(
            partition,
            generation,
            first,
            last,
            records,
            weight,
            timestamp,
            len(records),
            since=since,
            upto=upto,
            anew=anew,
            unreadable=unreadable,
            # A place that cannot be read has no time of its own.
            oldest=min(timestamp, records[0].timestamp / 1000.0),
            fetched=self._clock(),
        )
        lane.chunks.append(chunk)
        lane.begun_anew += bool(anew)
        lane.span += upto - since
        self.events += len(records)
        self.weight += weight
        self.queued += 1
        return chunk

    def passed(self, partition: Partition, generation: int, since: int, upto: int) -> None:
        """No record lies at these offsets: they are finished with what lies before them."""
        lane = self._lanes.get(partition)
        if lane is None or lane.generation != generation:
            return
        self._account(lane, partition, since, upto)
        if lane.chunks:
            last = lane.chunks[-1]
            lane.span += max(0, upto - last.upto)
            last.upto = max(last.upto, upto)
        else:
            lane.position = max(upto, lane.position or upto)

    def _account(self, lane: _Lane, partition: Partition, since: int, upto: int, *, anew: bool = False) -> None:
        if lane.expected is None or anew:
            lane.expected = upto
        elif since > lane.expected:
            raise UnaccountedError(
                f"topic {partition[0]} partition {partition[1]}: {lane.expected} expected, {since} came"
            )
        else:
            # A chunk fetched twice must not take it back.
            lane.expected = max(lane.expected, upto)

    def admit(self, chunk: Chunk, events: int) -> None:
        """The chunk's records turned out to hold this many events that need a verdict."""
        if chunk.closed or chunk.admitted:
            return
        chunk.admitted = True
        self.queued -= 1
        self.events += events - chunk.unresolved
        chunk.unresolved = events
        if not events:
            self._finish(chunk)

    def resolve(self, chunk: Chunk, events: int = 1) -> bool:
        """``events`` of the chunk are accepted or stored as dead letters. False when the assignment is over."""
        if chunk.closed:
            return False
        if not chunk.admitted or events > chunk.unresolved:
            # An event counted twice would let an offset pass that is still open: better to stop than to lose one.
            raise AssertionError("more events resolved than the chunk holds")
        chunk.unresolved -= events
        self.events -= events
        self.resolved += events
        if not chunk.unresolved:
            self._finish(chunk)
        return True

    def _finish(self, chunk: Chunk) -> None:
        self.weight -= chunk.weight
        self.newest = max(self.newest, chunk.timestamp)
        # The raw records are only kept to be dead letters; a finished chunk behind an open one need not hold memory.
        chunk.records, chunk.places, chunk.unfinished = (), [], ()
        lane = self._lanes[chunk.partition]
        chunks = lane.chunks
        while chunks and chunks[0].admitted and not chunks[0].unresolved:
            done = chunks.popleft()
            self.settled.passed(done)
            if done.anew:
                # The offsets of before belong to records that are gone, and would keep these from being committed.
                lane.position, lane.committed = done.upto, None
                lane.begun_anew -= 1
                lane.log = done.anew
                lane.gone = {log: read for log, read in lane.gone.items() if log >= done.anew}
            else:
                # A chunk fetched twice must not take the position back.
                lane.position = max(done.upto, lane.position or done.upto)
            lane.span -= done.upto - done.since

    def log_gone(self, partition: Partition, generation: int, log: int, begun: int, upto: int) -> None:
        """What was read of the partition from ``begun`` to before ``upto`` is of the log of this number, which is there no more."""
        lane = self._lanes.get(partition)
        if lane is not None and lane.generation == generation:
            lane.gone[log] = begun, upto

    def lost_with_their_logs(self) -> list[tuple[Partition, int, int]]:
        """What nobody will find again once this assignment ends: offsets, from and to before, that were read and are not finished."""
        lost = []
        for partition, lane in self._lanes.items():
            newest, oldest_open = lane.log, dict[int, int]()
            for chunk in lane.chunks:
                newest = chunk.anew or newest
                oldest_open.setdefault(newest, chunk.since)
            for log, (begun, upto) in lane.gone.items():
                if log in oldest_open:
                    start = oldest_open[log]
                elif log < newest:
                    continue  # what comes next is here, hence all of it is finished
                else:
                    start = begun if lane.position is None or lane.log != log else lane.position
                if start < upto:
                    lost.append((partition, start, upto))
        return lost

    def holds(self, partition: Partition, generation: int) -> bool:
        """Whether the partition is ours by the assignment of this number."""
        lane = self._lanes.get(partition)
        return lane is not None and lane.generation == generation

    def waiting(self) -> list[Chunk]:
        """Chunks that are not admitted yet, those of a partition in the order they were fetched."""
        return [chunk for lane in self._lanes.values() for chunk in lane.chunks if not chunk.admitted]

    def committable(self) -> dict[Partition, int]:
        """Partition -> offset to commit (the next one to read), where it is ahead of what was committed.

        Once records of a log that has come in the place of another are here, offsets of that other one count no more.
        """
        return {
            partition: lane.position
            for partition, lane in self._lanes.items()
            if lane.position is not None
            and not lane.begun_anew
            and (lane.committed is None or lane.position > lane.committed)
        }

    def confirm(self, generation: int, offsets: Mapping[Partition, int]) -> None:
        """The broker has stored these offsets; a failed commit is simply not confirmed and offered again."""
        for partition, offset in offsets.items():
            lane = self._lanes.get(partition)
            # What is ahead of the position was stored before the log was cut.
            if lane is None or lane.generation != generation:
                continue
            if lane.position is None or offset <= lane.position:
                lane.committed = max(offset, lane.committed or offset)

    def committed(self) -> dict[Partition, int | None]:
        """Partition -> offset that the broker is known to hold, for every assigned partition."""
        return {partition: lane.committed for partition, lane in self._lanes.items()}

    @property
    def assigned(self) -> int:
        """Partitions of this assignment."""
        return len(self._lanes)

    @property
    def oldest(self) -> float:
        """Kafka timestamp of the oldest chunk that is open, 0 when none is."""
        return min((lane.chunks[0].timestamp for lane in self._lanes.values() if lane.chunks), default=0.0)

    def heads(self) -> dict[Partition, Chunk]:
        """Partition -> its oldest chunk that is not finished, where there is one."""
        return {partition: lane.chunks[0] for partition, lane in self._lanes.items() if lane.chunks}

    def positions(self) -> dict[Partition, tuple[int, int | None]]:
        """Partition -> number of the assignment, and the offset behind its finished prefix (None: nothing finished yet)."""
        return {partition: (lane.generation, lane.position) for partition, lane in self._lanes.items()}

    def span(self, partition: Partition) -> int:
        """Offsets between the finished prefix and the newest fetched: what a crash would repeat at most."""
        lane = self._lanes.get(partition)
        return lane.span if lane else 0

    def left(self) -> dict[Partition, int]:
        """Partition -> events without a verdict."""
        counts = {p: sum(chunk.unresolved for chunk in lane.chunks) for p, lane in self._lanes.items()}
        return {partition: count for partition, count in counts.items() if count}
