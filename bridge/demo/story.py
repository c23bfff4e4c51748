"""The demo's story: start the parts, stream, take AEP away and bring it back, slip in poison, and count what became of it all."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from bridge.demo.telling import Look, tell_story
from bridge.demo.traffic import BATCH_EVENTS, Poison, batches, poison, refused_later
from bridge.model.errors import BridgeError
from bridge.model.verdicts import Stage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

_SETTLE_SECONDS = 90.0
_RATE_SECONDS = 3.0
_ANSWERED = ("bridge_received_events_total", "bridge_dead_letters_total")


class Phase(StrEnum):
    """Where in the story we are, in words for the screen."""

    STREAMING = "MoEngage streams, AEP accepts"
    AWAY = "AEP answers 503: events wait in Kafka, lag rises"
    BACK = "AEP is back: the lag drains"
    POISON = "poison arrives"
    SETTLED = "everything has arrived somewhere"


@dataclass(frozen=True, slots=True)
class DemoPlan:
    """How much and how fast: ``events`` in all, ``rate`` events/s, and for how many seconds AEP is away.

    ``refused_later``: AEP also takes an event that it refuses afterwards.
    """

    events: int = 4_000
    rate: float = 400.0
    away_seconds: float = 5.0
    refused_later: bool = True


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What can be seen at one moment; counts are events, ``rate`` is deliveries/s.

    ``delivered``: accepted by AEP, and not refused afterwards as far as is known by now.
    """

    phase: Phase
    seconds: float
    posted: int
    received: int
    lag: int
    delivered: int
    dead_lettered: int
    rate: float = 0.0

    @property
    def settled(self) -> bool:
        """Every event that was received is delivered or a dead letter, some perhaps twice, and Kafka holds nothing that is unfinished."""
        return self.received <= self.delivered + self.dead_lettered and self.lag == 0


class Scene:
    """The three endpoints that the story looks at and acts on; of several routes those of ``route``."""

    def __init__(
        self,
        *,
        receiver: str,
        credentials: tuple[str, str],
        telemetry: Mapping[str, str],
        emulator: str,
        route: str | None = None,
    ) -> None:
        self.streams = f"{receiver}/moengage/streams" + (f"/{route}" if route else "")
        self._route = route
        self._credentials = httpx.BasicAuth(*credentials)
        self._telemetry = telemetry
        self._emulator = emulator
        self._http = httpx.AsyncClient(timeout=30)

    async def aclose(self) -> None:
        """Close connections."""
        await self._http.aclose()

    async def post(self, body: bytes) -> None:
        """Send a body as MoEngage does: again after a pause when the answer is not 2xx, three times at most."""
        for pause in (0.5, 1.0, 2.0, None):
            answer = await self._http.post(
                self.streams, content=body, auth=self._credentials, headers={"Content-Type": "application/json"}
            )
            if answer.is_success:
                return
            if pause is not None:
                await asyncio.sleep(pause)
        raise BridgeError(f"the receiver answered {answer.status_code} four times")

    async def control(self, orders: Mapping[str, Any]) -> None:
        """Tell the emulator how to behave."""
        (await self._http.post(f"{self._emulator}/control", json=orders)).raise_for_status()

    async def received_by_aep(self) -> dict[str, Any]:
        """The emulator's own account of what it accepted, and how many events its dataset has for good (``in_dataset``)."""
        await self.control({"platform": {"settle": True}})
        answer: dict[str, Any] = (await self._http.get(f"{self._emulator}/received")).raise_for_status().json()
        dataset = (await self._http.get(f"{self._emulator}/dataset")).raise_for_status().json()
        return answer | {"in_dataset": dataset["ingested_ids"]}

    async def totals(self) -> dict[str, float]:
        """Each metric of receiver and worker, added up over its labels.

        ``received`` is all that was answered 200, ``refused_later`` what AEP refused after its own.

        A body that the receiver cannot read never becomes an event of the topic: it is answered and goes to the dead letters.
        """
        sums: dict[str, float] = {}
        for name, base in self._telemetry.items():
            for family in text_string_to_metric_families((await self._http.get(f"{base}/metrics")).text):
                for sample in family.samples:
                    if self._route not in (None, sample.labels.get("route")):
                        continue
                    sums[sample.name] = sums.get(sample.name, 0.0) + sample.value
                    if sample.name == "bridge_dead_letters_total" and sample.labels.get("stage") == Stage.INGEST:
                        sums["refused_later"] = sums.get("refused_later", 0.0) + sample.value
                    if name == "receiver" and sample.name in _ANSWERED:
                        sums["received"] = sums.get("received", 0.0) + sample.value
        return sums

    async def labelled(self, part: str, metric: str, label: str) -> dict[str, float]:
        """The values of one metric of one part, by a label."""
        text = (await self._http.get(f"{self._telemetry[part]}/metrics")).text
        return {
            sample.labels[label]: sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == metric and label in sample.labels
        }


