"""Sends batches to the destination and sees each event through to a verdict.

One dispatcher starts a request when the adaptive limit, the circuit, the credentials, the shared pause and the rate limits
(:mod:`bridge.delivery.flow_control`) all allow one; each request is one task. What becomes of its answer is decided by the
outcome's type and nothing else (:mod:`bridge.delivery.settlement`).
"""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING, Generic, TypeVar

from bridge.delivery import blame
from bridge.delivery.answers import outcome_of
from bridge.delivery.batching import Batcher, RequestLimits, cut, without
from bridge.delivery.evidence import Search
from bridge.delivery.flow_control import FlowControl
from bridge.delivery.ordering import KeyedBatcher
from bridge.delivery.pace import Pace, windows
from bridge.delivery.pace_board import OwnAccount
from bridge.delivery.probes import Probes
from bridge.delivery.settlement import Settlement
from bridge.delivery.waiting import ByLane, Shipment, Unordered, Waiting
from bridge.model.backoff import Backoff
from bridge.model.verdicts import Misconfigured, Outcome, Transient, Unauthorized

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bridge.delivery.pace_board import Account
    from bridge.delivery.settlement import Resolutions
    from bridge.model.delivery_policy import DeliveryPolicy
    from bridge.model.ports import Destination
    from bridge.telemetry.metrics import Metrics

Owner = TypeVar("Owner")
_MOST_HELD = 8
"""Most requests that wait for a budget and are passed by, in the hope that another counts for one that is not used up."""
_RETRY_SECONDS = 4.0
"""Most seconds, before jitter, between two sendings of what fails while others pass: it is rare, and its partition waits."""


