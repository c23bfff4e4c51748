"""A partition on a broker's disk, byte by byte, that rots at any place; and a reader of it by aiokafka's parser and the bridge's fetching."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from aiokafka.errors import CorruptRecordException, RecordTooLargeError
from fetched_batches import Held, batch

from bridge.kafka.consumer.client.fetching import Fetching
from bridge.kafka.consumer.client.kafka_client import Offsets

P0 = ("t", 0)
_BEFORE_LENGTH, _LEAST = 12, 14


@dataclass
class Disk:
    """Batches of ``per`` records each, of the values ``v0``, ``v1``, ….

    A broker looks for an offset in the batches themselves, from the beginning or, ``indexed``, from the batch that should have
    it. ``by_base``: by their first offsets, as brokers of today do, or by their last ones.
    """

    per: int = 10
    indexed: bool = False
    by_base: bool = True
    batches: list[bytearray] = field(default_factory=list)

    @property
    def end(self) -> int:
        """The offset behind the last record."""
        return len(self.batches) * self.per

    def append(self) -> None:
        """One more batch."""
        self.batches.append(bytearray(batch(self.end, [b"v%d" % (self.end + at) for at in range(self.per)])))

    def fetch(self, offset: int) -> bytes:
        """What a broker gives from there on, or its error."""
        if offset >= self.end:
            return b""
        raw = b"".join(self.batches)
        at = sum(map(len, self.batches[: offset // self.per])) if self.indexed else 0
        before = None
        while at + 17 <= len(raw):
            base, size = struct.unpack_from(">qi", raw, at)
            if size < _LEAST:
                raise CorruptRecordException("size")
            if at + _BEFORE_LENGTH + size > len(raw):
                break
            last = base + struct.unpack_from(">i", raw, at + 23)[0]
            if base >= offset or (not self.by_base and last >= offset):
                return raw[before[0] if before and before[1] >= offset and base > offset else at :]
            before = at, last
            at += _BEFORE_LENGTH + size
        return raw[before[0] :] if before and before[1] >= offset else b""


@dataclass
class Outcome:
    """What was read: values that came as records, ranges (from, to before) of what was set aside or told as gone, and where reading stands."""

    values: set[bytes] = field(default_factory=set)
    told: list[tuple[int, int]] = field(default_factory=list)
    position: int = 0
    held: bool = False

    def lost(self, end: int) -> list[int]:
        """Offsets that were passed without a word."""
        return [
            offset
            for offset in range(min(end, self.position))
            if b"v%d" % offset not in self.values and not any(start <= offset < to for start, to in self.told)
        ]


async def read_through(disk: Disk, *, set_aside: bool, grows: int = 1, seconds: int = 90) -> Outcome:
    """Read for so many seconds, and so many batches more that come when everything before them has been tried often enough."""
    held, found, now = Held(P0), Outcome(), 0.0
    client, (tp,) = held.client, held.partitions
    state, stored = held.subscriptions.subscription.assignment.state_value(tp), {P0: 0}

    async def committed(_partitions):
        return stored

    async def first_offsets(_partitions):
        return {P0: 0}

    async def offsets(_partitions):
        return {P0: Offsets(0, 0, disk.end, client.position(P0), disk.end)}

    async def nothing(*_asked):
        return None

    async def raw(_partition, offset):
        return disk.fetch(offset)

    client.committed, client.first_offsets, client.offsets = committed, first_offsets, offsets
    client.commit = client.topic_identity = client.arrival = nothing
    client.raw = raw
    fetching = Fetching(client, lambda: now, set_aside=set_aside)
    fetching.assigned()
    for second in range(0, seconds, 3):
        now = float(second)
        if second == seconds // 2:
            for _ in range(grows):
                disk.append()
        state.highwater = state.lso = disk.end
        if not state.paused and tp not in held.fetcher._records:
            _receive(held, disk, state)
        fetch = await fetching.fetch({P0}, 0.0, 1_000)
        for polled in fetch.records.values():
            if polled.unreadable:
                found.told.append((polled.rows[0].offset, polled.rows[0].last + 1))
            else:
                found.values |= {row.value for row in polled.rows}
        survey = await fetching.survey([P0])
        found.held = bool(survey.unreadable)
    found.told += [(lost.start, lost.end) for lost in fetching.expired]
    found.position = client.position(P0)
    return found


def _receive(held: Held, disk: Disk, state) -> None:
    """As the client does with what a broker answers."""
    try:
        raw = disk.fetch(state.position)
    except CorruptRecordException:
        return
    if not raw:
        return
    held.receive(P0, raw)
    (tp,) = held.partitions
    if not held.fetcher._records[tp]._partition_records._records.has_next():
        held.fail(P0, RecordTooLargeError("one"))
        state.consumed_to(state.position + 1)
