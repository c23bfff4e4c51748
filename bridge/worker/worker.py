"""The worker: all that consumes, maps, delivers and acknowledges, put together and run until it is told to stop."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import structlog

from bridge.delivery.delivery import Delivery
from bridge.delivery.rate_share import Share
from bridge.kafka.consumer.gate import Gate
from bridge.kafka.consumer.lag import LagMeter
from bridge.kafka.consumer.ledger import Chunk, Ledger
from bridge.kafka.consumer.reading import Reading
from bridge.kafka.dead_letters.store import DeadLetters
from bridge.kafka.topics import NO_ANSWER, unreachable
from bridge.model.backoff import Backoff
from bridge.runtime.deadline import StopBudget
from bridge.runtime.signals import StopSignals
from bridge.telemetry.health import Health
from bridge.worker.accepted_state.state_keeper import StateKeeper
from bridge.worker.chunk_intake import ChunkIntake
from bridge.worker.chunk_mapping import ChunkMapping, day_of
from bridge.worker.drain import Drain
from bridge.worker.event_places import row_and_part
from bridge.worker.leading import Leader
from bridge.worker.mapping_watch import MappingWatch
from bridge.worker.opening import connect, open_memory, open_state
from bridge.worker.readiness import Readiness
from bridge.worker.restart_memory.marks import RestartMarks
from bridge.worker.stopping import stop_worker
from bridge.worker.supervision import supervise
from bridge.worker.surroundings import PROCESS, Surroundings
from bridge.worker.watch.progress import Progress
from bridge.worker.watch.self_report import SelfReport
from bridge.worker.watch.watchdog import Vitals

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from bridge.delivery.pace_board import Board
    from bridge.model.accepted_state import Memory
    from bridge.model.ports import RouteParts, Transform
    from bridge.model.verdicts import Rejected
    from bridge.runtime.deadline import Deadline
    from bridge.settings import Settings
    from bridge.telemetry.metrics import Metrics
    from bridge.telemetry.report import Report
    from bridge.worker.processes.member import GroupMember

_log = structlog.get_logger(__name__)
_GIVE_AWAY_SECONDS = 1.0


class Worker:
    """Everything a worker consists of, put together; :meth:`run` it once, in a running loop.

    The transform of ``parts`` may be exchanged while running (:meth:`exchange`).
    ``member`` where a parent process watches over this one. ``metrics`` are those of its route; ``sharing_routes`` routes,
    itself included, send to its organisation. ``board``: where the processes of this machine keep what they have sent to an account.
    """

    def __init__(
        self,
        settings: Settings,
        parts: RouteParts,
        metrics: Metrics,
        *,
        member: GroupMember | None = None,
        sharing_routes: int = 1,
        board: Board | None = None,
        surroundings: Surroundings = PROCESS,
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._parts = parts
        policy = parts.policy
        self._member = member
        self._surroundings = surroundings
        self._clock = asyncio.get_running_loop().time
        self._switch = surroundings.switch(settings.worker.hang_seconds)
        self.health = Health()
        self.ledger = Ledger(self._clock)
        self.reading = Reading(metrics, self._clock)
        self._share = Share(policy.rate_share, lambda: self.ledger.assigned, self._partitions, sharing_routes)
        self.delivery: Delivery[Chunk] = Delivery(
            parts.destination,
            self,
            replace(policy, share=self._share),
            metrics,
            clock=self._clock,
            account=None if board is None or not policy.account else board.account(policy.account),
            random=surroundings.random(),
            on_failure=self.broke,
        )
        self._publisher = surroundings.publisher(settings.kafka)
        self.letters = DeadLetters(
            self._publisher,
            settings.kafka.dead_letter_topic,
            metrics,
            parts.decoder,
            stored=self.finished,
            backoff=Backoff(surroundings.random()),
            on_failure=self.broke,
            clock=self._clock,
        )
        self._keeper = self._open_keeper(parts.memory)
        self._progress = Progress(
            self.ledger,
            self.delivery,
            self.letters,
            metrics,
            stall_seconds=settings.worker.stall_seconds,
            clock=self._clock,
            keeps=lambda chunk: self._keeper is not None and self._keeper.keeps(chunk),
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
            StopBudget(settings.worker.drain_seconds),
            StopBudget(min(settings.worker.drain_seconds, settings.kafka.session_timeout_seconds / 2)),
            waits=lambda: self._keeper is not None and self._keeper.held,
        )
        self._sketch = parts.sketch
        self._mapping = ChunkMapping(
            self.ledger,
            parts.decoder,
            parts.transform,
            delivery=self.delivery,
            letters=self.letters,
            metrics=metrics,
            sketch=parts.sketch,
            memory=self._keeper,
        )
        self._state = surroundings.state(settings.kafka, self._publisher)
        self._marks = RestartMarks(
            self._state,
            settings.kafka.group,
            try_alone=self._mapping.rehearse,
            put_off=self._switch.put_off,
            clock=self._clock,
            probation=2 * settings.worker.max_in_flight_events,
            tell=metrics.restart_memory.set,
            assigned=self.ledger.committed,
        )
        self._leader = Leader(
            parts.leader_tasks,
            topic=settings.kafka.topic,
            group=settings.kafka.group,
            ledger=self.ledger,
            publisher=self._publisher,
            state=self._state,
            metrics=metrics,
            session_seconds=settings.kafka.session_timeout_seconds,
            stopping=lambda: self.stopping,
            clock=self._clock,
        )
        self._intake = ChunkIntake(self._mapping, self._gate, self._marks, self._keeper, self.broke)
        # From now on, not from the connection on: the file may change while Kafka is awaited.
        self._mapping_watch = (
            MappingWatch(
                parts.files,
                lambda: self._mapping.transform,
                self.exchange,
                metrics,
                recent=lambda: self._sketch.recent if self._sketch is not None else (),
            )
            if parts.files is not None and parts.files.reload_seconds
            else None
        )
        self._stop = asyncio.Event()
        self._why = ""
        self._app: Any = None
        self._lag: LagMeter | None = None
        self._self_report = SelfReport(
            settings, parts.host, parts.transform.mapping, self.ledger, self.delivery, clock=self._clock
        )
        self._readiness = Readiness(
            topic=settings.kafka.topic,
            title=self._parts.title,
            blamed_settings=self._parts.blamed_settings,
            ledger=self.ledger,
            delivery=self.delivery,
            letters=self.letters,
            reading=self.reading,
            progress=self._progress,
            joined=lambda: self.joined,
            partitions=self._partitions,
            total=lambda: None if self._lag is None else self._lag.total,
            clock=self._clock,
        )
        self._readiness.watch(self.health)
        if self._keeper is not None:
            self.health.watch("state", self._keeper.trouble)

    # What delivery and the dead letters report.

    def accepted(self, owner: Chunk, places: Sequence[int]) -> None:
        """The destination has taken these events of a chunk."""
        if self._keeper is None:
            self.finished(owner, len(places))
        else:
            self._keeper.accepted(owner, places)

    def finished(self, owner: Chunk, events: int) -> None:
        """So many events of a chunk have reached their end."""
        self.ledger.resolve(owner, events)
        self._gate.freed()

    def rejected(self, owner: Chunk, event: int, rejected: Rejected, attempts: int) -> None:
        """The destination refuses an event for good."""
        if owner.closed:
            return
        place = owner.places[event]
        if owner.counts is not None:
            owner.counts.refuse(place, day_of(owner, place), rejected.stage)
        if self._keeper is None:
            self.letters.put(owner, *row_and_part(place), rejected, attempts)
        else:
            self._keeper.rejected(owner, event, rejected, attempts)

    def gone(self, owner: Chunk) -> bool:
        """Whether the chunk's partition is another worker's now."""
        return owner.closed

    # What the consumer asks before partitions are given away.

    async def for_revoke(self) -> Deadline:
        """Finish what can be; the deadline of the commit that follows."""
        await self._leader.resign(_GIVE_AWAY_SECONDS)
        deadline = await self._drain.for_revoke()
        await self._marks.give_away(min(deadline.left / 2, _GIVE_AWAY_SECONDS))
        return deadline

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
        if self._keeper is not None:
            self._keeper.show()
        if self.joined:
            self._self_report.at_work()

    def vitals(self, lag: LagMeter) -> Vitals:
        """What tells whether it gets on, now."""
        held = self.delivery.blocked or self.delivery.paused or not self.letters.writable
        held = held or (self._keeper is not None and self._keeper.held)
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

    def exchange(self, transform: Transform) -> None:
        """Use another mapping from the next chunk on."""
        self._mapping.transform = transform
        self._self_report.exchanged(transform.mapping)
        if self._sketch is not None:
            self._sketch.follow(transform)

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
        self._surroundings.install(
            StopSignals(
                self._signalled,
                self._stop.is_set,
                has_parent=self._member is not None,
                hurry=lambda: {"events_left": self.ledger.events},
                leave=self._surroundings.leave_now,
            )
        )
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._switch)
            telemetry = self._surroundings.telemetry(self._settings.telemetry, self._metrics, self.health, self.report)
            await stack.enter_async_context(telemetry)
            if self._member is not None:
                self._member.listening(telemetry.port)
            stack.push_async_callback(self._parts.destination.aclose)
            await stack.enter_async_context(self._publisher)
            connected = await connect(self._publisher, self._stop, self.health)
            if not connected or not await open_state(self._keeper, self._stop, self.health):
                return 0
            await open_memory(self._state, self._metrics)
            self._app = self._surroundings.stream(
                self._settings.kafka,
                ledger=self.ledger,
                gate=self._gate,
                finisher=self,
                reading=self.reading,
                take=self._intake.take,
                set_aside=self._settings.worker.unreadable == "set_aside",
            )
            lag = self._lag = LagMeter(
                self._app.consumer,
                self.ledger,
                self._metrics,
                clock=self._clock,
                joined=lambda: self.joined,
                absent=self._readiness.topic_is_absent,
                unreadable=lambda: self.reading.partitions,
            )
            self.health.watch("brokers", lambda: "the brokers do not answer" if lag.unanswered else None)
            self.delivery.start()
            self.letters.start()
            begun = [
                self._begin(self._start(), "faust"),
                self._begin(self._supervise(lag), "watchdog"),
                self._begin(self._surroundings.tend(), "memory"),
                self._begin(self._leader.run(), "leader"),
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
                await self._leader.resign(_GIVE_AWAY_SECONDS)
                await self._marks.give_away(_GIVE_AWAY_SECONDS)
                return await stop_worker(
                    self._app, self._gate, self._drain, self._why, cut_off_after=self._surroundings.cut_off_after
                )
            finally:
                for task in begun:
                    task.cancel()
                await asyncio.gather(*begun, return_exceptions=True)
                await self.delivery.stop()
                await self.letters.stop()
                if self._keeper is not None:
                    await self._keeper.close()
                await self._marks.close()

    def _open_keeper(self, memory: Memory | None) -> StateKeeper | None:
        if memory is None:
            return None
        kafka, metrics = self._settings.kafka, self._metrics
        log = self._surroundings.state_log(kafka, metrics.route, self._publisher, same_partitions=memory.joins)
        return StateKeeper(
            memory,
            log,
            self.ledger,
            self.letters,
            metrics,
            finished=self.finished,
            is_ours=self._is_ours,
            on_failure=self.broke,
            random=self._surroundings.random(),
            clock=self._clock,
        )

    async def _is_ours(self) -> bool:
        return bool(await self._app.consumer.is_ours())

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
        except NO_ANSWER as error:
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

    def _signalled(self, name: str) -> None:
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

    def _partitions(self) -> int | None:
        found: int | None = (
            None if self._app is None else self._app.consumer.topic_partitions(self._settings.kafka.topic)
        )
        return found
