"""The parts of one worker, wired to one another: what is admitted, mapped, delivered, stored, and told."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from bridge.delivery.delivery import Delivery
from bridge.delivery.rate_share import Share
from bridge.kafka.consumer.gate import Gate
from bridge.kafka.consumer.ledger import Ledger
from bridge.kafka.consumer.reading import Reading
from bridge.kafka.dead_letters.store import DeadLetters
from bridge.model.backoff import Backoff
from bridge.runtime.deadline import StopBudget
from bridge.telemetry.health import Health
from bridge.worker.accepted_state.state_keeper import StateKeeper
from bridge.worker.chunk_counts import day_of
from bridge.worker.chunk_intake import ChunkIntake
from bridge.worker.chunk_mapping import ChunkMapping
from bridge.worker.drain import Drain
from bridge.worker.event_places import row_and_part
from bridge.worker.leading.leader import Leader
from bridge.worker.lifetime.run_end import RunEnd
from bridge.worker.lifetime.worker_stream import WorkerStream
from bridge.worker.mapping_watch import MappingWatch
from bridge.worker.restart_memory.marks import RestartMarks
from bridge.worker.watch.progress import Progress
from bridge.worker.watch.readiness import Readiness
from bridge.worker.watch.self_report import SelfReport

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.delivery.pace_board import Board
    from bridge.kafka.consumer.chunk import Chunk
    from bridge.model.accepted_state import Memory
    from bridge.model.ports import RouteParts, Transform
    from bridge.model.verdicts import Rejected
    from bridge.settings import Settings
    from bridge.telemetry.metrics import Metrics
    from bridge.worker.surroundings import Surroundings


class WorkerAssembly:
    """Makes the parts, and passes on what delivery and the dead letters report of an event. Nothing runs yet.

    ``metrics`` are those of the route; ``sharing_routes`` routes, itself included, send to its organisation. ``board``: where the
    processes of this machine keep what they have sent to an account.
    """

    def __init__(
        self,
        settings: Settings,
        parts: RouteParts,
        metrics: Metrics,
        surroundings: Surroundings,
        *,
        sharing_routes: int,
        board: Board | None,
    ) -> None:
        policy = parts.policy
        # One route's processes divide rates by their partitions, and need to know nothing of each other.
        shares = policy.account and (policy.budgets or sharing_routes > 1)
        clock = asyncio.get_running_loop().time
        self.switch = surroundings.switch(settings.worker.hang_seconds)
        self.end = RunEnd()
        self.stream = WorkerStream(settings.kafka, clock)
        self.health = Health()
        self.ledger = Ledger(clock)
        self.reading = Reading(metrics, clock)
        self.share = Share(policy.rate_share, lambda: self.ledger.assigned, self.stream.partitions, sharing_routes)
        self.delivery: Delivery[Chunk] = Delivery(
            parts.destination,
            self,
            replace(policy, share=self.share),
            metrics,
            clock=clock,
            account=board.account(policy.account) if board is not None and shares else None,
            random=surroundings.random(),
            on_failure=self.end.broke,
        )
        self.publisher = surroundings.publisher(settings.kafka)
        self.letters = DeadLetters(
            self.publisher,
            settings.kafka.dead_letter_topic,
            metrics,
            parts.decoder,
            stored=self.finished,
            backoff=Backoff(surroundings.random()),
            on_failure=self.end.broke,
            clock=clock,
        )
        self.keeper = self._open_keeper(parts.memory, settings, metrics, surroundings)
        self.progress = Progress(
            self.ledger,
            self.delivery,
            self.letters,
            metrics,
            stall_seconds=settings.worker.stall_seconds,
            clock=clock,
            keeps=lambda chunk: self.keeper is not None and self.keeper.keeps(chunk),
        )
        self.gate = Gate(
            self.ledger,
            max_events=settings.worker.max_in_flight_events,
            max_bytes=settings.worker.max_in_flight_bytes,
            blocked=lambda: self.delivery.blocked,
            evidence=lambda ahead: self.delivery.evidence(ahead=ahead),
            held=lambda: self.delivery.held,
            metrics=metrics,
        )
        self.drain = Drain(
            self.ledger,
            self.delivery,
            self.letters,
            clock,
            StopBudget(settings.worker.drain_seconds),
            StopBudget(min(settings.worker.drain_seconds, settings.kafka.session_timeout_seconds / 2)),
            waits=lambda: self.keeper is not None and self.keeper.held,
        )
        self._sketch = parts.sketch
        self.mapping = ChunkMapping(
            self.ledger,
            parts.decoder,
            parts.transform,
            delivery=self.delivery,
            letters=self.letters,
            metrics=metrics,
            sketch=parts.sketch,
            memory=self.keeper,
        )
        self.state = surroundings.state(settings.kafka, self.publisher)
        self.marks = RestartMarks(
            self.state,
            settings.kafka.group,
            try_alone=self.mapping.rehearse,
            put_off=self.switch.put_off,
            clock=clock,
            probation=2 * settings.worker.max_in_flight_events,
            tell=metrics.restart_memory.set,
            assigned=self.ledger.committed,
        )
        self.leader = Leader(
            parts.leader_tasks,
            topic=settings.kafka.topic,
            group=settings.kafka.group,
            ledger=self.ledger,
            publisher=self.publisher,
            state=self.state,
            metrics=metrics,
            session_seconds=settings.kafka.session_timeout_seconds,
            stopping=lambda: self.end.begun,
            clock=clock,
        )
        self.intake = ChunkIntake(self.mapping, self.gate, self.marks, self.keeper, self.end.broke)
        # From now on, not from the connection on: the file may change while Kafka is awaited.
        self.mapping_watch = (
            MappingWatch(
                parts.files,
                lambda: self.mapping.transform,
                self.exchange,
                metrics,
                recent=lambda: self._sketch.recent if self._sketch is not None else (),
            )
            if parts.files is not None and parts.files.reload_seconds
            else None
        )
        self.self_report = SelfReport(
            settings, parts.host, parts.transform.mapping, self.ledger, self.delivery, clock=clock
        )
        self.readiness = Readiness(
            topic=settings.kafka.topic,
            title=parts.title,
            blamed_settings=parts.blamed_settings,
            ledger=self.ledger,
            delivery=self.delivery,
            letters=self.letters,
            reading=self.reading,
            progress=self.progress,
            joined=lambda: self.stream.joined,
            partitions=self.stream.partitions,
            total=self.stream.lag_total,
            clock=clock,
        )
        self.readiness.watch(self.health)
        if self.keeper is not None:
            self.health.watch("state", self.keeper.trouble)

    def accepted(self, owner: Chunk, places: Sequence[int]) -> None:
        """The destination has accepted these events of a chunk."""
        if self.keeper is None:
            self.finished(owner, len(places))
        else:
            self.keeper.accepted(owner, places)

    def finished(self, owner: Chunk, events: int) -> None:
        """``events`` of a chunk have reached their end."""
        self.ledger.resolve(owner, events)
        self.gate.freed()

    def rejected(self, owner: Chunk, event: int, rejected: Rejected, attempts: int) -> None:
        """The destination refuses an event for good."""
        if owner.closed:
            return
        place = owner.places[event]
        if owner.counts is not None:
            owner.counts.refuse(place, day_of(owner, place), rejected.stage)
        if self.keeper is None:
            self.letters.put(owner, *row_and_part(place), rejected, attempts)
        else:
            self.keeper.rejected(owner, event, rejected, attempts)

    def gone(self, owner: Chunk) -> bool:
        """Whether the chunk's partition belongs to another worker by now."""
        return owner.closed

    def exchange(self, transform: Transform) -> None:
        """Use another mapping from the next chunk on."""
        self.mapping.transform = transform
        self.self_report.exchanged(transform.mapping)
        if self._sketch is not None:
            self._sketch.follow(transform)

    def _open_keeper(
        self, memory: Memory | None, settings: Settings, metrics: Metrics, surroundings: Surroundings
    ) -> StateKeeper | None:
        if memory is None:
            return None
        return StateKeeper(
            memory,
            surroundings.state_log(settings.kafka, metrics.route, self.publisher, same_partitions=memory.joins),
            self.ledger,
            self.letters,
            metrics,
            finished=self.finished,
            is_ours=self.stream.is_ours,
            on_failure=self.end.broke,
            random=surroundings.random(),
            clock=asyncio.get_running_loop().time,
        )
