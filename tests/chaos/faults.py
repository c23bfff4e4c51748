"""Every fault: what it is called, which lane it runs in, how long it lasts, what it does and how it is healed.

Three lanes run side by side, so that faults of AEP, of processes and of brokers overlap at random; within a lane one fault
follows the other. The schedule is a pure function of the seed.
"""

from __future__ import annotations

import asyncio
import random
import resource
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
from counting import REFUSAL
from stage import BATCH_EVENTS, SESSION_SECONDS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kafka_broker import Broker
    from stage import Stage


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault; ``seconds`` are the bounds of its length."""

    name: str
    lane: str
    seconds: tuple[float, float]
    inject: Callable[[Stage, Planned], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Planned:
    """One fault of a schedule: ``at`` and ``seconds`` from the beginning; ``dice`` decides what is left to chance."""

    at: float
    kind: str
    lane: str
    seconds: float
    dice: int

    @property
    def rng(self) -> random.Random:
        """Its own chances, the same in every run of the seed."""
        return random.Random(self.dice)


KINDS: dict[str, Kind] = {}
_REMEMBERED = 10.5
"""Seconds: a little more than aiohttp keeps an address."""
LANES = ("aep", "process", "broker")


def fault(lane: str, shortest: float, longest: float) -> Callable[[Any], Any]:
    """Register a fault under its function's name."""

    def register(inject: Any) -> Any:
        KINDS[inject.__name__] = Kind(inject.__name__, lane, (shortest, longest), inject)
        return inject

    return register


def schedule(seed: int, seconds: float | None, *, gaps: tuple[float, float], pace: float = 1.0) -> list[Planned]:
    """What happens when: each lane deals its kinds like a deck of cards, shuffled anew when all were dealt.

    Without ``seconds`` every kind has one turn. ``pace`` draws lengths nearer to (below 1) their shortest.
    """
    rng = random.Random(seed)
    planned: list[Planned] = []
    for lane in LANES:
        deck = sorted(name for name, kind in KINDS.items() if kind.lane == lane)
        at, hand = rng.uniform(*gaps), rng.sample(deck, len(deck))
        while hand:
            name = hand.pop()
            shortest, longest = KINDS[name].seconds
            lasts = rng.uniform(shortest, shortest + (longest - shortest) * pace)
            if seconds is not None and at + lasts > seconds:
                break
            planned.append(Planned(round(at, 2), name, lane, round(lasts, 2), rng.randrange(2**32)))
            at += lasts + rng.uniform(*gaps)
            if not hand and seconds is not None:
                hand = rng.sample(deck, len(deck))
    return sorted(planned, key=lambda each: each.at)


# AEP.


async def _spell(stage: Stage, planned: Planned, **control: Any) -> None:
    """Tell the emulator to misbehave for a while, and to stop."""
    stage.emulator.control(**control)
    try:
        await asyncio.sleep(planned.seconds)
    finally:
        stage.emulator.control(**dict.fromkeys(control))


def _lost(stage: Stage, planned: Planned, why: str) -> int:
    """So many answers to requests that AEP has processed get lost: their events come again."""
    count = planned.rng.randint(2, 6)
    stage.repeat(why, count * BATCH_EVENTS)
    return count


@fault("aep", 1, 8)
async def aep_outage(stage: Stage, planned: Planned) -> None:
    """Connections are cut, then refused."""
    stage.requests_are_cut("aep_outage")
    await stage.emulator.stop()
    try:
        await asyncio.sleep(planned.seconds)
    finally:
        await stage.emulator.start()


@fault("aep", 2, 5)
async def aep_429_seconds(stage: Stage, planned: Planned) -> None:
    """429, Retry-After in seconds."""
    await _spell(stage, planned, fail={"status": 429, "retry_after": planned.rng.randint(1, 3)})


@fault("aep", 2, 5)
async def aep_429_date(stage: Stage, planned: Planned) -> None:
    """429, Retry-After as a date."""
    after = planned.rng.randint(1, 3)
    await _spell(stage, planned, fail={"status": 429, "retry_after": after, "retry_after_date": True})


@fault("aep", 2, 6)
async def aep_503(stage: Stage, planned: Planned) -> None:
    """503 to everything."""
    await _spell(stage, planned, fail={"status": 503})


@fault("aep", 2, 5)
async def aep_503_half(stage: Stage, planned: Planned) -> None:
    """503 to every second request, some with Retry-After."""
    after = planned.rng.choice((None, 1.0))
    await _spell(stage, planned, fail={"status": 503, "probability": 0.5, "retry_after": after})


@fault("aep", 2, 5)
async def aep_500(stage: Stage, planned: Planned) -> None:
    """500 to everything, which might also be the data's fault."""
    await _spell(stage, planned, fail={"status": 500})


@fault("aep", 2, 5)
async def aep_hang_before(stage: Stage, planned: Planned) -> None:
    """No answer, nothing processed."""
    await _spell(stage, planned, hang={"for_seconds": 60, "when": "before", "count": planned.rng.randint(2, 6)})


