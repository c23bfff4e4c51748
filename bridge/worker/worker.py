"""The worker: all that consumes, maps, delivers and acknowledges, put together and run until it is told to stop."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import structlog
from aiokafka.errors import KafkaError as ClientError

from bridge.delivery.delivery import Delivery, Policy
from bridge.delivery.pacing import Backoff
from bridge.delivery.rate_share import Share
from bridge.kafka.consumer.gate import Gate
from bridge.kafka.consumer.lag import LagMeter
from bridge.kafka.consumer.ledger import Chunk, Ledger
from bridge.kafka.consumer.reading import Reading
from bridge.kafka.dead_letters.store import DeadLetters
from bridge.kafka.topics import unreachable
from bridge.model.errors import KafkaError
from bridge.settings import variable
from bridge.telemetry.health import Health
from bridge.worker.chunk_mapping import Builder, Intake, row_and_part
from bridge.worker.drain import Drain
from bridge.worker.reload import MappingWatch
from bridge.worker.restart_memory.marks import RestartMarks
from bridge.worker.stopping import leave
from bridge.worker.supervision import supervise
from bridge.worker.surroundings import PROCESS, Surroundings
from bridge.worker.watch.progress import Progress
from bridge.worker.watch.self_report import SelfReport
from bridge.worker.watch.sketch import EventSketch
from bridge.worker.watch.watchdog import Vitals
from bridge.xdm.size import SizeRule

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine

    from bridge.model.verdicts import Destination, Rejected
    from bridge.settings import Settings
    from bridge.telemetry.metrics import Metrics
    from bridge.telemetry.report import Report
    from bridge.worker.processes.member import Member

_log = structlog.get_logger(__name__)
_GIVE_AWAY_SECONDS = 1.0


class Worker:
    """Everything a worker consists of, put together; :meth:`run` it once, in a running loop.

    ``builder`` None sends events as they came (raw payload). It may be exchanged while running (:meth:`exchange`).
    ``member`` where a parent process watches over this one. ``metrics`` are those of its route; ``sharing_routes`` routes,
    itself included, send to its organisation.
    """

    def __init__(
        self,
        settings: Settings,
        destination: Destination,
        builder: Builder | None,
        metrics: Metrics,
        *,
        mapping: str | None = None,
        member: Member | None = None,
        sharing_routes: int = 1,
        surroundings: Surroundings = PROCESS,
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._destination = destination
        self._mapping = mapping
        self._member = member
        self._surroundings = surroundings
        self._clock = asyncio.get_running_loop().time
        self._switch = surroundings.switch(settings.worker.hang_seconds)
        self.health = Health()
        self.ledger = Ledger(self._clock)
        self.reading = Reading(metrics, self._clock)
        self._share = Share(settings.aep.rate_share, lambda: self.ledger.assigned, self._partitions, sharing_routes)
        self.delivery: Delivery[Chunk] = Delivery(
            destination,
            self,
            Policy.of(settings.aep, self._share),
            metrics,
            clock=self._clock,
            random=surroundings.random(),
            on_failure=self.broke,
        )
        self._publisher = surroundings.publisher(settings.kafka)
        self.letters = DeadLetters(
            self._publisher,
            settings.kafka.dead_letter_topic,
            metrics,
            stored=self.accepted,
            backoff=Backoff(surroundings.random()),
            on_failure=self.broke,
            clock=self._clock,
        )
        self._progress = Progress(
            self.ledger,
            self.delivery,
            self.letters,
            metrics,
            stall_seconds=settings.worker.stall_seconds,
            clock=self._clock,
        )
        self._gate = Gate(
            self.ledger,
            max_events=settings.worker.max_in_flight_events,
            max_bytes=settings.worker.max_in_flight_bytes,
            blocked=lambda: self.delivery.blocked,
            evidence=lambda ahead: self.delivery.evidence(ahead=ahead),
            held=lambda: self.delivery.held,
            metrics=metrics,
        )
        self._drain = Drain(
            self.ledger,
            self.delivery,
            self.letters,
            self._clock,
            settings.worker.drain_seconds,
            min(settings.worker.drain_seconds, settings.kafka.session_timeout_seconds / 2),
        )
        self._sketch = EventSketch(builder, metrics) if builder is not None else None
        self._intake = Intake(
            self.ledger,
            destination.encode,
            self.delivery,
            self.letters,
            metrics,
            builder=builder,
            size=SizeRule(settings.mapping) if builder is not None else None,
            mapping=lambda: self._mapping,
            sketch=self._sketch,
        )
        self._state = surroundings.state(settings.kafka, self._publisher)
        self._marks = RestartMarks(
            self._state,
            settings.kafka.group,
            try_alone=self._intake.rehearse,
            put_off=self._switch.put_off,
            clock=self._clock,
            probation=2 * settings.worker.max_in_flight_events,
            tell=metrics.restart_memory.set,
            assigned=self.ledger.committed,
        )
        # From now on, not from the connection on: the file may change while Kafka is awaited.
        self._mapping_watch = (
            MappingWatch(
                settings.mapping,
                mapping,
                self.exchange,
                metrics,
                settings.aep,
                in_use=lambda: self._intake.builder,
                recent=lambda: self._sketch.recent if self._sketch is not None else (),
            )
            if mapping is not None and settings.mapping.reload_seconds
            else None
        )
        self._stop = asyncio.Event()
        self._why = ""
        self._app: Any = None
        self._lag: LagMeter | None = None
        self._self_report = SelfReport(settings, mapping, self.ledger, self.delivery, clock=self._clock)
        self._watch()

    # What delivery and the dead letters report.

    def accepted(self, owner: Chunk, events: int) -> None:
        """So many events of a chunk have reached their end."""
        self.ledger.resolve(owner, events)
        self._gate.freed()

    def rejected(self, owner: Chunk, event: int, rejected: Rejected, attempts: int) -> None:
        """The destination refuses an event for good."""
        if not owner.closed:
            self.letters.put(owner, *row_and_part(owner.places[event]), rejected, attempts)

    def gone(self, owner: Chunk) -> bool:
        """Whether the chunk's partition is another worker's now."""
        return owner.closed

    # What the consumer asks before partitions are given away.

    async def for_revoke(self) -> float:
        """Finish what can be; seconds that the budget leaves for the commit."""
        left = await self._drain.for_revoke()
        begun = self._clock()
        await self._marks.give_away(min(left / 2, _GIVE_AWAY_SECONDS))
        return max(0.0, left - (self._clock() - begun))

    # What supervision looks at.

    @property
    def stopping(self) -> bool:
        """Whether the run is about to end."""
        return self._stop.is_set()

    @property
    def joined(self) -> bool:
        """Whether it is a member of the consumer group."""
        return self._app is not None and self._app.consumer.joined

    def settled(self) -> None:
        """It is a member for the first time: all that lives as long as the process is there."""
        self._surroundings.settle()
        if self._member is not None:
            self._member.joined()

    def show(self, lag: LagMeter) -> None:
        """Put into metrics and log what may change without an event."""
        self._metrics.rate_share.set(self._share() if self.joined else 0.0)
        self.delivery.tick()
        self._progress.show(lag.lags)
        if self.joined:
            self._self_report.at_work()

    def vitals(self, lag: LagMeter) -> Vitals:
        """What tells whether it gets on, now."""
        held = self.delivery.blocked or self.delivery.paused or not self.letters.writable
        return Vitals(
            lag=bool(lag.total) and lag.movable,
            resolved=self.ledger.resolved,
            committed=tuple(self.ledger.committed().values()),
            committable=bool(self.ledger.committable()),
            joined=self.joined,
            connected=self._publisher.is_connected,
            held=held,
            answers=self.delivery.answers,
            silent=lag.silent,
            lost=self._progress.lost(lag.lags, held=held),
        )

    def report(self) -> Report:
        """What it tells of itself beyond numbers."""
        return self._self_report.report(
            joined=self.joined,
            lag_known=self._lag is not None and self._lag.lags is not None,
            refused=None if self._mapping_watch is None else self._mapping_watch.refused,
        )

    # Running.

    def exchange(self, builder: Builder, mapping: str) -> None:
        """Use another mapping from the next chunk on; ``mapping`` is its sha256."""
        self._intake.builder = builder
        self._mapping = mapping
        self._self_report.exchanged(mapping)
        if self._sketch is not None:
            self._sketch.follow(builder)

    def stop(self, why: str = "") -> None:
        """End the run; a reason makes it a failure."""
        if not self._stop.is_set():
            self._why = why
            self._stop.set()

    def broke(self, error: BaseException) -> None:
        """End the run over an error of its own."""
        _log.error(
            "internal_error",
            detail="The worker stops without acknowledging what is under way.",
            error=type(error).__name__,
            exc_info=error,
        )
        self.stop(f"internal error: {type(error).__name__}")

    async def run(self) -> int:
        """Work until stopped; 0 when all that was begun is finished and committed, else 1."""
        self._surroundings.take_signals(self._signalled)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._switch)
            telemetry = self._surroundings.telemetry(self._settings.telemetry, self._metrics, self.health, self.report)
            await stack.enter_async_context(telemetry)
            if self._member is not None:
                self._member.listening(telemetry.port)
            stack.push_async_callback(self._destination.aclose)
            await stack.enter_async_context(self._publisher)
            if not await self._connected():
                return 0
            await self._open_memory()
            self._app = self._surroundings.stream(
                self._settings.kafka,
                ledger=self.ledger,
                gate=self._gate,
                finisher=self,
                reading=self.reading,
                take=self._take,
                set_aside=self._settings.worker.unreadable == "set_aside",
            )
            lag = self._lag = LagMeter(
                self._app.consumer,
                self.ledger,
                self._metrics,
                clock=self._clock,
                joined=lambda: self.joined,
                absent=self._topic_is_absent,
                unreadable=lambda: self.reading.partitions,
            )
            self.health.watch("brokers", lambda: "the brokers do not answer" if lag.unanswered else None)
            self.delivery.start()
            self.letters.start()
            begun = [
                self._begin(self._start(), "faust"),
                self._begin(self._supervise(lag), "watchdog"),
                self._begin(self._surroundings.tend(), "memory"),
            ]
            # A figure for an alert: events go out without it.
            watching = self._surroundings.watch_retention(self._settings.kafka, self._metrics)
            begun.append(asyncio.create_task(watching, name="retention"))
            if self._mapping_watch is not None:
                # Without it events still go out, by the mapping that is in use.
                begun.append(asyncio.create_task(self._mapping_watch.run(), name="mapping"))
            try:
                await self._stop.wait()
                self.health.hold("draining", self._why or "told to stop")
                await self._marks.give_away(_GIVE_AWAY_SECONDS)
                return await leave(
                    self._app, self._gate, self._drain, self._why, cut_off_after=self._surroundings.cut_off_after
                )
            finally:
                for task in begun:
                    task.cancel()
                await asyncio.gather(*begun, return_exceptions=True)
                await self.delivery.stop()
                await self.letters.stop()
                await self._marks.close()

    async def _connected(self) -> bool:
        """Wait for Kafka; False when stopped before. A topic that is missing for good raises."""
        self.health.hold("kafka", "not connected yet")
        waiting = asyncio.create_task(self._publisher.connected())
        stopping = asyncio.create_task(self._stop.wait())
        await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not waiting.done():
            waiting.cancel()
            return False
        waiting.result()
        self.health.release("kafka")
        return True

    async def _open_memory(self) -> None:
        try:
            await self._state.open()
        except KafkaError as error:
            self._metrics.restart_memory.set(0)
            _log.warning("what ends a process will not be remembered", why=str(error), hint=error.hint)
        else:
            self._metrics.restart_memory.set(1)

    def _begin(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """A task that the worker cannot do without: an error in it ends the worker, or nobody would notice."""

        def ended(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and (error := task.exception()) is not None and not self.stopping:
                self.broke(error)

        task = asyncio.create_task(work, name=name)
        task.add_done_callback(ended)
        return task

    async def _start(self) -> None:
        try:
            await self._app.start()
        except (ClientError, OSError) as error:
            told = unreachable(self._settings.kafka, error)
            _log.error(
                "stream_not_started",
                detail="Kafka was gone again when the stream began: start the worker once it answers.",
                why=str(told),
                hint=told.hint,
            )
            self.stop(f"the stream did not start: {type(error).__name__}")
        except Exception as error:  # noqa: BLE001 - whatever keeps Faust from starting ends the worker
            self.stop(f"the stream did not start: {type(error).__name__}")

    def _take(self, chunk: Chunk) -> Awaitable[None] | None:
        if self._marks.watches(chunk):
            return self._take_marked(chunk)
        self._take_now(chunk, frozenset())
        return None

    async def _take_marked(self, chunk: Chunk) -> None:
        try:
            hung = await self._marks.before(chunk)
        except Exception as error:  # noqa: BLE001 - as below
            self.broke(error)
        else:
            self._take_now(chunk, hung)
            self._marks.after(chunk)

    def _take_now(self, chunk: Chunk, hung: frozenset[int]) -> None:
        try:
            self._intake.take(chunk, hung)
            self._gate.freed()
        except Exception as error:  # noqa: BLE001 - it must not leave the stream; the chunk stays open, nothing is lost
            self.broke(error)

    def _signalled(self, name: str) -> None:
        if self._stop.is_set():
            if self._member is not None:
                # The terminal or a supervisor may signal every process while the parent does too: it decides about haste.
                return
            _log.warning(
                "leaving_at_once", detail="A second signal ends it.", signal=name, events_left=self.ledger.events
            )
            self._surroundings.leave_now(1)
            return
        _log.info(
            "draining",
            detail="What is under way is finished and committed, then the worker leaves.",
            signal=name,
            events=self.ledger.events,
            budget=self._settings.worker.drain_seconds,
        )
        self.stop()

    async def _supervise(self, lag: LagMeter) -> None:
        await supervise(self, self._app, lag, self._settings.worker.stall_seconds)

    def _watch(self) -> None:
        health, delivery = self.health, self.delivery
        health.watch("group", lambda: None if self.joined else "not a member of the consumer group yet")
        health.watch("topic", self._absence)
        health.watch("reading", lambda: self.reading.trouble or None)
        health.watch("transactions", lambda: self.reading.transactions or None)
        health.watch("destination", self._destination_trouble)
        health.watch("credentials", lambda: None if delivery.brakes.misconfigured else delivery.brakes.refusal or None)
        health.watch("settings", self._settings_trouble)
        health.watch("postponed", self._progress.postponed)
        health.watch("partitions", self._progress.standing)
        health.watch(
            "dead_letters", lambda: None if self.letters.writable else "the dead-letter topic cannot be written"
        )

    def _topic_is_absent(self) -> bool:
        # With more workers than partitions some have none, and all is well.
        return self.joined and not self.ledger.assigned and self._partitions() is None

    def _absence(self) -> str | None:
        return f"topic {self._settings.kafka.topic} does not exist" if self._topic_is_absent() else None

    def _settings_trouble(self) -> str | None:
        brakes = self.delivery.brakes
        if not (brakes.refusal and brakes.misconfigured):
            return None
        named = ", ".join(variable("aep", key) for key in ("endpoint", "org_id", "flow_id", "dataset_id"))
        return f"AEP refuses this bridge: {brakes.refusal}; check {named}"

    def _destination_trouble(self) -> str | None:
        self.delivery.tick()  # so that metric and log say it no later than this
        if not self.ledger.events and self._lag is not None and self._lag.total == 0:
            return None  # nobody waits, and nothing is there to ask with whether the destination is back
        brakes = self.delivery.brakes
        return "; ".join(filter(None, (brakes.throttled(self._clock()), brakes.trouble))) or None

    def _partitions(self) -> int | None:
        found: int | None = (
            None if self._app is None else self._app.consumer.topic_partitions(self._settings.kafka.topic)
        )
        return found
