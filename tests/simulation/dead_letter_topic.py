"""The dead-letter topic behind the real publisher: a producer double below it, whose batches are stored, late, refused or lost."""

import asyncio
import re
from types import SimpleNamespace

from aiokafka.errors import KafkaConnectionError, KafkaTimeoutError, NotEnoughReplicasError

from bridge.kafka.producer.publisher import KafkaPublisher
from bridge.model.dead_letter import DeadLetter

TOPIC = "dead"
_OFFSETS = re.compile(r"offsets? (\d+)(?: to (\d+))? cannot be read")
_MOST = 300_000


class _Batch:
    def __init__(self):
        self.records, self.size, self.closed = [], 0, False

    def append(self, *, timestamp, key, value, headers):
        """Add a record; None when it is full."""
        weight = len(value) + len(key or b"") + sum(len(name) + len(text or b"") for name, text in headers)
        if self.closed or (self.records and self.size + weight > _MOST):
            return None
        self.records.append((key, value, headers))
        self.size += weight
        return SimpleNamespace(size=weight)

    def close(self):
        """Nothing more."""
        self.closed = True


class _Client:
    def __init__(self, topic):
        self._topic = topic
        self.cluster = self

    def partitions_for_topic(self, name):
        """Two partitions while the topic is there."""
        return None if "no topic" in self._topic.modes else {0, 1}

    def force_metadata_update(self):
        """Ask at once."""
        done = asyncio.get_running_loop().create_future()
        done.set_result(True)
        return done


class _Producer:
    def __init__(self, topic, loop):
        self._topic = topic
        self.client = _Client(topic)
        self._sender = SimpleNamespace(sender_task=loop.create_future())

    def create_batch(self):
        """A new batch."""
        return _Batch()

    async def send_batch(self, batch, topic, *, partition):
        """Queue a batch."""
        future = asyncio.get_running_loop().create_future()
        self._topic.receive(batch.records, future, self)
        return future

    async def stop(self):
        """Close."""


class _Limits:
    """What the topics take, which does not change here."""

    def record_limit(self, topic):
        """Most bytes of a record."""
        return _MOST

    async def read_again(self):
        """Nothing new."""


class LetterTopic:
    """``modes``: ``refuses``, ``hangs``, ``lost`` (stored, told otherwise), ``no topic``, ``broken`` (the client dies), ``late``."""

    def __init__(self, loop, random, account, count, trace):
        self._loop, self._random, self._account, self._count, self._trace = loop, random, account, count, trace
        self.modes = {}
        self.letters = 0

    def receive(self, records, future, producer):
        """A batch has left."""
        delay = self._random.choice((0.001, 0.01, 0.03, 0.3)) * self._random.random()
        if "late" in self.modes:
            self._count("dead letters are confirmed late")
            delay += self._random.random() * 8.0
        self._loop.outside(delay, self._arrive, records, future, producer)

    def _arrive(self, records, future, producer):
        error = None
        if "broken" in self.modes and self._random.random() < 0.5:
            self._count("the producer's sender dies")
            if not producer._sender.sender_task.done():
                producer._sender.sender_task.set_result(None)
            error = KafkaConnectionError("simulated")
        elif "refuses" in self.modes:
            self._count("dead letters are refused")
            error = NotEnoughReplicasError("simulated")
        elif "hangs" in self.modes:
            self._count("dead letters are not confirmed")
            self._loop.outside(30.0, self._reply, future, KafkaTimeoutError("simulated"))
            return
        if error is None:
            for key, value, headers in records:
                self._store(key, value, headers)
            if "lost" in self.modes and self._random.random() < 0.7:
                self._count("dead letters are stored and the answer is lost")
                error = KafkaTimeoutError("simulated")
        self._loop.outside(0.005 * self._random.random(), self._reply, future, error)

    @staticmethod
    def _reply(future, error):
        if not future.done():
            future.set_exception(error) if error is not None else future.set_result(None)

    def _store(self, key, value, headers):
        letter = DeadLetter.from_headers(key, value, headers)
        self.letters += 1
        self._trace(
            "dead letters", lambda: f"store {letter.partition} {letter.offset} {letter.event_uuid} {letter.code}"
        )
        if letter.code == "unreadable":
            self._count("what cannot be read is set aside")
            found = [int(number) for number in _OFFSETS.match(letter.reason).groups() if number]
            self._account.set_aside((letter.topic, letter.partition), found[0], found[-1])
            return
        self._account.letter((letter.topic, letter.partition), letter.offset, letter.event_uuid, letter.code)


class SimulatedPublisher(KafkaPublisher):
    """The worker's own publisher over a producer that is simulated."""

    def __init__(self, kafka, *, topic, loop, reachable):
        super().__init__(kafka, clock=loop.time)
        self._limits = _Limits()
        self._letter_topic, self._loop, self._reachable = topic, loop, reachable

    async def _connect(self):
        await asyncio.sleep(0.05)
        if not self._reachable():
            raise KafkaConnectionError("simulated")
        self._producer, self._lanes, self._failing_since = _Producer(self._letter_topic, self._loop), {}, {}
        if not self._first.done():
            self._first.set_result(None)
