"""Faust's Kafka transport, by chunks: one stream element is a run of records of one partition, and offsets are ours.

Faust's path for single records costs about 100 µs a record and its offset bookkeeping loses events when acknowledgements
come out of order (faust-streaming#606). So the consumer below hands the stream chunks, writes each into the
:class:`~bridge.pipeline.ledger.Ledger` before anyone sees it, and commits what the ledger says and nothing else.
The client itself lives in a thread of its own (:mod:`bridge.pipeline.client_thread`).
"""

from __future__ import annotations

import asyncio
import contextlib
from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import structlog
from aiokafka.errors import ConsumerStoppedError, KafkaError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from bridge.pipeline.client_thread import ChunkThread, NumberedAssignments

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from bridge.pipeline.gate import Gate
    from bridge.pipeline.ledger import Chunk, Ledger

_log = structlog.get_logger(__name__)
_RECORDS = 500
_BYTES = 1_000_000
_RECORD_BYTES = 100
"""What a record takes in memory beside key and value, roughly."""
_FETCH_RECORDS = 1_000
_REVOKE_COMMIT_SECONDS = 5.0


class Finisher(Protocol):
    """Brings what is under way to an end (:class:`bridge.pipeline.drain.Drain`)."""

    async def for_revoke(self) -> float:
        """Deliver and store what can be; seconds of the budget that are left. Early when waiting is of no use."""
        ...


