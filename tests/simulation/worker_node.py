"""A machine with one worker process on it, which is started, killed, stopped and restarted; and what must hold of it at each step."""

import asyncio
import signal
from dataclasses import replace
from random import Random

from aiokafka.errors import KafkaError as ClientError
from worker_parts import parts_of

from bridge.destinations.aep.destination import delivery_policy
from bridge.model.errors import KafkaError
from bridge.model.verdicts import Rejected, Stage
from bridge.runtime.dead_man import DeadMansSwitch
from bridge.sources.adobe.membership import Membership
from bridge.telemetry.metrics import Metrics
from bridge.worker.surroundings import Surroundings
from bridge.worker.worker import Worker
from bridge.xdm.experience_event import Built
from simulation.aep import Connection
from simulation.dead_letter_topic import SimulatedPublisher
from simulation.state_log import SimulatedStateLog
from simulation.stream import SimulatedStream
from simulation.virtual_loop import SimulatedProcess


class _Builder:
    """The mapping in little: events that say so are refused, or raise."""

    def build(self, event):
        """One event."""
        if "explode" in event:
            raise KeyError("simulated")
        rejection = Rejected(Stage.MAP, "required_missing", "simulated") if "refuse" in event else None
        return Built(event, (), (), rejection)


class _Telemetry:
    """In the place of the server: it answers nobody."""

    port = 9464

    def __init__(self, settings, metrics, health, *_):
        self.health = health

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        return None


