"""``POST /moengage/streams``: answered 200 only when every event of the request is stored, or lies in the dead letters.

======  ====================================================================================  =========================
status  when                                                                                  what MoEngage does
======  ====================================================================================  =========================
200     every event and every dead letter is confirmed: ``{"status":"ok","events":98,…}``      goes on
401     credentials missing or wrong                                                          resends, then drops
403     the address is not among those allowed                                                resends, then drops
404     another path; counted only for a POST with the right credentials                      resends, then drops
405     another method than POST                                                              -
408     the body took longer than ``read_timeout_seconds``                                    resends
413     the body is over ``max_body_bytes``, also after decompression                         resends, then drops
429     over ``requests_per_second``; ``Retry-After``                                         resends
503     not confirmed within ``confirm_timeout_seconds``, too much in memory, or stopping;    resends after 30, 60, 120 s
        ``Retry-After``
======  ====================================================================================  =========================

Nothing is promised for an answer other than 200; what was stored before it comes twice, and AEP tells by ``_id``.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

import orjson
import structlog
from aiohttp import web

from bridge.dead_letter import Form, StoredLetters
from bridge.errors import BridgeError
from bridge.moengage.access import Admission
from bridge.moengage.auth import authenticator
from bridge.moengage.body import Budget, Lease, NoRoom, TooLarge, read_body
from bridge.moengage.intake import Intake, Limits, refused, take
from bridge.records import record_bytes
from bridge.verdicts import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bridge.dead_letter import DeadLetter
    from bridge.records import Record
    from bridge.settings import ReceiverSettings
    from bridge.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

PATH = "/moengage/streams"
RETRY_AFTER = "30"
"""Seconds; MoEngage's own first pause."""
_TROUBLE_SECONDS = 15.0


class EventStore(Protocol):
    """Where events are safe."""

    @property
    def event_limit(self) -> int:
        """The most bytes one event's record may weigh."""
        ...

    @property
    def dead_letter_limit(self) -> int:
        """The most bytes one dead letter's record may weigh."""
        ...

    async def store(self, events: Sequence[Record], dead_letters: Sequence[Record]) -> StoredLetters:
        """Return when all of them are safe, with what was changed to make them so; raise ``BridgeError`` when one is not."""
        ...