class Story:
    """Plays the plan in a scene; ``snapshots()`` tells it."""

    def __init__(self, scene: Scene, plan: DemoPlan) -> None:
        self._scene = scene
        self._plan = plan
        self._posted = 0
        self._phases = [Phase.STREAMING]
        self._poison = poison()

    @property
    def poisons(self) -> list[Poison]:
        """What was slipped in between the good events."""
        return self._poison

    def snapshots(self, every: float = 0.25) -> AsyncIterator[Snapshot]:
        """A snapshot every ``every`` seconds until everything has settled; raises ``BridgeError`` if it does not."""
        started = time.monotonic()
        seen: deque[tuple[float, int]] = deque(maxlen=max(2, round(_RATE_SECONDS / every)))

        async def look() -> Look[Phase, Snapshot]:
            totals, now = await self._scene.totals(), time.monotonic()
            snapshot = Snapshot(
                phase=self._phases[-1],
                seconds=now - started,
                posted=self._posted,
                received=int(totals.get("received", 0)),
                lag=int(totals.get("bridge_kafka_lag", 0)),
                delivered=int(totals.get("bridge_delivered_events_total", 0) - totals.get("refused_later", 0)),
                dead_lettered=int(totals.get("bridge_dead_letters_total", 0)),
            )
            seen.append((now, snapshot.delivered))
            (since, before), (until, after) = seen[0], seen[-1]
            snapshot = replace(snapshot, rate=(after - before) / max(until - since, every))
            came_back = not self._plan.refused_later or bool(totals.get("refused_later"))
            return Look(now, lambda phase: replace(snapshot, phase=phase), snapshot.settled and came_back)

        return tell_story(
            self._play, look, self._phases, last=Phase.SETTLED, every=every, settle_seconds=_SETTLE_SECONDS
        )

    async def _play(self) -> None:
        thirds = self._plan.events // 3 // BATCH_EVENTS * BATCH_EVENTS
        await self._stream(0, thirds)
        if self._plan.refused_later:
            await self._scene.post(refused_later())
            self._posted += 1
        if self._plan.away_seconds:
            self._phases.append(Phase.AWAY)
        away_until = time.monotonic() + self._plan.away_seconds
        if self._plan.away_seconds:
            await self._scene.control({"fail": {"status": 503, "seconds": self._plan.away_seconds}})
        await self._stream(thirds, 2 * thirds)
        await asyncio.sleep(max(0.0, away_until - time.monotonic()))
        if self._plan.away_seconds:
            self._phases.append(Phase.BACK)
        await self._stream(2 * thirds, self._plan.events - BATCH_EVENTS)
        self._phases.append(Phase.POISON)
        for drop in self._poison:
            await self._scene.post(drop.body)
            self._posted += 1
        await self._stream(self._plan.events - BATCH_EVENTS, self._plan.events)

    async def _stream(self, first: int, last: int) -> None:
        for body in batches(last - first, start=first):
            sent_at = time.monotonic()
            await self._scene.post(body)
            self._posted += min(BATCH_EVENTS, last - first)
            await asyncio.sleep(max(0.0, BATCH_EVENTS / self._plan.rate - (time.monotonic() - sent_at)))
