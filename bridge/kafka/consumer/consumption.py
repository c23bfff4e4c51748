"""What consuming does in the worker's main loop: fetch what the gate admits, write it into the ledger, hand it on, commit.

It knows neither Faust nor threads: :class:`~bridge.kafka.consumer.stream.transport.ChunkConsumer` drives it in a worker, with the client in
a thread of its own; a simulation drives the same code in one loop.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from aiokafka.errors import ConsumerStoppedError

from bridge.kafka.consumer.client.offset_account import Expired
from bridge.kafka.consumer.record_runs import record_runs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from bridge.kafka.consumer.chunk import Chunk, Partition
    from bridge.kafka.consumer.client.fetching import Fetch, Survey
    from bridge.kafka.consumer.client.kafka_client import Offsets
    from bridge.kafka.consumer.consumption_ports import ClientSide, Finisher, Reporting
    from bridge.kafka.consumer.gate import Gate
    from bridge.kafka.consumer.ledger import Ledger

_log = structlog.get_logger(__name__)
_FETCH_RECORDS = 1_000
_REVOKE_COMMIT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Flow:
    """What its driver decides: the partitions to fetch from (none while records must wait), whether records may be handed on, and the end."""

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
        """Fetch once, waiting ``seconds`` at most, and give the chunks of what came."""
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
        for partition, polled in fetch.records.items():
            since, anew = polled.start, fetch.anew.get(partition, 0)
            if not polled.rows:
                ledger.passed(partition, number, since, polled.end)
            for run, weight in record_runs(polled.rows):
                last = run[-1].offset
                upto = polled.end if run[-1] is polled.rows[-1] else last + 1
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
                    unreadable=polled.unreadable,
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
        """Give once more what is not admitted yet; a chunk that is given twice is admitted once."""
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
                    detail="They are committed with the next ones; a crash now would redeliver their events.",
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
                # The group waits for us; the next owner repeats what is not committed in time.
                async with deadline.timeout(most=_REVOKE_COMMIT_SECONDS):
                    await self.commit()
        finally:
            self._gate.reopen()
            self._report_lost_with_their_logs()
            self._ledger.close(tuple(self._ledger.committed()))
            self._finisher.given_away()
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
