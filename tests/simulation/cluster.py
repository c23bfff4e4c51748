"""The brokers: one topic's partitions and the group's coordinator, behind a network that delays, loses and refuses."""

from aiokafka.errors import (
    CommitFailedError,
    IllegalGenerationError,
    KafkaConnectionError,
    RebalanceInProgressError,
    RequestTimedOutError,
    UnknownMemberIdError,
)

from simulation.group import Coordinator, GroupError
from simulation.partition_log import PartitionLog

TOPIC = "events"
REQUEST_TIMEOUT = 40.0
_DELAYS = (0.0, 0.001, 0.001, 0.005, 0.02, 0.1)
_ERRORS = {
    "unknown": UnknownMemberIdError,
    "generation": IllegalGenerationError,
    "rebalancing": RebalanceInProgressError,
}


class Cluster:
    """``modes`` are the faults that are on: ``away`` and ``silent`` for all requests, ``KIND fails`` | ``lost`` | ``late`` for one kind."""

    def __init__(self, loop, random, account, count, trace, *, partitions):
        self.loop, self._random, self.account, self._count, self._trace = loop, random, account, count, trace
        self.partitions = tuple((TOPIC, number) for number in range(partitions))
        self.logs = {partition: PartitionLog(partition) for partition in self.partitions}
        self.modes = {}
        self.remembered = lambda _partition, _offset, _member: None
        """Asked of each commit before it counts: what a worker thinks it may pass it may no longer be the owner of."""
        self.away = {}
        self.coordinator = Coordinator(loop, random, self.partitions, self._stored, trace)

    def _stored(self, partition, offset, member):
        self._trace("group", lambda: f"store {partition[1]}:{offset} for {member}")
        before = self.coordinator.committed.get(partition)
        if before is not None and offset < before:
            raise AssertionError(f"{member} takes the offset of {partition} back from {before} to {offset}")
        if offset > self.logs[partition].end:
            raise AssertionError(f"{member} commits {offset} beyond the end of {partition}")
        self.account.may_pass(partition, offset, member)
        self.remembered(partition, offset, member)

    def delay(self):
        """Seconds that a message takes one way."""
        return self._random.choice(_DELAYS) * self._random.random()

    @property
    def reachable(self):
        """Whether a connection could be made."""
        return "away" not in self.modes and "silent" not in self.modes

    def ask(self, kind, work, *, partition=None):
        """Send a request; a future for what ``work()`` gives at the broker, or for the error of it."""
        future = self.loop.create_future()
        modes, draw = self.modes, self._random.random
        if "silent" in modes:
            self._count("brokers do not answer")
            self.loop.outside(REQUEST_TIMEOUT, self._fail, future, RequestTimedOutError())
        elif "away" in modes or partition in self.away:
            self._count("brokers are away" if "away" in modes else "a partition has no leader")
            self.loop.outside(0.02 + draw() * 0.3, self._fail, future, KafkaConnectionError("simulated"))
        elif draw() < modes.get(f"{kind} fails", 0.0):
            self._count(f"{kind} fails")
            self.loop.outside(self.delay(), self._fail, future, KafkaConnectionError("simulated"))
        else:
            self.loop.outside(self.delay(), self._arrive, kind, work, future)
        return future

    def _arrive(self, kind, work, future):
        draw, modes = self._random.random, self.modes
        back = self.delay()
        try:
            answer = work()
        except GroupError as error:
            self._count(f"{kind} is refused: {error}")
            made = CommitFailedError if kind == "commit" else _ERRORS[str(error)]
            self.loop.outside(back, self._fail, future, made())
            return
        if draw() < modes.get(f"{kind} lost", 0.0):
            self._count(f"{kind} succeeds and its answer is lost")
            self.loop.outside(REQUEST_TIMEOUT, self._fail, future, RequestTimedOutError())
            return
        if draw() < modes.get(f"{kind} late", 0.0):
            self._count(f"{kind} is answered late")
            back += draw() * 60.0
        self.loop.outside(back, self._reply, future, answer)

    @staticmethod
    def _reply(future, answer):
        if not future.done():
            future.set_result(answer)

    @staticmethod
    def _fail(future, error):
        if not future.done():
            future.set_exception(error)
