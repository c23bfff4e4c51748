"""One simulated world of a seed: loop, brokers, destination, account, workers, faults; and what is checked after each step."""

from __future__ import annotations

import asyncio
import random as global_random
from collections import Counter, deque
from random import Random

from bridge.settings import AepSettings, KafkaSettings, MappingSettings, Settings, TelemetrySettings, WorkerSettings
from simulation.account import Account
from simulation.aep import SimulatedAep
from simulation.cluster import TOPIC, Cluster
from simulation.dead_letter_topic import TOPIC as LETTERS
from simulation.dead_letter_topic import LetterTopic
from simulation.plan import dealt
from simulation.state_log import Members, StateTopicLog
from simulation.virtual_loop import SimulatedLoop
from simulation.worker_node import WorkerNode
from simulation.workload import Workload

_TRACED = 4_000


class World:
    """What a seed makes. ``count`` counts what happens, ``trace`` keeps the last of it."""

    def __init__(self, seed, counters=None):
        self.seed = seed
        self.counters = Counter() if counters is None else counters
        self._trace = deque(maxlen=_TRACED)
        shape = self.stream("shape")
        global_random.seed(seed)
        disorder = shape.choice((0.0, 0.05, 0.3, 1.0))
        self.loop = SimulatedLoop(self.stream("loop"), disorder, self._after_step)
        partitions = shape.choice((4, 4, 5, 6))
        self.partitions = tuple((TOPIC, number) for number in range(partitions))
        self.account = Account(self.partitions)
        self.cluster = Cluster(
            self.loop, self.stream("cluster"), self.account, self.count, self.trace, partitions=partitions
        )
        self.aep = SimulatedAep(self.loop, self.stream("aep"), self.account, self.count, self.trace)
        self.letters = LetterTopic(self.loop, self.stream("letters"), self.account, self.count, self.trace)
        # Of some worlds the route remembers what was accepted of each customer, which needs their order.
        order = dealt(seed, "order", ("remembered", "none", self.stream("memory").choice(("remembered", "key"))))
        self.remembers = order == "remembered"
        self.route_state, self.members = StateTopicLog(self), Members(self)
        self.aep.taken = self.members.accepted
        if self.remembers:
            self.cluster.remembered = self.members.check_stored
        self.workload = Workload(self, rate=shape.choice((26, 28, 35)))
        self.settings = _settings(seed, shape, by_key=order != "none")
        self.state = {}
        self.most_events = self.settings.worker.max_in_flight_events * 11 + 1_000
        # The drain's budget for a revoke, and a little for what comes at once after a process was stopped.
        session = self.settings.kafka.session_timeout_seconds
        self.most_revoke = min(self.settings.worker.drain_seconds, session / 2) + 1.0
        self.by_key = self.settings.aep.ordering == "key"
        self.account.damaged = self._was_damaged
        self.account.keep_order = self.by_key
        self.nodes = [WorkerNode(self, number) for number in range(shape.choice((2, 2, 3)))]
        self.count("the route remembers what was accepted" if self.remembers else "the route remembers nothing")
        self.count("order by key" if self.by_key else "order by none")
        self.trace(
            "world",
            lambda: (
                f"seed {seed}: disorder {disorder}, {partitions} partitions, {len(self.nodes)} workers,"
                f" {self.settings.worker!r}, {self.settings.aep.ordering}"
            ),
        )

    def _was_damaged(self, partition, offset):
        log = self.cluster.logs[partition]
        return (
            offset in log.shown_damaged
            or not log.read(offset, 1, uncommitted=True)
            or log.read(offset, 1)[0].offset > offset
        )

    def stream(self, name):
        """A source of randomness of its own, so that one part's draws do not shift another's."""
        return Random(f"{self.seed}/{name}")

    def count(self, what):
        """Something happened that a run ought to have seen."""
        self.counters[what] += 1

    def trace(self, who, tell):
        """Keep a line; ``tell`` makes it when it is wanted, so it may only use what does not change."""
        self._trace.append((self.loop.time(), who, tell))

    def last(self, lines):
        """The last lines of the trace."""
        kept = list(self._trace)[-lines:]
        return [f"{now - 1_000_000:12.4f}  {who:<14} {tell()}" for now, who, tell in kept]

    def _after_step(self, process):
        if self.loop.errors:
            context = self.loop.errors.pop(0)
            error = context.get("exception")
            raise error if error is not None else AssertionError(context["message"])
        if process is not None:
            node = process.node
            if node.worker is not None and not process.dead:
                node.check()

    def run(self, work):
        """Run a coroutine to its end in this world."""
        asyncio.set_event_loop(None)
        return self.loop.run_until_complete(work)

    def close(self):
        """Drop everything."""
        for node in self.nodes:
            node.kill()
        self.loop.shut_down()

    @property
    def at_rest(self):
        """Everything finished and committed, and every worker at work."""
        return not self.account.open and not self.lag and all(node.at_rest for node in self.nodes)

    def unrest(self):
        """What is not at rest, in words."""
        nodes = "; ".join(
            f"{node.name}: {node.unready}, {node.worker.ledger.events if node.worker else 'no'} events"
            for node in self.nodes
        )
        return f"{self.account.open} events open ({self.account.unfinished()}), lag {self.lag}, {nodes}"

    def unread(self, partition):
        """The first offset that no worker has read of a partition; its end when nobody has it."""
        places = [node.stream.client.position(partition) for node in self.nodes if node.at_work and node.stream.client]
        return max((place for place in places if place is not None), default=self.cluster.logs[partition].end)

    def may_show(self, what):
        """Whether something can be counted here: what cannot be read is not told while it is set aside."""
        return what != "told: unreadable" or self.settings.worker.unreadable == "hold"

    def ends(self):
        """Where each partition ends now."""
        return {partition: log.end for partition, log in self.cluster.logs.items()}

    def committed(self, ends):
        """Whether the group has committed each partition up to these offsets, as far as they may be read."""
        stored, logs = self.cluster.coordinator.committed, self.cluster.logs
        return all(max(stored.get(p, 0), logs[p].start) >= min(end, logs[p].stable) for p, end in ends.items())

    @property
    def lag(self):
        """Offsets that are stored and not committed, records that ask for nothing included."""
        committed = self.cluster.coordinator.committed
        return sum(max(0, log.stable - max(log.start, committed.get(p, 0))) for p, log in self.cluster.logs.items())


def _settings(seed, shape, *, by_key):
    return Settings.model_construct(
        kafka=KafkaSettings(
            topic=TOPIC,
            dead_letter_topic=LETTERS,
            session_timeout_seconds=shape.choice((8, 12, 45)),
            request_timeout_seconds=30,
            commit_interval_seconds=shape.choice((0.5, 1.0, 3.0)),
        ),
        aep=AepSettings(
            batch_bytes=4_000,
            batch_events=shape.choice((5, 40)),
            linger_seconds=shape.choice((0.05, 0.5)),
            concurrency=shape.choice((2, 4, 16)),
            ordering="key" if by_key else "none",
            events_per_second=shape.choice((0, 200, 10_000)),
        ),
        worker=WorkerSettings(
            drain_seconds=shape.choice((3, 10, 20)),
            max_in_flight_events=dealt(seed, "events in flight", (100, 300, 12_000)),
            stall_seconds=300,
            unreadable=dealt(seed, "unreadable", ("hold", "hold", "set_aside")),
        ),
        mapping=MappingSettings(),
        telemetry=TelemetrySettings(port=0),
    )
