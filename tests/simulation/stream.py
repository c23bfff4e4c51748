"""What drives a worker's consuming in the place of Faust: fetch loop, stream, commits and rebalances, and the hop between threads.

The client's side and the main loop's side are the product's own (:mod:`bridge.kafka.consumer.client.fetching`, :mod:`bridge.kafka.consumer.consumption`).
"""

import asyncio
from collections import deque

from aiokafka.errors import ConsumerStoppedError, KafkaError

from bridge.kafka.consumer.client.fetching import Fetching
from bridge.kafka.consumer.consumption import Consumption, Flow
from simulation.kafka_client import SimulatedClient

_HOPS = (0.0, 0.0, 0.0, 0.001, 0.02)
_LATE = 2.5
_BUSY_SECONDS = 0.4
_LEAVE_SECONDS = 3.0


class _OtherThread:
    """The client's side as the main loop sees it: every call crosses to another thread and back, which takes its time."""

    def __init__(self, stream):
        self._stream = stream

    @property
    def number(self):
        """See Fetching."""
        return self._stream.fetching.number

    @property
    def expired(self):
        """See Fetching."""
        return self._stream.fetching.expired

    @property
    def gone(self):
        """See Fetching."""
        return self._stream.fetching.gone

    async def _cross(self, work):
        stream = self._stream
        if stream.client is None:
            raise ConsumerStoppedError
        task = asyncio.get_running_loop().create_task(self._inside(work))
        try:
            result = await task
        finally:
            # Who waits in the main loop is told of an end in the other thread, and an end here ends the work there.
            task.cancel()
        await stream.hop()
        return result

    async def _inside(self, work):
        await self._stream.hop()
        return await work()

    async def fetch(self, partitions, seconds, most):
        """See Fetching."""
        number = self.number
        found = await self._cross(lambda: self._stream.fetching.fetch(set(partitions), seconds, most))
        if found.records and self.number != number:
            self._stream.node.world.count("a rebalance between fetch and arrival")
        return found

    async def touch(self):
        """See Fetching."""
        await self._cross(self._stream.fetching.touch)

    async def store(self, number, offsets, notes):
        """See Fetching."""
        stream = self._stream
        stored = await self._cross(lambda: stream.fetching.store(number, offsets, notes))
        if number != self.number:
            stream.node.world.count("a rebalance during a commit")
        return stored

    async def noted(self, number, partitions):
        """See Fetching."""
        return await self._cross(lambda: self._stream.fetching.noted(number, partitions))

    async def is_member(self, number):
        """See Fetching."""
        return await self._cross(lambda: self._stream.fetching.is_member(number))

    async def refresh(self):
        """See Fetching."""
        await self._cross(self._stream.fetching.refresh)

    async def look_back(self):
        """See Fetching."""
        await self._cross(self._stream.fetching.look_back)

    async def survey(self, partitions):
        """See Fetching."""
        return await self._cross(lambda: self._stream.fetching.survey(partitions))