class ChunkConsumer(driver.Consumer):
    """Faust's consumer with the ledger in the place of its own bookkeeping."""

    RebalanceListener = NumberedAssignments
    _thread: ChunkThread

    def __init__(self, transport: ChunkTransport, *args: Any, **kwargs: Any) -> None:
        self._ledger: Ledger = transport.ledger
        self._gate: Gate = transport.gate
        self._finisher: Finisher = transport.finisher
        self._number = 0
        self._again: list[Chunk] = []
        self._committing = asyncio.Lock()
        self.joined = False
        super().__init__(transport, *args, **kwargs)

    def _new_consumer_thread(self) -> ChunkThread:
        return ChunkThread(self, loop=self.loop, beacon=self.beacon)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:  # noqa: ASYNC109 - Faust's
        """Fetch once and yield a message for each chunk of what came."""
        again, self._again = self._again, []
        for dropped in again:
            if not (dropped.closed or dropped.admitted):
                tp = TP(*dropped.partition)
                yield tp, self._message(tp, dropped)
        partitions = self._gate.admitted(self._get_active_partitions()) if self.flow_active else set()
        if not partitions:
            # The members of an empty set mean "all" to aiokafka, so nothing is asked for at all.
            if not await self._gate.wait(0.1):
                await self._thread.inside(self._thread.touch())
            return
        whole = len(partitions) >= self._ledger.assigned
        number, records = await self._thread.inside(
            self._thread.fetch(partitions, timeout, min(_FETCH_RECORDS, self._gate.room), whole=whole)
        )
        # A new assignment's records may be here before its announcement, or before Faust is ready for them.
        while not self._is_time_for(number):  # noqa: ASYNC110 - nothing in Faust tells the end of a rebalance
            await asyncio.sleep(0.01)
        if self._gate.is_shut:
            return  # the worker or the assignment is ending; what is not written down is simply fetched again
        # All chunks are written down before the first is handed on: what is lost on the way then blocks its partition
        # (and the watchdog speaks up) instead of being passed over.
        chunks = [
            chunk
            for partition, rows in records.items()
            for run, weight in _runs(rows)
            if (chunk := self._ledger.fetch(partition, number, run, weight, first=run[0].offset, last=run[-1].offset))
        ]
        for chunk in chunks:
            if not chunk.closed:
                tp = TP(*chunk.partition)
                yield tp, self._message(tp, chunk)

    def _is_time_for(self, number: int) -> bool:
        return self.should_stop or self._number > number or (self._number == number and self.flow_active)

    def _message(self, tp: TP, chunk: Chunk) -> Any:
        generation = self.app.consumer_generation_id
        return ConsumerMessage(
            tp.topic, tp.partition, chunk.last, chunk.timestamp, 0, [], None, chunk, None, 0, chunk.weight, tp,
            generation_id=generation,
        )  # fmt: skip

    async def _drain_messages(self, fetcher: Any) -> None:
        """Faust's fetch loop without its guesses about gaps between offsets."""
        try:
            while not (self.should_stop or fetcher.should_stop):
                try:
                    async for _tp, message in self.getmany(timeout=1.0):
                        await self.callback(message)
                except ConsumerStoppedError:
                    raise
                except KafkaError as error:
                    _log.warning("fetch failed, will try again", error=type(error).__name__)
                    await asyncio.sleep(1.0)
                await asyncio.sleep(0)
        except (ConsumerStoppedError, asyncio.CancelledError):
            if not self.transport.app.should_stop:
                raise

    def resume_flow(self) -> None:
        """Hand on once more what nobody has taken: Faust has just emptied the stream's queue.

        There is nothing in it as a rule. But when a rebalance begins just as the one before it ends, Faust resumes twice, and what
        came between would be lost on the way: its partition would be held up, and a few such chunks would close the gate for ever.
        A chunk that is handed on twice is taken once.
        """
        self._again = self._ledger.waiting()
        super().resume_flow()

    def on_buffer_full(self, tp: TP) -> None:
        """Nothing to do: the gate bounds what waits for the stream, whatever partition it is of.

        Faust leaves out single partitions, and waits up to a second for the others while records of those are here.
        """

    def on_buffer_drop(self, tp: TP) -> None:
        """See :meth:`on_buffer_full`."""

    async def perform_seek(self) -> None:
        """Nothing to do: aiokafka begins an assignment at its committed offsets, and going back would only repeat."""

    def ack(self, message: Any) -> bool:
        """Faust acknowledges only what it skips, and that must not count; the ledger acknowledges the rest."""
        message.acked = True
        return True

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:  # noqa: ARG002 - Faust's
        """Commit each partition's finished prefix."""
        async with self._committing:
            number, offsets = self._number, self._ledger.committable()
            if not offsets:
                return False
            try:
                async with asyncio.timeout(self.app.conf.broker_request_timeout):
                    stored = await self._thread.inside(self._thread.store(number, offsets))
            except TimeoutError:
                _log.warning("offsets not committed in time, will try again")
                return False
            except ConsumerStoppedError:
                return False
            if stored:
                self._ledger.confirm(number, offsets)
            return stored

    async def force_commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        """As :meth:`commit`."""
        return await self.commit(topics, start_new_transaction)

    async def on_stop(self) -> None:
        """Nothing to do: the worker has committed by now, within its budget; Faust would try once more without one."""

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Finish what can be finished and commit it while the partitions are still ours."""
        if revoked:
            self.joined = False
            self._gate.shut()
            try:
                left = await self._finisher.for_revoke()
                with contextlib.suppress(TimeoutError):
                    # The group waits for us; what is not committed in time is done again by whoever comes next.
                    async with asyncio.timeout(min(left, _REVOKE_COMMIT_SECONDS)):
                        await self.commit()
            finally:
                self._gate.reopen()
                self._ledger.close(tuple(self._ledger.committed()))
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Begin a new page of the ledger, then let Faust know."""
        # The client's thread waits for us, so the number stands still.
        self._number = self._thread.assignment_number
        self._ledger.open(self._number, dict.fromkeys(assigned))
        self.joined = True
        await super().on_partitions_assigned(assigned, generation_id)

    async def offsets(self, partitions: Sequence[Any]) -> dict[Any, tuple[int, int | None, int, int]]:
        """See :meth:`ChunkThread.offsets`."""
        return await self._thread.inside(self._thread.offsets(partitions))

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Left to our own watchdog, which acts where Faust's only logs."""


class ChunkTransport(driver.Transport):
    """Names the consumer and carries what it needs; assign it to ``app.transport``."""

    Consumer: ClassVar[type[ChunkConsumer]] = ChunkConsumer

    def __init__(self, url: Any, app: Any, *, ledger: Ledger, gate: Gate, finisher: Finisher) -> None:
        self.ledger = ledger
        self.gate = gate
        self.finisher = finisher
        super().__init__(url, app)


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
