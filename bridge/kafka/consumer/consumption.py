"""What consuming does in the worker's main loop: fetch what the gate admits, write it into the ledger, hand it on, commit.

It knows neither Faust nor threads: :class:`~bridge.kafka.consumer.stream.transport.ChunkConsumer` drives it in a worker, with the client in
a thread of its own; a simulation drives the same code in one loop.
"""

from __future__ import annotations

import asyncio
import contextlib
from bisect import bisect_right
from collections import deque
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Protocol

import structlog
from aiokafka.errors import ConsumerStoppedError

from bridge.kafka.consumer.offset_account import Expired

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from bridge.kafka.consumer.fetching import Fetch, Gone, Survey, Unreadable
    from bridge.kafka.consumer.gate import Gate
    from bridge.kafka.consumer.kafka_client import Offsets
    from bridge.kafka.consumer.ledger import Chunk, Ledger, Partition
    from bridge.model.day_counts import NotedOffset
    from bridge.runtime.deadline import Deadline

_log = structlog.get_logger(__name__)
_RECORDS = 500
_BYTES = 1_000_000
_RECORD_BYTES = 100
"""What a record takes in memory beside key and value, roughly."""
_FETCH_RECORDS = 1_000
_REVOKE_COMMIT_SECONDS = 5.0


class Finisher(Protocol):
    """Brings what is under way to an end (:class:`bridge.worker.drain.Drain`)."""

    async def for_revoke(self) -> Deadline:
        """Deliver and store what can be; the deadline of the commit that follows. Early when waiting is of no use."""
        ...


class ClientSide(Protocol):
    """:class:`~bridge.kafka.consumer.fetching.Fetching`, or what reaches it in another thread."""

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
        """At most so many records of these partitions."""
        ...

    async def touch(self) -> None:
        """Stay a member while nothing is fetched."""
        ...

    async def store(self, number: int, offsets: Mapping[Partition, int], notes: Mapping[Partition, str]) -> bool:
        """Commit for the assignment of this number, with a note for each offset; whether it came to pass."""
        ...

    async def noted(
        self, number: int, partitions: Collection[Partition]
    ) -> Mapping[Partition, NotedOffset | None] | None:
        """What is stored for these partitions; None where it cannot be had now."""
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
    """Tells of what cannot be read or is gone (:class:`bridge.kafka.consumer.reading.Reading`)."""

    def unreadable(self, places: Mapping[Partition, Unreadable]) -> None:
        """All places of now."""
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


@dataclass(frozen=True, slots=True)
class Flow:
    """What whoever drives it says: partitions to fetch from, none while records must wait; whether they may be handed on; its end."""

    partitions: Callable[[], Collection[Partition]]
    open: Callable[[], bool]
    ending: Callable[[], bool]


