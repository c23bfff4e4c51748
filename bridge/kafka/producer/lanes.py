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
    from collections.abc import Callable, Sequence

    from bridge.model.record import Record

_AROUND = 32
"""Bytes that a batch keeps around each record: its lengths, time and place."""


class BatchSender(Protocol):
    """What a lane needs of aiokafka's producer."""

    def create_batch(self) -> Any:
        """A new ``BatchBuilder``."""
        ...

    async def send_batch(self, batch: Any, topic: str, *, partition: int) -> asyncio.Future[Any]:
        """Queue a batch; the future is done when the brokers have confirmed it."""
        ...


class Confirmation:
    """One caller's wait for all batches that hold its records.

    ``failed`` tells by number which of its records are not safe, and why.
    """

    __slots__ = ("_error", "_future", "_left", "batches", "failed")

    def __init__(self) -> None:
        self._future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._left = 0
        self._error: BaseException | None = None
        self.batches: list[_Batch] = []
        self.failed: dict[int, BaseException] = {}

    @property
    def open_places(self) -> set[tuple[str, int]]:
        """Topic and partition of each batch that is neither safe nor failed yet."""
        return {batch.place for batch in self.batches if not batch.settled}

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
    __slots__ = ("_line", "builder", "bytes", "members", "most", "place", "sealed", "settled", "waiting")

    def __init__(self, builder: Any, line: deque[_Batch], place: tuple[str, int], most: int) -> None:
        self.builder = builder
        self.most = most
        self.place = place
        self.waiting: list[Confirmation] = []
        self.members: list[tuple[Confirmation, int]] = []
        self.bytes = 0
        self.sealed = False
        self.settled = False
        self._line = line

    def forget(self, confirmation: Confirmation) -> None:
        if confirmation in self.waiting:
            self.waiting.remove(confirmation)
            # Everybody who wanted it has given up, and is told to send again: memory stays bounded while Kafka is away.
            if not self.waiting and self in self._line:
                self._line.remove(self)
                self.members.clear()

    def settle(self, error: BaseException | None) -> None:
        self.settled = True
        # A confirmation knows its batches: what a batch knows of it must not outlive the batch's way, or both wait for the
        # garbage collector with all their records.
        members, self.members = self.members, []
        if error is not None:
            for confirmation, number in members:
                confirmation.failed[number] = error
        waiting, self.waiting = self.waiting, []
        for confirmation in waiting:
            confirmation.settled(error)


class Lane:
    """The way to one partition: at most one batch under way, the others in line behind it.

    ``most`` bounds the bytes of a batch of several records: the topic may take less than the producer puts together.
    """

    def __init__(
        self, sender: BatchSender, topic: str, partition: int, *, most: Callable[[], int] = lambda: 1 << 62
    ) -> None:
        self._sender = sender
        self._topic = topic
        self._partition = partition
        self._line: deque[_Batch] = deque()
        self._under_way: _Batch | None = None
        self._task: asyncio.Task[None] | None = None
        self._most = most

    def add(self, record: Record, confirmation: Confirmation, number: int, weight: int) -> None:
        """Append ``record`` of ``weight`` bytes, the caller's ``number``-th, to the last batch in line, or to a new one."""
        batch = self._line[-1] if self._line else self._new()
        if batch.sealed or (batch.bytes and batch.bytes + weight + _AROUND > batch.most):
            batch = self._new()
        self._append(batch, record, confirmation, number, weight)

    def add_alone(self, records: Sequence[tuple[int, Record, int]], confirmation: Confirmation) -> None:
        """Append records (number, record, weight), as :meth:`add`, to batches that nobody else's come into."""
        batch = self._new()
        for number, record, weight in records:
            if batch.bytes and batch.bytes + weight + _AROUND > batch.most:
                batch = self._new()
            batch = self._append(batch, record, confirmation, number, weight)
        batch.sealed = True

    def _append(self, batch: _Batch, record: Record, confirmation: Confirmation, number: int, weight: int) -> _Batch:
        key, value, headers = record
        if batch.builder.append(timestamp=None, key=key, value=value, headers=list(headers)) is None:
            batch = self._new()
            batch.builder.append(timestamp=None, key=key, value=value, headers=list(headers))
        batch.bytes += weight + _AROUND
        batch.members.append((confirmation, number))
        # A caller's records come one after the other, so its confirmation is the last if it is there at all.
        if not batch.waiting or batch.waiting[-1] is not confirmation:
            batch.waiting.append(confirmation)
            confirmation.joins(batch)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._drain())
        return batch

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
        batch = _Batch(self._sender.create_batch(), self._line, (self._topic, self._partition), self._most())
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
