"""Group commit: records of many callers that go to one partition share batches, and each caller hears when its own are safe.

While a batch of a partition is under way, what arrives for it collects in the next one. Per event that costs an append to
a buffer, where aiokafka's ``send`` costs a coroutine, a future and a partitioner's call. The order within a partition is
the order of arrival.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from bridge.records import Record


class BatchSender(Protocol):
    """What a lane needs of aiokafka's producer."""

    def create_batch(self) -> Any:
        """A new ``BatchBuilder``."""
        ...

    async def send_batch(self, batch: Any, topic: str, *, partition: int) -> asyncio.Future[Any]:
        """Queue a batch; the future is done when the brokers have confirmed it."""
        ...


class Confirmation:
    """One caller's wait for all batches that hold its records."""

    __slots__ = ("_error", "_future", "_left", "batches")

    def __init__(self) -> None:
        self._future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._left = 0
        self._error: BaseException | None = None
        self.batches: list[_Batch] = []

    def joins(self, batch: _Batch) -> None:
        """Count ``batch`` in, once."""
        self.batches.append(batch)
        self._left += 1

    def settled(self, error: BaseException | None) -> None:
        """One batch is safe, or failed: the first error is kept, and told when every batch is settled."""
        self._left -= 1
        self._error = self._error or error
        if self._left == 0 and not self._future.done():
            self._future.set_result(None)

    async def wait(self) -> None:
        """Return when everything is confirmed; raise the first error otherwise. Cancelled, it forgets its batches."""
        if self._left:
            try:
                await self._future
            except asyncio.CancelledError:
                for batch in self.batches:
                    batch.forget(self)
                raise
        if self._error is not None:
            raise self._error


class _Batch:
    __slots__ = ("_line", "builder", "waiting")

    def __init__(self, builder: Any, line: deque[_Batch]) -> None:
        self.builder = builder
        self.waiting: list[Confirmation] = []
        self._line = line

    def forget(self, confirmation: Confirmation) -> None:
        if confirmation in self.waiting:
            self.waiting.remove(confirmation)
            # Everybody who wanted it has given up, and is told to send again: memory stays bounded while Kafka is away.
            if not self.waiting and self in self._line:
                self._line.remove(self)

    def settle(self, error: BaseException | None) -> None:
        waiting, self.waiting = self.waiting, []
        for confirmation in waiting:
            confirmation.settled(error)


class Lane:
    """The way to one partition: at most one batch under way, the others in line behind it."""

    def __init__(self, sender: BatchSender, topic: str, partition: int) -> None:
        self._sender = sender
        self._topic = topic
        self._partition = partition
        self._line: deque[_Batch] = deque()
        self._under_way: _Batch | None = None
        self._task: asyncio.Task[None] | None = None

    def add(self, record: Record, confirmation: Confirmation) -> None:
        """Append ``record`` to the last batch in line, or to a new one when that is full."""
        key, value, headers = record
        batch = self._line[-1] if self._line else self._new()
        if batch.builder.append(timestamp=None, key=key, value=value, headers=list(headers)) is None:
            batch = self._new()
            batch.builder.append(timestamp=None, key=key, value=value, headers=list(headers))
        # A caller's records come one after the other, so its confirmation is the last if it is there at all.
        if not batch.waiting or batch.waiting[-1] is not confirmation:
            batch.waiting.append(confirmation)
            confirmation.joins(batch)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._drain())

    def abandon(self, error: BaseException) -> None:
        """Tell everybody in line that it failed, and stop."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        line = list(self._line)
        self._line.clear()
        if self._under_way is not None:
            self._under_way.settle(error)
            self._under_way = None
        for batch in line:
            batch.settle(error)

    def _new(self) -> _Batch:
        batch = _Batch(self._sender.create_batch(), self._line)
        self._line.append(batch)
        return batch

    async def _drain(self) -> None:
        while self._line:
            batch = self._line.popleft()
            self._under_way = batch
            error: BaseException | None = None
            try:
                batch.builder.close()
                await (await self._sender.send_batch(batch.builder, self._topic, partition=self._partition))
            except Exception as failure:  # noqa: BLE001 - whatever it is, its callers are told, and the lane goes on
                error = failure
            self._under_way = None
            batch.settle(error)
        self._task = None