class Delivery(Generic[Owner]):
    """Events in, verdicts out. Retries without an end: what cannot be delivered now waits, and its owner with it."""

    def __init__(
        self,
        destination: Destination,
        resolutions: Resolutions[Owner],
        policy: DeliveryPolicy,
        metrics: Metrics,
        *,
        clock: Callable[[], float],
        account: Account | None = None,
        random: Random | None = None,
        on_failure: Callable[[BaseException], None] | None = None,
    ) -> None:
        random = random or Random()  # nosec B311 # noqa: S311 - jitter
        self._destination = destination
        self._resolutions = resolutions
        self._metrics = metrics
        self._clock = clock
        self._on_failure = on_failure
        self._limits = RequestLimits.of(policy, destination)
        self.by_key = policy.by_key
        # Twice as many lanes as requests: a lane that waits out a back-off leaves work for the others.
        self._waiting: Waiting[Owner] = (
            ByLane(KeyedBatcher(self._limits, policy.ceiling * 2, fold=policy.fold))
            if policy.by_key
            else Unordered(Batcher(self._limits))
        )
        pace = None
        if policy.budgets or account is not None:
            pace = Pace(windows(policy, self._limits.max_events), account or OwnAccount(), policy.share)
        self.flow_control = FlowControl(
            ceiling=policy.ceiling,
            requests_per_second=policy.requests_per_second,
            events_per_second=policy.events_per_second,
            budgets=policy.budgets,
            pace=pace,
            account=account,
            share=policy.share if account is None or pace is None else lambda: pace.together(clock()),
            circuit_threshold=policy.circuit_threshold,
            random=random,
            metrics=metrics,
        )
        self._settlement = Settlement(
            resolutions,
            self._limits,
            self.flow_control,
            Backoff(random, cap=_RETRY_SECONDS),
            metrics,
            postponed_tries=policy.postponed_tries,
        )
        self._postponed_tries = policy.postponed_tries
        self._probes = Probes()
        self._search = Search()
        self.held = 0
        self._under_way: dict[asyncio.Task[Outcome], tuple[Shipment[Owner], float]] = {}
        self._carried = 0
        self._stopping = False
        self.answers = 0
        self._wake = asyncio.Event()
        self._draining = False
        self._dispatcher: asyncio.Task[None] | None = None

    @property
    def blocked(self) -> bool:
        """Whether the destination is away or refuses our credentials."""
        return self.flow_control.blocked

    @property
    def paused(self) -> bool:
        """Whether requests wait for a pause that the destination asked for, or for a rate limit."""
        return self.flow_control.paused(self._clock())

    @property
    def events(self) -> int:
        """Events that wait or are under way."""
        return len(self._waiting) + self._carried

    def held_up(self) -> list[Shipment[Owner]]:
        """What the destination keeps postponing while it accepts others, the longest first."""
        now = self._clock()
        found = [shipment for shipment in self._again() if blame.is_held_up(shipment, now) and not self._gone(shipment)]
        return sorted(found, key=lambda shipment: shipment.since)

    @property
    def only_postponed(self) -> bool:
        """Whether nothing is left but what the destination keeps postponing: waiting for it is of no use."""
        held_up = sum(shipment.batch.events for shipment in self.held_up())
        return 0 < self.events <= held_up

    def evidence(self, *, ahead: bool) -> int:
        """How many events more are wanted, since something fails and only what is not here yet can show whose fault it is; 0: none.

        ``ahead``: they would come of a partition that is far ahead of its oldest event already.
        Events that are named as postponed need no more of it, unless they are given up after some tries. What has been asked for
        in vain is asked for again after ever longer times.
        """
        now, record = self._clock(), self.flow_control.record
        if (
            not self._search.is_time(now)
            or any(not shipment.tries for shipment, _ in self._under_way.values())
            or self._waiting.has_free
        ):
            return 0
        wanted = any(
            blame.wants_evidence(shipment, record)
            and (self._postponed_tries > 0 or not blame.is_held_up(shipment, now))
            for shipment in self._waiting.again()
        )
        return self._search.ask(now, ahead=ahead) if wanted else 0

    def owners(self) -> set[Owner]:
        """Whose events wait or are under way."""
        batches = [*(shipment.batch for shipment in self._again()), *self._waiting.fresh()]
        return {owner for batch in batches for owner in batch.every_owner()}

    def tick(self) -> None:
        """Tell what has begun without an event, and count what is ``held``, postponed for ever: call it every second or so."""
        self.flow_control.tick(self._clock())
        self._count_held()

    def _count_held(self) -> None:
        self.held = sum(shipment.batch.events for shipment in self.held_up())

    def _again(self) -> list[Shipment[Owner]]:
        return [*self._waiting.again(), *(shipment for shipment, _ in self._under_way.values())]

    def _gone(self, shipment: Shipment[Owner]) -> bool:
        return all(map(self._resolutions.gone, shipment.batch.every_owner()))

    def offer(self, owner: Owner, items: Sequence[bytes], tags: Sequence[int] = ()) -> None:
        """Take an owner's encoded events; with ``by_key`` a tag for each (:mod:`bridge.delivery.ordering`)."""
        now = self._clock()
        self._search.found(now)
        self._waiting.add(owner, items, tags, now)
        self._wake.set()

    def forget_gone(self) -> None:
        """Drop what waits of owners that are gone: it would fill the memory, and requests, for as long as the destination is away."""
        self._waiting.forget(self._resolutions.gone)
        # Else the next assignment would be read that much beyond its bound, until the next tick.
        self._count_held()
        self._wake.set()

    def start(self) -> None:
        """Begin to deliver."""
        self._dispatcher = asyncio.create_task(self._dispatch(), name="delivery")
        self._dispatcher.add_done_callback(self._ended)

    def flush(self) -> None:
        """Send what waits without lingering, until :meth:`linger`."""
        self._draining = True
        self._wake.set()

    def linger(self) -> None:
        """Let requests fill again."""
        self._draining = False

    async def stop(self) -> None:
        """Stop at once; what is under way is abandoned, unacknowledged."""
        self._stopping = True
        tasks = [*self._under_way, *([self._dispatcher] if self._dispatcher else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _dispatch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            wait = self._launch()
            timer = None if wait is None else loop.call_later(max(wait, 0.001), self._wake.set)
            await self._wake.wait()
            if timer is not None:
                timer.cancel()

    def _launch(self) -> float | None:
        """Start every request that may start now; seconds until the next may, None when an event will tell."""
        held: list[Shipment[Owner]] = []
        try:
            wait = self._launch_what_may(held)
        finally:
            for shipment in held:
                self._waiting.landed(shipment)
                self._waiting.put_back([shipment])
        dues = [max(0.0, shipment.due - self._clock()) for shipment in held] + ([] if wait is None else [wait])
        return min(dues, default=None)

    def _launch_what_may(self, held: list[Shipment[Owner]]) -> float | None:
        """As :meth:`_launch`; what has to wait for a budget goes to ``held``, and what counts for another one passes it."""
        while len(self._under_way) < self.flow_control.most and len(held) < _MOST_HELD:
            now = self._clock()
            wait = self.flow_control.wait(now, waiting=bool(len(self._waiting)))
            if wait is None or wait > 0:
                return wait
            fresh, small = self._probes.next() if self.blocked else (None, False)
            shipment = self._waiting.next(now, force=self._draining, fresh=fresh)
            if shipment is None:
                return self._waiting.due(now)
            if small and not shipment.tries and len(shipment.batch.items) > 1:
                shipment, rest = (Shipment(part) for part in cut(shipment.batch, 1, self._limits))
                self._waiting.put_back([rest])
            alive = without(shipment.batch, self._resolutions.gone, self._limits)
            if alive is None:
                self._waiting.landed(shipment)
                continue
            shipment.batch = alive
            if (hold := self.flow_control.enter(alive.items, now)) > 0:
                shipment.due = now + hold
                held.append(shipment)
                continue
            self._send(shipment, now)
        return None

    def _send(self, shipment: Shipment[Owner], now: float) -> None:
        items = len(shipment.batch.items)
        self.flow_control.request_sent(items, now)
        self._carried += shipment.batch.events
        if shipment.batch.folded and not shipment.tries:
            self._metrics.coalesced_events.inc(shipment.batch.events - items)
        self._metrics.delivery_in_flight.inc()
        task = asyncio.create_task(self._carry(shipment))
        self._under_way[task] = shipment, now
        task.add_done_callback(self._landed)

    def _ended(self, dispatcher: asyncio.Task[None]) -> None:
        if not self._stopping and self._on_failure is not None:
            cancelled = dispatcher.cancelled()
            error = None if cancelled else dispatcher.exception()
            self._on_failure(error or RuntimeError("delivery was cancelled from outside"))

    async def _carry(self, shipment: Shipment[Owner]) -> Outcome:
        return await self._destination.send(shipment.batch.items)

    def _landed(self, task: asyncio.Task[Outcome]) -> None:
        shipment, began = self._under_way.pop(task)
        under_way = len(self._under_way) + 1
        self._carried -= shipment.batch.events
        self._metrics.delivery_in_flight.dec()
        self._wake.set()
        if self._stopping:
            return
        try:
            self._settle(shipment, outcome_of(task, len(shipment.batch.items)), began, under_way)
        except Exception as error:  # noqa: BLE001 - in a callback nobody would hear of it
            if self._on_failure is not None:
                self._on_failure(error)

    def _settle(self, shipment: Shipment[Owner], outcome: Outcome, began: float, under_way: int) -> None:
        now = self._clock()
        self.answers += 1
        match outcome:
            case Unauthorized(reason, sent=True) | Misconfigured(reason) if blame.is_about_its_events(
                shipment, self.flow_control.record
            ):
                outcome = Transient(reason)
        known = blame.is_known(shipment, self.flow_control.record)
        before = self.flow_control.record.successes
        self.flow_control.note(outcome, now, seconds=now - began, under_way=under_way, known=known)
        if not shipment.tries and self.flow_control.record.successes > before:
            self._search.accepted(now)
        again = self._settlement.settle(shipment, outcome, now)
        self._waiting.landed(shipment)
        self._waiting.put_back(again)
        self.flow_control.show()