@fault("aep", 2, 5)
async def aep_hang_after(stage: Stage, planned: Planned) -> None:
    """Processed, but no answer."""
    count = _lost(stage, planned, "aep_hang_after")
    await _spell(stage, planned, hang={"for_seconds": 60, "when": "after", "count": count})


@fault("aep", 1, 4)
async def aep_reset_before(stage: Stage, planned: Planned) -> None:
    """The connection is reset, nothing processed."""
    await _spell(stage, planned, reset={"when": "before", "probability": 0.7})


@fault("aep", 1, 4)
async def aep_reset_after(stage: Stage, planned: Planned) -> None:
    """Processed, then the connection is reset."""
    await _spell(stage, planned, reset={"when": "after", "count": _lost(stage, planned, "aep_reset_after")})


@fault("aep", 1, 4)
async def aep_answers_short(stage: Stage, planned: Planned) -> None:
    """A 207 with fewer responses than events."""
    count = _lost(stage, planned, "aep_answers_short")
    await _spell(stage, planned, drop_responses={"by": planned.rng.randint(1, 3), "count": count})


@fault("aep", 2, 5)
async def aep_items_transient_documented(stage: Stage, planned: Planned) -> None:
    """207: every third event 503, in the documents' shape."""
    await _spell(stage, planned, item_failures={"every": 3, "status": 503, "shape": "documented", "message": "busy"})


@fault("aep", 2, 5)
async def aep_items_transient_current(stage: Stage, planned: Planned) -> None:
    """207: every second event 429, in today's shape."""
    await _spell(stage, planned, item_failures={"every": 2, "status": 429, "shape": "current", "message": "busy"})


@fault("aep", 2, 4)
async def aep_items_rejected_documented(stage: Stage, planned: Planned) -> None:
    """207: every tenth event refused for good, in the documents' shape."""
    await _spell(stage, planned, item_failures={"every": 10, "status": 400, "shape": "documented", "message": REFUSAL})


@fault("aep", 2, 4)
async def aep_items_rejected_current(stage: Stage, planned: Planned) -> None:
    """207: every seventh event refused for good, in today's shape."""
    await _spell(stage, planned, item_failures={"every": 7, "status": 422, "shape": "current", "message": REFUSAL})


@fault("aep", 1, 2)
async def aep_400_for_the_whole(stage: Stage, planned: Planned) -> None:
    """Some requests are refused as a whole, without naming the event."""
    body = orjson.dumps({"status": 400, "title": REFUSAL, "detail": REFUSAL, "message": REFUSAL}).decode()
    await _spell(stage, planned, fail={"status": 400, "count": planned.rng.randint(1, 3), "body": body})


@fault("aep", 3, 6)
async def aep_slow(stage: Stage, planned: Planned) -> None:
    """Every answer takes its time."""
    stage.emulator.control(latency_seconds=planned.rng.uniform(0.3, 1.5))
    try:
        await asyncio.sleep(planned.seconds)
    finally:
        stage.emulator.control(latency_seconds=0.0)


@fault("aep", 12, 16)
async def dns_failure(stage: Stage, planned: Planned) -> None:
    """AEP's name is unknown; once no client can remember its address (10 s), the connections there are are cut."""
    stage.name.unknown()
    try:
        await asyncio.sleep(_REMEMBERED)
        stage.requests_are_cut("dns_failure")
        await stage.emulator.stop()
        await stage.emulator.start()
        await asyncio.sleep(planned.seconds - _REMEMBERED)
    finally:
        stage.name.known()


# IMS.


@fault("aep", 0.5, 2)
async def ims_token_revoked(stage: Stage, planned: Planned) -> None:
    """Every token is worthless from now on; 401 or 403 says so."""
    stage.emulator.control(revoke_tokens=True, unauthorized_status=planned.rng.choice((401, 403)))
    await asyncio.sleep(planned.seconds)


@fault("aep", 2, 5)
async def ims_tokens_short_lived(stage: Stage, planned: Planned) -> None:
    """Tokens live for two seconds."""
    stage.emulator.control(token_ttl=2, revoke_tokens=True)
    try:
        await asyncio.sleep(planned.seconds)
    finally:
        stage.emulator.control(token_ttl=86_399)


@fault("aep", 1, 6)
async def ims_down(stage: Stage, planned: Planned) -> None:
    """IMS fails just when new tokens are needed."""
    stage.emulator.control(revoke_tokens=True)
    await _spell(stage, planned, ims={"status": planned.rng.choice((500, 503))})


@fault("aep", 0.5, 4)
async def ims_secret_rotated(stage: Stage, planned: Planned) -> None:
    """The secret changes at IMS; the mounted file follows later."""
    fresh = "rotated-" + secrets.token_hex(8)
    stage.emulator.control(secrets=[fresh], revoke_tokens=True)
    await asyncio.sleep(planned.seconds)
    stage.secret_file.write_text(fresh, encoding="utf-8")


# Processes.


@fault("process", 0.5, 2)
async def worker_kill9(stage: Stage, planned: Planned) -> None:
    """SIGKILL; the supervisor starts it again."""
    await stage.kill9(planned.rng.choice(stage.workers))
    await asyncio.sleep(planned.seconds)