class Receiver:
    """The endpoint's logic; it knows HTTP and a store, and no Kafka."""

    def __init__(
        self,
        settings: ReceiverSettings,
        store: EventStore,
        metrics: Metrics,
        *,
        admission: Admission | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._store = store
        self._metrics = metrics
        self._admission = admission or Admission.of(settings)
        self._now = now
        self._clock = clock
        self._auth = authenticator(settings)
        self._budget = Budget(settings.max_in_flight_bytes)
        self._trouble: str | None = None
        self._trouble_at = 0.0
        self._stopping = False
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._statuses = {
            status: metrics.receiver_requests.labels(str(status))
            for status in (200, 400, 401, 403, 404, 405, 408, 413, 429, 500, 503)
        }

    def application(self) -> web.Application:
        """The aiohttp application; the listener must not decompress bodies (``auto_decompress=False``)."""
        app = web.Application()
        for path in (PATH, PATH + "/"):
            app.router.add_route("*", path, self.handle)
        app.router.add_route("*", "/{elsewhere:.*}", self.elsewhere)
        return app

    def trouble(self) -> str | None:
        """Why requests are refused just now; None when they are not: a probe for readiness.

        What no request has confirmed lately is forgotten, or a balancer that sends none would never learn of the end.
        """
        if self._stopping:
            return "stopping"
        return self._trouble if self._clock() - self._trouble_at < _TROUBLE_SECONDS else None

    async def stop(self) -> None:
        """Refuse new requests, and return when those under way are answered: within their two bounds, or never."""
        self._stopping = True
        if self._under_way:
            log.info("finishing_requests", count=self._under_way)
        bound = self._settings.read_timeout_seconds + self._settings.confirm_timeout_seconds + 1
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(bound):
                await self._idle.wait()

    async def elsewhere(self, request: web.Request) -> web.Response:
        """Answer a request to another path. Who has our credentials means us, and drops what is refused: an alert asks for the count."""
        if request.method == "POST" and self._allows(request) and self._auth.admits(request.headers):
            self._statuses[404].inc()
        return _refusal(404, f"MoEngage Streams posts events to {PATH}")

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one request."""
        self._under_way += 1
        self._idle.clear()
        try:
            response = await self._answer(request)
        except Exception:
            # aiohttp tells of it and answers 500; an alert asks for the count.
            self._statuses[500].inc()
            raise
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()
        self._statuses[response.status].inc()
        if self._stopping:
            response.force_close()
        return response

    def full(self) -> None:
        """One connection too many is turned away with 503: counted and told like any other."""
        self._busy("too many connections", "too many connections are open")
        self._statuses[503].inc()

    async def _answer(self, request: web.Request) -> web.Response:
        if request.method != "POST":
            return _refusal(405, "MoEngage Streams posts events here: use POST", {"Allow": "POST"})
        if not self._allows(request):
            return _refusal(403, "this address is not allowed to post here")
        if not self._auth.admits(request.headers):
            return _refusal(401, "credentials are missing or wrong", {"WWW-Authenticate": self._auth.challenge})
        if self._stopping:
            return self._busy("the receiver is stopping")
        if (wait := self._admission.wait_seconds()) > 0:
            return _refusal(429, "too many requests", {"Retry-After": str(math.ceil(wait))})
        if (request.content_length or 0) > self._settings.max_body_bytes:
            return self._too_large()
        with self._budget.lease() as lease:
            return await self._take(request, lease)

    def _allows(self, request: web.Request) -> bool:
        # A proxy may add a line of its own below the client's instead of lengthening that.
        return self._admission.allows(request.remote, ",".join(request.headers.getall("X-Forwarded-For", ())))

    async def _take(self, request: web.Request, lease: Lease) -> web.Response:
        settings = self._settings
        try:
            async with asyncio.timeout(settings.read_timeout_seconds):
                body, refusal = await read_body(
                    request.content.iter_any(),
                    request.headers.get("Content-Encoding", "").strip().lower(),
                    limit=settings.max_body_bytes,
                    lease=lease,
                )
        except TooLarge:
            return self._too_large()
        except NoRoom:
            return self._busy("too many bytes are under way", "memory is full of requests under way")
        except TimeoutError:
            return _refusal(408, f"the body took longer than {settings.read_timeout_seconds:g} s", close=True)
        except (web.RequestPayloadError, ConnectionError):
            return _refusal(400, "the request is damaged or broke off", close=True)
        limits = Limits(self._store.event_limit, self._store.dead_letter_limit)
        if refusal is None:
            intake = take(body, limits, self._now())
        else:
            intake = Intake((), (refused(body, refusal, limits, self._now()),))
        # From here on the records are held, not the body they came in.
        del body
        dead_letters = [letter.to_record() for letter in intake.dead_letters]
        lease.hold(sum(map(record_bytes, intake.events)) + sum(map(record_bytes, dead_letters)))
        stored = StoredLetters((), ())
        if intake.events or dead_letters:
            try:
                async with asyncio.timeout(settings.confirm_timeout_seconds):
                    stored = await self._store.store(intake.events, dead_letters)
            except TimeoutError:
                return self._busy("not confirmed in time", "Kafka does not confirm in time")
            except BridgeError as error:
                return self._busy("not confirmed", str(error))
        events, letters = len(intake.events) - len(stored.made), [*intake.dead_letters, *stored.made]
        self._stored(events, letters, cut=len(stored.cut))
        return _json(200, {"status": "ok", "events": events, "dead_letters": len(letters)})

    def _stored(self, events: int, letters: Sequence[DeadLetter], *, cut: int) -> None:
        if events:
            self._metrics.received_events.inc(events)
        for letter in letters:
            self._metrics.rejected_events.labels(letter.stage, letter.code).inc(letter.events)
            self._metrics.dead_letters.labels(letter.stage, letter.code).inc()
            cut += letter.form == Form.TRUNCATED
        if cut:
            self._metrics.truncated_dead_letters.labels(Stage.RECEIVE).inc(cut)
        if letters:
            codes = sorted({letter.code for letter in letters})
            log.warning("dead_letters_stored", stage="receive", count=len(letters), codes=codes, truncated=cut)
        if self._trouble is not None:
            log.info("receiving_again", after=self._trouble)
            self._trouble = None

    def _busy(self, reason: str, trouble: str | None = None) -> web.Response:
        # One line when it begins, one when it ends: a line a request would bury them.
        if trouble is not None and self._trouble is None:
            log.warning("refusing_requests", reason=trouble)
        if trouble is not None:
            self._trouble, self._trouble_at = trouble, self._clock()
        return _refusal(503, reason, {"Retry-After": RETRY_AFTER})

    def _too_large(self) -> web.Response:
        log.warning("request_too_large", limit_bytes=self._settings.max_body_bytes)
        return _refusal(413, f"the body is larger than {self._settings.max_body_bytes} bytes", close=True)


def _refusal(status: int, reason: str, headers: dict[str, str] | None = None, *, close: bool = False) -> web.Response:
    response = _json(status, {"status": "error", "reason": reason}, headers)
    if close:
        response.force_close()
    return response


def _json(status: int, body: object, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, headers=headers, content_type="application/json")
