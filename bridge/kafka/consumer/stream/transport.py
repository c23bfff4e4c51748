"""Faust's Kafka transport, by chunks: one stream element is a run of records of one partition, and offsets are ours.

Faust's path for single records costs about 100 µs a record and its offset bookkeeping loses events when acknowledgements
come out of order (faust-streaming#606). So the consumer below hands the stream chunks, writes each into the
:class:`~bridge.kafka.consumer.ledger.Ledger` before anyone sees it, and commits what the ledger says and nothing else: that is
:mod:`bridge.kafka.consumer.consumption`, for which this is the way into Faust. The client itself lives in a thread of its own
(:mod:`bridge.kafka.consumer.stream.client_thread`).
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, ClassVar

import structlog
from aiokafka.errors import ConsumerStoppedError, KafkaError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from bridge.kafka.consumer.consumption import Consumption, Flow
from bridge.kafka.consumer.stream.client_thread import ChunkThread, FromMainLoop, NumberedAssignments
from bridge.kafka.consumer.stream.faust_internals import ReplacedConsumer
from bridge.model.errors import BridgeError
from bridge.telemetry.damper import Damper

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from bridge.kafka.consumer.chunk import Chunk
    from bridge.kafka.consumer.client.kafka_client import Offsets
    from bridge.kafka.consumer.consumption_ports import Finisher, Reporting
    from bridge.kafka.consumer.gate import Gate
    from bridge.kafka.consumer.ledger import Ledger

_log = structlog.get_logger(__name__)
_TOLD_EVERY = 60.0
"""Seconds between two lines of a fetch that fails the same way again and again."""


class ChunkConsumer(ReplacedConsumer):
    """Faust's consumer with the ledger in the place of its own bookkeeping."""

    RebalanceListener = NumberedAssignments

    def __init__(self, transport: ChunkTransport, *args: Any, **kwargs: Any) -> None:
        super().__init__(transport, *args, **kwargs)
        self.thread.set_aside = transport.set_aside
        self.thread.start_tried = transport.start_tried
        self.consumption = Consumption(
            FromMainLoop(self.thread),
            Flow(self._admissible, lambda: bool(self.flow_active), lambda: bool(self.should_stop)),
            ledger=transport.ledger,
            gate=transport.gate,
            finisher=transport.finisher,
            reporting=transport.reading,
            commit_seconds=self.app.conf.broker_request_timeout,
        )

    @property
    def joined(self) -> bool:
        """Whether it is a member of the consumer group, with or without a partition."""
        return self.consumption.joined

    def _admissible(self) -> Any:
        # The members of an empty set mean "all" to aiokafka, so nothing is asked for then.
        return self.active_partitions() if self.flow_active else ()

    def open_thread(self) -> ChunkThread:
        """A thread that fetches by chunks."""
        return ChunkThread(self, loop=self.loop, beacon=self.beacon)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:  # noqa: ASYNC109 - Faust's
        """Fetch once and yield a message for each chunk of what came."""
        async for chunk in self.consumption.chunks(timeout):
            tp = TP(*chunk.partition)
            yield tp, self._message(tp, chunk)

    def _message(self, tp: TP, chunk: Chunk) -> Any:
        generation = self.app.consumer_generation_id
        return ConsumerMessage(
            tp.topic, tp.partition, chunk.last, chunk.timestamp, 0, [], None, chunk, None, 0, chunk.weight, tp,
            generation_id=generation,
        )  # fmt: skip

    async def fetch_until_stopped(self, fetcher: Any) -> None:
        """Faust's fetch loop without its guesses about gaps between offsets."""
        told = Damper(_TOLD_EVERY, time.monotonic)
        try:
            while not (self.should_stop or fetcher.should_stop):
                try:
                    async for _tp, message in self.getmany(timeout=1.0):
                        await self.callback(message)
                except ConsumerStoppedError:
                    raise
                except KafkaError as error:
                    # Of the group's coordinator, or of a question about offsets: no record was taken out.
                    name = type(error).__name__
                    if (left_out := told.suppressed_since(name)) is not None:
                        _log.warning(
                            "fetch_failed",
                            detail="It is retried; nothing is lost meanwhile.",
                            error=name,
                            left_out=left_out,
                        )
                    await asyncio.sleep(1.0)
                except BridgeError as error:
                    _log.error(
                        "records_passed_over",
                        detail="Records may have been skipped; the worker stops without committing them.",
                        why=str(error),
                    )
                    raise
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
        self.consumption.hand_on_again()
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
        return await self.consumption.commit()

    async def force_commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        """As :meth:`commit`."""
        return await self.commit(topics, start_new_transaction)

    async def on_stop(self) -> None:
        """Nothing to do: the worker has committed by now, within its budget; Faust would try once more without one."""

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Finish what can be finished and commit it while the partitions are still ours."""
        if revoked:
            await self.consumption.revoked()
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Begin a new page of the ledger, then let Faust know."""
        # The client's thread waits for us, so the number stands still.
        self.consumption.assigned(assigned)
        self.transport.finisher.assigned()
        _log.info(
            "partitions_assigned",
            detail="The group has given these partitions to this worker.",
            partitions=sorted(tp.partition for tp in assigned),
        )
        await super().on_partitions_assigned(assigned, generation_id)

    async def is_ours(self) -> bool:
        """Whether the group says, now, that the assignment still stands."""
        return await self.consumption.is_ours()

    async def offsets(self, partitions: Sequence[Any]) -> Mapping[Any, Offsets]:
        """Where these partitions stand."""
        return await self.consumption.offsets(partitions)

    async def refresh(self) -> None:
        """Look for a topic that is not there (yet)."""
        await self.consumption.refresh()

    async def look_back(self) -> None:
        """While nothing is assigned: whether what was assigned before has gone with its topic."""
        await self.consumption.look_back()

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Left to our own watchdog, which acts where Faust's only logs."""


class ChunkTransport(driver.Transport):
    """Names the consumer and carries what it needs; assign it to ``app.transport``."""

    Consumer: ClassVar[type[ChunkConsumer]] = ChunkConsumer

    def __init__(
        self,
        url: Any,
        app: Any,
        *,
        ledger: Ledger,
        gate: Gate,
        finisher: Finisher,
        reading: Reporting,
        set_aside: bool,
        start_tried: Callable[[Exception | None], None],
    ) -> None:
        self.ledger = ledger
        self.gate = gate
        self.finisher = finisher
        self.reading = reading
        self.set_aside = set_aside
        self.start_tried = start_tried
        super().__init__(url, app)