class Consumption:
    """One worker's consuming. ``joined`` is whether an assignment stands, be it one of no partition.

    ``commit_seconds`` is how long one commit may take.
    """

    def __init__(
        self,
        client: ClientSide,
        flow: Flow,
        *,
        ledger: Ledger,
        gate: Gate,
        finisher: Finisher,
        reporting: Reporting,
        commit_seconds: float,
    ) -> None:
        self._ledger = ledger
        self._gate = gate
        self._finisher = finisher
        self._client = client
        self._flow = flow
        self._reporting = reporting
        self._commit_seconds = commit_seconds
        self._number = 0
        self._again = False
        self._begun: dict[Partition, int] = {}
        """Logs that began anew, at these offsets, since the last commit."""
        self._committing = asyncio.Lock()
        self.joined = False

    async def chunks(self, seconds: float) -> AsyncIterator[Chunk]:
        """Fetch once, waiting so long at most, and give the chunks of what came."""
        for chunk in self._handing_on(()):
            yield chunk
        partitions = self._gate.admitted(self._flow.partitions())
        if not partitions:
            if not await self._gate.wait(0.1):
                await self._client.touch()
            return
        fetch = await self._client.fetch(partitions, seconds, min(_FETCH_RECORDS, self._gate.room))
        # A new assignment's records may be here before its announcement, or before they may be handed on.
        while not self._is_time_for(fetch.number):  # noqa: ASYNC110 - nothing in Faust tells the end of a rebalance
            await asyncio.sleep(0.01)
        if self._gate.is_shut:
            return  # the worker or the assignment is ending; what is not written down is simply fetched again
        # All chunks are written down before the first is handed on: what is lost on the way then blocks its partition
        # (and the watchdog speaks up) instead of being passed over.
        written = self._write_down(fetch)
        self._report(fetch)
        for chunk in self._handing_on(written):
            yield chunk

    def _handing_on(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """These chunks in their order; when what was given before has been dropped meanwhile, all that waits, anew and in order.

        What waits includes the rest of these: given first, it would overtake what was dropped.
        """
        line = deque(chunks)
        while line or self._again:
            if self._again:
                self._again = False
                line = deque(self._ledger.waiting())
                continue
            chunk = line.popleft()
            if not (chunk.closed or chunk.admitted):
                yield chunk

    def _is_time_for(self, number: int) -> bool:
        return self._flow.ending() or self._number > number or (self._number == number and self._flow.open())

    def _write_down(self, fetch: Fetch) -> list[Chunk]:
        ledger, number, written = self._ledger, fetch.number, []
        for partition, taken in fetch.taken.items():
            since, anew = taken.start, fetch.anew.get(partition, 0)
            if not taken.rows:
                ledger.passed(partition, number, since, taken.end)
            for run, weight in _runs(taken.rows):
                last = run[-1].offset
                upto = taken.end if run[-1] is taken.rows[-1] else last + 1
                chunk = ledger.register_chunk(
                    partition,
                    number,
                    run,
                    weight,
                    first=run[0].offset,
                    last=last,
                    since=since,
                    upto=upto,
                    anew=anew,
                    unreadable=taken.unreadable,
                )
                if chunk is not None:
                    written.append(chunk)
                    if anew:
                        self._begun[partition] = since
                since, anew = upto, 0
        return written

    def _report_expired(self) -> None:
        expired, gone = self._client.expired, self._client.gone
        while expired:
            lost = expired.popleft()
            self._ledger.settled.expired(lost)
            self._reporting.expired(lost)
        while gone:
            log = gone.popleft()
            self._ledger.log_gone(log.partition, log.number, log.log, log.begun, log.upto)

    def _report(self, found: Fetch | Survey) -> None:
        self._report_expired()
        if found.number == self._number:
            self._reporting.unreadable(found.unreadable)

    def _report_lost_with_their_logs(self) -> None:
        """Whoever gets these partitions next finds nothing of what is unfinished here and went with its topic."""
        with contextlib.suppress(ConsumerStoppedError):
            self._report_expired()
        for partition, start, end in self._ledger.lost_with_their_logs():
            self._reporting.expired(Expired(partition, start, end))

    def hand_on_again(self) -> None:
        """Give once more what nobody has taken; a chunk that is given twice is taken once."""
        self._again = True

    async def commit(self) -> bool:
        """Commit each partition's finished prefix; whether anything was stored."""
        async with self._committing:
            number, settled = self._number, self._ledger.settled
            # What was read since of such a log is not stored first: a beginning that is stored late would take it back.
            if not await self._commit_beginnings(number) or not self._ledger.committable():
                return False
            try:
                async with asyncio.timeout(self._commit_seconds):
                    if not settled.known and not await self._go_on_counting(number):
                        return False
                    # Both at once: a note speaks of all events before its offset, and of no other.
                    offsets = self._ledger.committable()
                    stored = await self._client.store(number, offsets, settled.notes(offsets))
            except TimeoutError:
                _log.warning(
                    "offsets_not_committed_in_time",
                    detail="They are committed again with the next ones; a crash would repeat what they cover.",
                )
                return False
            except ConsumerStoppedError:
                return False
            if stored:
                self._ledger.confirm(number, offsets)
            return stored

    async def _commit_beginnings(self, number: int) -> bool:
        """An offset of the log before may have been on its way when the first records of this one arrived: it must not stay."""
        begun, self._begun = self._begun, {}
        if not begun:
            return True
        stored = False
        with contextlib.suppress(TimeoutError, ConsumerStoppedError):
            async with asyncio.timeout(self._commit_seconds):
                stored = await self._client.store(number, begun, {})
        if not stored and number == self._number:
            self._begun = begun | self._begun
        return stored

    async def _go_on_counting(self, number: int) -> bool:
        """Read the counts of the owners before, which the first commit would overwrite; whether they are known."""
        found = await self._client.noted(number, tuple(self._ledger.committed()))
        if found is None or number != self._number:
            return False
        self._ledger.settled.begin(found)
        return True

    async def revoked(self) -> None:
        """Finish what can be finished and commit it while the partitions are still ours."""
        self.joined = False
        self._gate.shut()
        try:
            deadline = await self._finisher.for_revoke()
            with contextlib.suppress(TimeoutError):
                # The group waits for us; what is not committed in time is done again by whoever comes next.
                async with deadline.timeout(most=_REVOKE_COMMIT_SECONDS):
                    await self.commit()
        finally:
            self._gate.reopen()
            self._report_lost_with_their_logs()
            self._ledger.close(tuple(self._ledger.committed()))
            self._reporting.assigned(0)

    def assigned(self, partitions: Iterable[Partition]) -> None:
        """Begin a new page of the ledger. The client's side waits meanwhile, so that its number stands still."""
        self._number = self._client.number
        self._begun.clear()
        self._ledger.open(self._number, dict.fromkeys(partitions))
        self._reporting.assigned(self._ledger.assigned)
        self.joined = True

    async def is_ours(self) -> bool:
        """Whether the group says, now, that the assignment still stands; False also when it does not answer."""
        number = self._number
        try:
            return await self._client.is_member(number) and number == self._number and self.joined
        except ConsumerStoppedError:
            return False

    async def offsets(self, partitions: Sequence[Partition]) -> Mapping[Partition, Offsets]:
        """Where these partitions stand."""
        survey = await self._client.survey(partitions)
        self._report(survey)
        if survey.number == self._number:
            self._reporting.surveyed(survey.offsets)
        return survey.offsets

    async def refresh(self) -> None:
        """Look for a topic that is not there (yet)."""
        with contextlib.suppress(ConsumerStoppedError):
            await self._client.refresh()

    async def look_back(self) -> None:
        """While nothing is assigned: whether what was assigned before has gone with its topic."""
        with contextlib.suppress(ConsumerStoppedError):
            await self._client.look_back()
            self._report_expired()


def _runs(rows: Sequence[Any]) -> Iterable[tuple[Sequence[Any], int]]:
    """The records in runs of bounded number and size, each with its size in bytes."""
    for start in range(0, len(rows), _RECORDS):
        run = rows[start : start + _RECORDS]
        sizes = [len(row.value or b"") + len(row.key or b"") + _RECORD_BYTES for row in run]
        while (weight := sum(sizes)) > _BYTES and len(run) > 1:
            fitting = max(1, bisect_right(list(accumulate(sizes)), _BYTES))
            yield run[:fitting], sum(sizes[:fitting])
            run, sizes = run[fitting:], sizes[fitting:]
        yield run, weight