class WorkerNode:
    """``worker`` is the one that runs, None while none does."""

    def __init__(self, world, number):
        self.world, self.name = world, f"worker-{number}"
        self.random = world.stream(self.name)
        self.process = None
        self.worker = None
        self.stream = None
        self.metrics = None
        self.state_log = None
        self.since = 0.0
        self._signal = None
        self._seen = None
        self.starts = 0
        self.wanted = True

    def start(self):
        """A process anew."""
        self.starts += 1
        self.process = process = SimulatedProcess(self.world.loop, f"{self.name}.{self.starts}")
        process.node = self
        self.since = self.world.loop.time()
        self.world.trace(process.name, lambda: "starts")
        process.spawn(self._main(process)).add_done_callback(_told)

    async def _main(self, process):
        world = self.world
        self.metrics = Metrics()
        surroundings = Surroundings(
            random=lambda: Random(self.random.random()),
            install=self._install,
            leave_now=lambda code: self._ended(process, code),
            cut_off_after=lambda seconds: world.loop.outside(seconds, self._cut_off, process),
            switch=lambda _seconds: DeadMansSwitch(0),
            state=lambda _kafka, _publisher: SimulatedState(world),
            state_log=self._open_state_log,
            telemetry=_Telemetry,
            publisher=self._publisher,
            stream=self._stream,
            watch_retention=lambda _kafka, _metrics: _nothing(),
            settle=lambda: None,
            tend=_nothing,
        )
        parts = parts_of(Connection(world.aep), _Builder(), self.metrics, policy=delivery_policy(world.settings))
        worker = Worker(
            world.settings,
            replace(parts, memory=Membership()) if world.remembers else parts,
            self.metrics,
            surroundings=surroundings,
        )
        self.worker, self._seen = worker, None
        code = await worker.run()
        self._ended(process, code)

    def _open_state_log(self, *_, **__):
        self.state_log = SimulatedStateLog(self.world)
        return self.state_log

    def _publisher(self, kafka):
        world = self.world
        return SimulatedPublisher(
            kafka, topic=world.letters, loop=world.loop, reachable=lambda: world.cluster.reachable
        )

    def _stream(self, kafka, **parts):
        self.stream = SimulatedStream(self, kafka, **parts)
        return self.stream

    def _install(self, handle):
        self._signal = handle

    def _cut_off(self, process):
        if not process.dead:
            self.world.count("a worker is cut off")
            self._ended(process, 1)

    def _ended(self, process, code):
        if process.dead:
            return
        worker = self.worker
        self.world.trace(process.name, lambda: f"ends with {code}")
        self.world.count("worker stops with everything done" if code == 0 else "worker stops with work left")
        process.kill(code)
        if code == 0 and worker is not None and (worker.ledger.events or worker.ledger.committable()):
            raise AssertionError(f"{process.name} says that it has finished, and has {worker.ledger.events} events")
        why = "" if worker is None else worker.end.why
        if why.startswith(("internal error", "stalled")):
            raise AssertionError(f"{process.name} ended over an {why}")
        if self.process is process:
            self.worker = None
            self.world.loop.outside(0.1 + 5.0 * self.random.random(), self.restart)

    def crashed(self, error):
        """What its stream ended over."""
        self.world.trace(self.process.name, lambda: f"stream crashed: {error!r}")
        self.world.count("a stream crashes")
        raise AssertionError(f"{self.process.name}: the stream crashed: {error!r}") from error

    def restart(self):
        """What a supervisor does when the process has ended."""
        if self.wanted and (self.process is None or self.process.dead):
            self.start()

    def kill(self):
        """``kill -9``."""
        if self.process is not None and not self.process.dead:
            self.world.trace(self.process.name, lambda: "is killed")
            self.process.kill()
            self.worker = None

    def terminate(self):
        """SIGTERM."""
        if self.at_work and self._signal is not None:
            self.world.trace(self.process.name, lambda: "SIGTERM")
            self.process._context.run(self._signal, signal.SIGTERM)

    @property
    def at_work(self):
        """Whether it has a process that lives."""
        return self.process is not None and not self.process.dead and self.worker is not None

    @property
    def unready(self):
        """Its reasons not to be ready, as its health answer tells them; None where nobody answers."""
        return dict(self.worker.health.unready()) if self.at_work and not self.process.paused else None

    @property
    def at_rest(self):
        """Ready, with nothing under way, and its metric of the lag says so."""
        return (
            self.unready == {}
            and not self.worker.ledger.events
            and not sum(sample.value for family in self.metrics.kafka_lag.collect() for sample in family.samples)
        )

    def check_confirmed(self):
        """What the worker takes for committed must be stored."""
        stored = self.world.cluster.coordinator.committed
        for partition, offset in self.worker.ledger.committed().items():
            if offset is not None and offset > stored.get(partition, -1):
                raise AssertionError(
                    f"{self.process.name} believes {partition} {offset} committed: {stored.get(partition)}"
                )

    def check(self):
        """What holds after each step of a worker, whatever it was."""
        ledger = self.worker.ledger
        seen = (ledger.resolved, ledger.events, ledger.queued, ledger.weight)
        if seen == self._seen:
            return
        self._seen = seen
        for partition, offset in ledger.committable().items():
            self.world.account.may_pass(partition, offset, f"the ledger of {self.process.name}")
        if ledger.events > self.world.most_events:
            raise AssertionError(
                f"{self.process.name} holds {ledger.events} events, and {self.world.most_events} are the most"
            )
        waiting, aep = self.worker.delivery.events, self.world.settings.aep
        # What is under way when its partition is given away waits once more, until it is found to be nobody's.
        if waiting > ledger.events + aep.concurrency * aep.batch_events:
            raise AssertionError(
                f"{self.process.name} has {waiting} events to deliver, {ledger.events} of its partitions"
            )
        if min(seen) < 0:
            raise AssertionError(f"the ledger of {self.process.name} counts below zero: {seen}")


def _told(task):
    if not task.cancelled() and task.exception() is not None:
        raise AssertionError(f"a worker's main ended: {task.exception()!r}") from task.exception()


class SimulatedState:
    """The state topic: what is written is there for all, when the brokers can be asked."""

    def __init__(self, world):
        self._world = world

    async def open(self):
        """Find it."""
        await self._ask(lambda: None)

    async def read(self):
        """All values."""
        return await self._ask(lambda: dict(self._world.state))

    async def write(self, values):
        """Some values."""
        await self._ask(lambda: self._world.state.update(values))

    async def _ask(self, work):
        try:
            async with asyncio.timeout(5.0):
                return await self._world.cluster.ask("state", work)
        except (ClientError, TimeoutError) as error:
            raise KafkaError(f"simulated: {type(error).__name__}") from error


async def _nothing():
    await asyncio.Event().wait()