class SimulatedStream:
    """In the place of Faust's app, and of its consumer too."""

    def __init__(self, node, kafka, *, ledger, gate, finisher, process, reading, start_tried, set_aside):
        self.node, self._kafka, self._ledger, self._process = node, kafka, ledger, process
        self._set_aside, self._start_tried = set_aside, start_tried
        self._random = node.random
        self.consumer = self
        self.crashed, self.crash_reason = False, None
        self.client = None
        self.fetching = None
        self._flowing, self._ending = False, False
        self._queue = deque()
        self._filled = asyncio.Event()
        self._tasks = []
        self._stopped = asyncio.Event()
        self._consumption = Consumption(
            _OtherThread(self),
            Flow(self._partitions, self._is_open, self._is_ending),
            ledger=ledger,
            gate=gate,
            finisher=finisher,
            reporting=reading,
            commit_seconds=max(kafka.request_timeout_seconds, kafka.session_timeout_seconds + 5),
        )

    @property
    def joined(self):
        """See Consumption."""
        return self._consumption.joined

    async def commit(self):
        """See Consumption."""
        return await self._consumption.commit()

    async def is_ours(self):
        """See Consumption."""
        return await self._consumption.is_ours()

    async def offsets(self, partitions):
        """See Consumption."""
        return await self._consumption.offsets(partitions)

    async def refresh(self):
        """See Consumption."""
        await self._consumption.refresh()

    async def look_back(self):
        """See Consumption."""
        await self._consumption.look_back()

    def topic_partitions(self, topic):
        """Partitions of the topic."""
        return self.client.topic_partitions(topic) if self.client is not None else None

    def _partitions(self):
        return set(self._ledger.committed()) if self._flowing else set()

    def _is_open(self):
        return self._flowing

    def _is_ending(self):
        return self._ending

    async def hop(self):
        """From one thread to the other."""
        seconds = self._random.choice(_HOPS) * self._random.random()
        # Around a rebalance whatever comes late matters most.
        moving = self.client is not None and self.client.rebalancing
        if self._random.random() < (0.4 if moving else 0.01):
            seconds += self._random.random() * _LATE
        await asyncio.sleep(seconds)

    async def start(self):
        """Run until stopped."""
        kafka, world = self._kafka, self.node.world
        loop = asyncio.get_running_loop()
        self.client = SimulatedClient(
            world.cluster,
            world.count,
            session=kafka.session_timeout_seconds,
            rebalance=max(60.0, kafka.session_timeout_seconds * 2),
            heartbeat=kafka.heartbeat_seconds,
            revoked=self._revoked,
            assigned=self._assigned,
        )
        self.fetching = Fetching(self.client, loop.time, set_aside=self._set_aside)
        self.client.start()
        self._start_tried(None)
        self._tasks = [loop.create_task(work) for work in (self._fetch(), self._consume(), self._commit())]
        for task in self._tasks:
            task.add_done_callback(self._ended)
        await self._stopped.wait()

    def _ended(self, task):
        if not task.cancelled() and (error := task.exception()) is not None and not self._ending:
            self.crashed, self.crash_reason = True, error
            self.node.crashed(error)

    async def stop(self):
        """Stop fetching, and leave the group within a bound."""
        self._ending = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.client is not None:
            try:
                async with asyncio.timeout(_LEAVE_SECONDS):
                    await self.client.stop()
            except TimeoutError:
                self.node.world.count("leaving the group takes too long")
        self._stopped.set()

    async def _fetch(self):
        try:
            while not self._ending:
                try:
                    async for chunk in self._consumption.chunks(1.0):
                        self._queue.append(chunk)
                        self._filled.set()
                except KafkaError as error:
                    self.node.world.count(f"a fetch fails in the main loop: {type(error).__name__}")
                    await asyncio.sleep(1.0)
                await asyncio.sleep(0)
        except ConsumerStoppedError:
            if not self._ending:
                raise

    async def _consume(self):
        while True:
            while not self._queue:
                self._filled.clear()
                await self._filled.wait()
            chunk = self._queue.popleft()
            if chunk.closed:
                self.node.world.count("a chunk of an assignment that is over reaches the stream")
            if (rest := self._process(chunk)) is not None:
                await rest
            draw = self._random.random()
            if draw < 0.05:
                # The main loop is busy with a large chunk.
                await asyncio.sleep(self._random.random() * _BUSY_SECONDS)
            elif draw < 0.2:
                await self.hop()

    async def _commit(self):
        while True:
            await asyncio.sleep(self._kafka.commit_interval_seconds)
            await self._consumption.commit()

    # The client awaits these, each in the main loop; its thread's end does not end them.

    async def _revoked(self, partitions):
        await asyncio.shield(asyncio.get_running_loop().create_task(self._on_revoked(partitions)))

    async def _assigned(self, partitions):
        self.fetching.assigned()
        await asyncio.shield(asyncio.get_running_loop().create_task(self._on_assigned(partitions)))

    async def _on_revoked(self, partitions):
        await self.hop()
        if self._ledger.events:
            self.node.world.count("revoked with events under way")
        if partitions:
            loop, process = asyncio.get_running_loop(), self.node.process
            began = loop.time() - process.stopped_seconds
            await self._consumption.revoked()
            took = loop.time() - process.stopped_seconds - began
            if took > self.node.world.most_revoke and not self._ending:
                loop.fail(AssertionError(f"{process.name} keeps the group waiting for {took:.1f} s"))
            if self._ledger.committed():
                loop.fail(AssertionError(f"{process.name} still counts partitions that are revoked"))
        self._flowing = False

    async def _on_assigned(self, partitions):
        await self.hop()
        self._consumption.assigned(partitions)
        await self.hop()
        self._resume()
        if self._random.random() < 0.4:
            # A rebalance that begins as another ends has Faust resume twice.
            asyncio.get_running_loop().call_later(self._random.random() * 0.3, self._resume)

    def _resume(self):
        if any(not chunk.closed for chunk in self._queue):
            self.node.world.count("the stream's queue is emptied with chunks in it")
        self._queue.clear()
        self._consumption.hand_on_again()
        self._flowing = True
