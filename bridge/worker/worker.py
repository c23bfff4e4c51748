"""The worker of one route: it runs what consumes, maps, delivers and acknowledges, until it is told to stop."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import structlog

from bridge.kafka.consumer.lag import LagMeter
from bridge.runtime.signals import StopSignals
from bridge.worker.assembly import WorkerAssembly
from bridge.worker.lifetime.opening import connect, open_memory, open_state
from bridge.worker.stopping import stop_worker
from bridge.worker.supervision import supervise
from bridge.worker.surroundings import PROCESS, Surroundings
from bridge.worker.watch.watchdog import Vitals

if TYPE_CHECKING:
    from bridge.delivery.pace_board import Board
    from bridge.model.ports import RouteParts
    from bridge.runtime.deadline import Deadline
    from bridge.settings import Settings
    from bridge.telemetry.metrics import Metrics
    from bridge.telemetry.report import Report
    from bridge.worker.processes.member import GroupMember

_log = structlog.get_logger(__name__)
_GIVE_AWAY_SECONDS = 1.0


class Worker:
    """Everything a worker consists of; :meth:`run` it once, in a running loop.

    ``member`` where a parent process watches over this one; the rest as in :class:`WorkerAssembly`.
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
        self._member = member
        self._joined_told = False
        self._surroundings = surroundings
        self._clock = asyncio.get_running_loop().time
        self._destination = parts.destination
        self.assembly = WorkerAssembly(
            settings, parts, metrics, surroundings, sharing_routes=sharing_routes, board=board
        )
        self.end = self.assembly.end
        self.health = self.assembly.health
        self.ledger = self.assembly.ledger
        self.delivery = self.assembly.delivery
        self.letters = self.assembly.letters

    # What the consumer tells of assignments, and asks before partitions are given away.

    def assigned(self) -> None:
        """Tell the parent of the first assignment at once: an event that ends this process must not pass for a start that failed."""
        if self._member is not None and not self._joined_told:
            self._joined_told = True
            self._member.joined()

    async def for_revoke(self) -> Deadline:
        """Finish what can be; the deadline of the commit that follows."""
        await self.assembly.leader.resign(_GIVE_AWAY_SECONDS)
        deadline = await self.assembly.drain.for_revoke()
        await self.assembly.marks.give_away(min(deadline.left / 2, _GIVE_AWAY_SECONDS))
        return deadline

    def given_away(self) -> None:
        """Drop what is left of chunks that are closed."""
        parts = self.assembly
        parts.drain.given_away()
        if parts.keeper is not None:
            parts.keeper.forget_closed()

    # What supervision looks at.

    @property
    def stopping(self) -> bool:
        """Whether the run is about to end."""
        return self.end.begun

    @property
    def joined(self) -> bool:
        """Whether it is a member of the consumer group."""
        return self.assembly.stream.joined

    def settled(self) -> None:
        """It is a member for the first time: all that lives as long as the process is there."""
        self._surroundings.settle()

    def show(self, lag: LagMeter) -> None:
        """Put into metrics and log what may change without an event."""
        parts = self.assembly
        self._metrics.rate_share.set(parts.share() if self.joined else 0.0)
        self.delivery.tick()
        parts.progress.show(lag.lags)
        if parts.keeper is not None:
            parts.keeper.show()
        if self.joined:
            parts.self_report.at_work()

    def vitals(self, lag: LagMeter) -> Vitals:
        """What tells whether it gets on, now."""
        parts = self.assembly
        held = self.delivery.blocked or self.delivery.paused or not self.letters.writable
        held = held or (parts.keeper is not None and parts.keeper.held)
        return Vitals(
            lag=bool(lag.total) and lag.movable,
            resolved=self.ledger.resolved,
            committed=tuple(self.ledger.committed().values()),
            committable=bool(self.ledger.committable()),
            joined=self.joined,
            connected=parts.publisher.is_connected,
            held=held,
            answers=self.delivery.answers,
            silent=lag.silent,
            lost=parts.progress.lost(lag.lags, held=held),
        )

    def stop(self, why: str = "") -> None:
        """End the run; a reason makes it a failure."""
        self.end.stop(why)

    def broke(self, error: BaseException) -> None:
        """End the run over an error of its own."""
        self.end.broke(error)

    # Running.

    def report(self) -> Report:
        """What it tells of itself beyond numbers."""
        parts = self.assembly
        return parts.self_report.report(
            joined=self.joined,
            lag_known=parts.stream.lag is not None and parts.stream.lag.lags is not None,
            refused=None if parts.mapping_watch is None else parts.mapping_watch.refused,
        )

    async def run(self) -> int:
        """Work until stopped; 0 when all that was begun is finished and committed, else 1."""
        parts, end = self.assembly, self.end
        self._surroundings.install(
            StopSignals(
                self._signalled,
                end.event.is_set,
                has_parent=self._member is not None,
                hurry=lambda: {"events_left": self.ledger.events},
                leave=self._surroundings.leave_now,
            )
        )
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(parts.switch)
            telemetry = self._surroundings.telemetry(self._settings.telemetry, self._metrics, self.health, self.report)
            await stack.enter_async_context(telemetry)
            if self._member is not None:
                self._member.listening(telemetry.port)
            stack.push_async_callback(self._destination.aclose)
            await stack.enter_async_context(parts.publisher)
            connected = await connect(parts.publisher, end.event, self.health)
            if not connected or not await open_state(parts.keeper, end.event, self.health):
                return 0
            await open_memory(parts.state, self._metrics)
            begun = self._begin_tasks(self._open_stream())
            try:
                await end.event.wait()
                self.health.hold("draining", end.why or "told to stop")
                await parts.leader.resign(_GIVE_AWAY_SECONDS)
                await parts.marks.give_away(_GIVE_AWAY_SECONDS)
                return await stop_worker(
                    parts.stream.app, parts.gate, parts.drain, end.why, cut_off_after=self._surroundings.cut_off_after
                )
            finally:
                for task in begun:
                    task.cancel()
                await asyncio.gather(*begun, return_exceptions=True)
                await self.delivery.stop()
                await self.letters.stop()
                if parts.keeper is not None:
                    await parts.keeper.close()
                await parts.marks.close()

    def _open_stream(self) -> LagMeter:
        parts, stream = self.assembly, self.assembly.stream
        stream.app = self._surroundings.stream(
            self._settings.kafka,
            ledger=self.ledger,
            gate=parts.gate,
            finisher=self,
            reading=parts.reading,
            process=parts.intake.process,
            start_tried=stream.start_tried,
            set_aside=self._settings.worker.unreadable == "set_aside",
        )
        lag = stream.lag = LagMeter(
            stream.app.consumer,
            self.ledger,
            self._metrics,
            clock=self._clock,
            joined=lambda: self.joined,
            absent=parts.readiness.topic_is_absent,
            unreadable=lambda: parts.reading.partitions,
        )
        self.health.watch(
            "brokers", lambda: stream.trouble or ("the brokers do not answer" if lag.unanswered else None)
        )
        return lag

    def _begin_tasks(self, lag: LagMeter) -> list[asyncio.Task[None]]:
        parts, end = self.assembly, self.end
        self.delivery.start()
        self.letters.start()
        begun = [
            end.begin(parts.stream.start(end), "faust"),
            end.begin(supervise(self, parts.stream.app, lag, self._settings.worker.stall_seconds), "watchdog"),
            end.begin(self._surroundings.tend(), "memory"),
            end.begin(parts.leader.run(), "leader"),
        ]
        # A figure for an alert: events go out without it.
        watching = self._surroundings.watch_retention(self._settings.kafka, self._metrics)
        begun.append(asyncio.create_task(watching, name="retention"))
        if parts.mapping_watch is not None:
            # Without it events still go out, by the mapping that is in use.
            begun.append(asyncio.create_task(parts.mapping_watch.run(), name="mapping"))
        return begun

    def _signalled(self, name: str) -> None:
        _log.info(
            "draining",
            detail="The worker finishes and commits what is under way, then leaves the group.",
            signal=name,
            events=self.ledger.events,
            budget=self._settings.worker.drain_seconds,
        )
        self.stop()
