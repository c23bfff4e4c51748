"""What AEP, IMS and the way to them can do."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, Any

import orjson
from counting import REFUSAL, is_deliverable
from faults import fault

from bridge.testing.numbered_events import uuid_of

if TYPE_CHECKING:
    from faults import Planned
    from stage import Stage


_LARGEST_EVENT = 8_000
"""Bytes of a request with one event, at most."""
_REMEMBERED = 10.5
"""Seconds: a little more than aiohttp keeps an address."""


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
    stage.allowance.repeat(why, count * stage.scale.batch_events)
    return count


@fault("aep", 1, 8)
async def aep_outage(stage: Stage, planned: Planned) -> None:
    """Connections are cut, then refused."""
    stage.allowance.requests_are_cut("aep_outage")
    await stage.emulator.stop()
    try:
        await asyncio.sleep(planned.seconds)
    finally:
        await stage.emulator.start()


@fault("aep", 25, 35, brief=False)
async def aep_away_for_long(stage: Stage, planned: Planned) -> None:
    """As :func:`aep_outage`, for so long that an alert must say so."""
    await aep_outage(stage, planned)


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


@fault("aep", 36, 44, brief=False)
async def aep_items_postponed_for_ever(stage: Stage, planned: Planned) -> None:
    """207: one event is answered 503 each time, while all others pass; then it is taken."""
    chosen = next(number for number in range(stage.next_number() + 50, 1 << 40) if is_deliverable(number))
    failures = {"ids": [uuid_of(chosen)], "status": 503, "message": "busy"}
    await _spell(stage, planned, item_failures=failures)


@fault("aep", 70, 80, brief=False)
async def aep_throttled_for_long(stage: Stage, planned: Planned) -> None:
    """429 to everything for longer than a minute, as a quota of the hour makes it."""
    await _spell(stage, planned, fail={"status": 429, "retry_after": planned.rng.choice((None, 5.0))})


@fault("aep", 1, 2)
async def aep_400_for_the_whole(stage: Stage, planned: Planned) -> None:
    """Some requests are refused as a whole, without naming the event."""
    body = orjson.dumps({"status": 400, "title": REFUSAL, "detail": REFUSAL, "message": REFUSAL}).decode()
    await _spell(stage, planned, fail={"status": 400, "count": planned.rng.randint(1, 3), "body": body})


@fault("aep", 2, 5)
async def aep_413(stage: Stage, planned: Planned) -> None:
    """What lies before AEP takes smaller requests than AEP does: 413 until they are small; any single event fits."""
    await _spell(stage, planned, max_bytes=planned.rng.choice((_LARGEST_EVENT, 4 * _LARGEST_EVENT, 50_000)))


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
        stage.allowance.requests_are_cut("dns_failure")
        await stage.emulator.stop()
        await stage.emulator.start()
        await asyncio.sleep(planned.seconds - _REMEMBERED)
    finally:
        stage.name.known()


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


@fault("aep", 1, 22)
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


@fault("aep", 15, 20, brief=False)
async def ims_secret_wrong_for_long(stage: Stage, planned: Planned) -> None:
    """As :func:`ims_secret_rotated`, with a file that follows so late that an alert must say so."""
    await ims_secret_rotated(stage, planned)