@fault("process", 0.5, 2)
async def worker_sigterm(stage: Stage, planned: Planned) -> None:
    """SIGTERM: it drains; the supervisor starts it again."""
    await stage.terminate(planned.rng.choice(stage.workers))
    await asyncio.sleep(planned.seconds)


@fault("process", 3, 6)
async def worker_storm(stage: Stage, planned: Planned) -> None:
    """Any worker, every 0.1 to 1 s: killed, or told to stop and killed while it drains."""
    rng, loop = planned.rng, asyncio.get_running_loop()
    end = loop.time() + planned.seconds
    while loop.time() < end:
        name = rng.choice(stage.workers)
        if rng.random() < 0.3 and stage.roles[name].process.alive:
            stage.roles[name].doomed = True
            stage.roles[name].process.terminate()
            await asyncio.sleep(rng.uniform(0.1, 0.5))
        await stage.kill9(name)
        await asyncio.sleep(rng.uniform(0.1, 1.0))


@fault("process", 4, 8)
async def worker_joins_and_leaves(stage: Stage, planned: Planned) -> None:
    """One more worker for a while: two rebalances."""
    stage.add("worker-extra", "worker")
    await asyncio.sleep(planned.seconds)
    stage.roles["worker-extra"].wanted = False
    await stage.terminate("worker-extra")


@fault("process", 1, 3)
async def worker_paused(stage: Stage, planned: Planned) -> None:
    """SIGSTOP, SIGCONT within the session."""
    await _paused(stage, planned.rng.choice(stage.workers), planned.seconds)


@fault("process", SESSION_SECONDS + 1, SESSION_SECONDS + 4)
async def worker_paused_beyond_its_session(stage: Stage, planned: Planned) -> None:
    """SIGSTOP until the group has given its partitions away; then it wakes with work in its hands."""
    await _paused(stage, planned.rng.choice(stage.workers), planned.seconds)


@fault("process", 0.5, 2)
async def receiver_kill9(stage: Stage, planned: Planned) -> None:
    """SIGKILL in the middle of requests."""
    await stage.kill9("receiver")
    await asyncio.sleep(planned.seconds)


@fault("process", 0.5, 2)
async def receiver_sigterm(stage: Stage, planned: Planned) -> None:
    """SIGTERM: it finishes its requests."""
    await stage.terminate("receiver", within=40)
    await asyncio.sleep(planned.seconds)


@fault("process", 2, 4)
async def receiver_storm(stage: Stage, planned: Planned) -> None:
    """Killed every 0.1 to 1 s."""
    loop = asyncio.get_running_loop()
    rng, end = planned.rng, loop.time() + planned.seconds
    while loop.time() < end:
        await stage.kill9("receiver")
        await asyncio.sleep(rng.uniform(0.1, 1.0))


@fault("process", 1, 4)
async def receiver_paused(stage: Stage, planned: Planned) -> None:
    """SIGSTOP, SIGCONT."""
    await _paused(stage, "receiver", planned.seconds)


async def _paused(stage: Stage, name: str, seconds: float) -> None:
    process = stage.roles[name].process
    if not process.alive:
        return
    process.pause()
    try:
        await asyncio.sleep(seconds)
    finally:
        process.resume()


# Brokers.


@fault("broker", 1, 4)
async def broker_restarted(stage: Stage, planned: Planned) -> None:
    """SIGTERM: a controlled shutdown of one of three."""
    broker = planned.rng.choice(stage.cluster.brokers)
    await _broken(stage, planned, broker, lambda: asyncio.to_thread(broker.stop))


@fault("broker", 1, 4)
async def broker_kill9(stage: Stage, planned: Planned) -> None:
    """SIGKILL of one of three."""
    broker = planned.rng.choice(stage.cluster.brokers)
    await _broken(stage, planned, broker, lambda: asyncio.to_thread(broker.kill9))


@fault("broker", 4, 8)
async def broker_disk_full(stage: Stage, planned: Planned) -> None:
    """No file of one broker may grow: its writes fail as on a full disk, and it shuts down; then it is started again."""
    broker = planned.rng.choice(stage.cluster.brokers)

    async def fill() -> None:
        resource.prlimit(broker.pid, resource.RLIMIT_FSIZE, (0, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))

    await _broken(stage, planned, broker, fill)


@fault("broker", 1, 6)
async def broker_paused(stage: Stage, planned: Planned) -> None:
    """SIGSTOP: connections stay open and nothing is answered."""
    broker = planned.rng.choice(stage.cluster.brokers)
    stage.confirmations_are_cut("broker_paused")
    broker.pause()
    try:
        await asyncio.sleep(planned.seconds)
    finally:
        broker.resume()
        await stage.brokers_recovered("broker_paused")


async def _broken(stage: Stage, planned: Planned, broker: Broker, break_it: Callable[[], Awaitable[None]]) -> None:
    stage.confirmations_are_cut(planned.kind)
    try:
        await break_it()
        await asyncio.sleep(planned.seconds)
    finally:
        await asyncio.to_thread(broker.kill9)
        await asyncio.to_thread(broker.start)
        await stage.brokers_recovered(planned.kind)
