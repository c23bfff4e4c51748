"""The story of the way back: bursts from Adobe faster than the budget, MoEngage away for a while, and every customer right in the end."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from bridge.demo.activation import Activation
from bridge.demo.telling import Look, tell_story
from bridge.model.errors import BridgeError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from bridge.demo.return_stage import Caller, ReturnStage

_AT_ONCE = 8
_SETTLE_SECONDS = 120.0
_PAUSES = (0.5, 1.0, 2.0, 4.0, None)


class ReturnPhase(StrEnum):
    """Where in the story we are, in words for the screen."""

    BURST = "Adobe activates an audience: a burst, faster than MoEngage's budget"
    AWAY = "MoEngage answers 503: profiles wait in Kafka, lag rises"
    BACK = "MoEngage is back: some customers join another audience, some leave, some messages come too late"
    SETTLED = "everything has arrived"


@dataclass(frozen=True, slots=True)
class ReturnPlan:
    """``profiles`` in the activation, MoEngage's budget of ``users_per_minute``, and for how many seconds it is away."""

    profiles: int = 20_000
    users_per_minute: int = 60_000
    away_seconds: float = 4.0


@dataclass(frozen=True, slots=True)
class ReturnSnapshot:
    """What can be seen at one moment: profiles and batches posted, records that wait, users and elements at MoEngage."""

    phase: ReturnPhase
    seconds: float
    profiles: int
    batches: int
    lag: int
    users: int
    elements: int


@dataclass(frozen=True, slots=True)
class Group:
    """Customers of one kind: how many there must be, how many MoEngage has, and of how many everything is right."""

    what: str
    told: int
    there: int
    right: int


class ReturnStory:
    """Plays the plan on a stage; ``snapshots()`` tells it, ``groups()`` accounts for every customer."""

    def __init__(self, stage: ReturnStage, plan: ReturnPlan) -> None:
        self._stage = stage
        self._plan = plan
        self.activation = Activation(plan.profiles)
        self._profiles = self._batches = 0
        self._phases = [ReturnPhase.BURST]

    def snapshots(self, every: float = 0.5) -> AsyncIterator[ReturnSnapshot]:
        """A snapshot every ``every`` seconds until everything is delivered; raises ``BridgeError`` if it never is."""
        started = time.monotonic()

        async def look() -> Look[ReturnPhase, ReturnSnapshot]:
            # Asked before the counts: what is committed later cannot make the lag of an earlier moment.
            lag, now = await self._lag(), time.monotonic()
            summary = self._stage.emulator.summary()
            snapshot = ReturnSnapshot(
                phase=self._phases[-1],
                seconds=now - started,
                profiles=self._profiles,
                batches=self._batches,
                lag=lag,
                users=summary["users"],
                elements=summary["customer"] + summary["event"],
            )
            return Look(now, lambda phase: replace(snapshot, phase=phase), lag == 0)

        return tell_story(
            self._play,
            look,
            self._phases,
            last=ReturnPhase.SETTLED,
            every=every,
            settle_seconds=_SETTLE_SECONDS,
            rest=2 * every,
        )

    def groups(self) -> list[Group]:
        """Every customer compared with what was told: attributes, audiences, and purchases."""
        users = self._stage.emulator.workspace.users
        found: dict[str, list[tuple[bool, bool]]] = {}
        for customer, attributes in self.activation.wanted().items():
            user = users.get(customer)
            right = user is not None and user.attributes == attributes and self._has_bought(customer, user.events)
            found.setdefault(_kind_of(attributes), []).append((user is not None, right))
        return [
            Group(what, len(each), sum(there for there, _ in each), sum(right for _, right in each))
            for what, each in sorted(found.items())
        ]

    def figures(self) -> dict[str, Any]:
        """What the emulator has counted: requests and how full they were, refusals for the rate, and the busiest minute's users."""
        summary = self._stage.emulator.summary()
        updates = self.activation.messages() + self.activation.batches
        return {
            "profiles_posted": self._profiles,
            "batches_posted": self._batches,
            "updates_of_users": updates,
            "user_elements": summary["customer"],
            "events": summary["actions"],
            "requests": summary["requests"].get("200", 0),
            "elements_per_request": summary["elements_per_request"],
            "refused_for_the_rate": summary["requests"].get("429", 0),
            "most_users_a_minute": max((window.get("users", 0) for window in summary["windows"]), default=0),
        }

    def _has_bought(self, customer: str, events: Any) -> bool:
        if not customer.startswith("M-"):
            return True
        return {event["attributes"]["TransactionId"] for event in events} == self.activation.purchases(customer)

    async def _lag(self) -> int:
        found = await asyncio.to_thread(self._stage.worker.metrics)
        lags = [value for name, value in found.items() if name.startswith("bridge_kafka_lag{")]
        # Without an answer nothing is known of the lag, least of all that there is none.
        return int(sum(lags)) if lags else -1

    async def _play(self) -> None:
        plan, activation = self._plan, self.activation
        beside = asyncio.create_task(self._send_batches())
        try:
            calls = activation.first_burst()
            while self._profiles < plan.profiles // 2 and await self._send(calls, 100):
                pass
            self._phases.append(ReturnPhase.AWAY)
            self._stage.emulator.control(fail={"status": 503, "seconds": plan.away_seconds})
            until = time.monotonic() + plan.away_seconds
            while await self._send(calls, 100):
                pass
            await asyncio.sleep(max(0.0, until - time.monotonic()))
            self._phases.append(ReturnPhase.BACK)
            calls = activation.later_bursts()
            while await self._send(calls, 100):
                pass
            await beside
        finally:
            beside.cancel()
            await asyncio.gather(beside, return_exceptions=True)

    async def _send(self, calls: Iterator[bytes], count: int) -> bool:
        """Make some calls side by side; False where there was none left."""
        left = count

        async def some() -> int:
            nonlocal left
            made = 0
            while left > 0 and (call := next(calls, None)) is not None:
                left -= 1
                made += 1
                stored = await _post(self._stage.adobe, call)
                self._profiles += stored
            return made

        return sum(await asyncio.gather(*(some() for _ in range(_AT_ONCE)))) > 0

    async def _send_batches(self) -> None:
        for call in self.activation.mparticle():
            stored = await _post(self._stage.mparticle, call)
            # A batch is an update of its user, and an event.
            self._batches += stored // 2


async def _post(sender: Caller, body: bytes) -> int:
    """Send until it is answered 200, some times at most; the number of events that were stored."""
    for pause in _PAUSES:
        async with sender.session.post(sender.url, data=body) as answer:
            if answer.ok:
                return int((await answer.json())["events"])
        if pause is not None:
            await asyncio.sleep(pause)
    raise BridgeError(f"the receiver answered {answer.status} to the same body {len(_PAUSES)} times")


def _kind_of(attributes: dict[str, Any]) -> str:
    names = attributes.get("AEPSegments")
    if names is None:
        return "mParticle: attribute and purchases"
    return "Adobe: " + (" and ".join(names) if names else "left every audience")
