"""A POST of events to the path of a route (``/moengage/streams``, or one below it): answered 200 only when every event of the request is stored, or lies in the dead letters.

======  ====================================================================================  =========================
status  when                                                                                  what MoEngage does
======  ====================================================================================  =========================
200     every event and every dead letter is confirmed: ``{"status":"ok","events":98,…}``      goes on
400     no HTTP, or it broke off                                                               resends, then drops
401     credentials missing or wrong                                                          resends, then drops
403     the address is not among those allowed                                                resends, then drops
404     another path; counted only for a POST with the right credentials                      resends, then drops
405     another method than POST                                                              -
408     head or body took longer than ``read_timeout_seconds``                                resends
413     the body, or what it would become, is over ``max_body_bytes`` or ``max_events``       resends, then drops
417     an Expect that is not 100-continue                                                    -
429     over ``requests_per_second``; ``Retry-After``                                         resends
503     not confirmed within ``confirm_timeout_seconds``, too much in memory, an error that   resends after 30, 60, 120 s
        nobody expected, or stopping; ``Retry-After``
======  ====================================================================================  =========================

Nothing is promised for an answer other than 200; what was stored before it comes twice, and AEP tells by ``_id``. Answers and
log lines quote nothing of a request but the path's kind, the caller's address, and the user that wrong credentials name.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog
from aiohttp import web

from bridge.model.dead_letter import Form, StoredLetters
from bridge.model.errors import BridgeError
from bridge.model.record import record_bytes
from bridge.model.verdicts import Stage
from bridge.sources.http.access import Admission
from bridge.sources.http.auth import authenticator, tokens_of
from bridge.sources.http.body import BodyMemory, BodyTooLarge, Lease, NoRoom, read_body
from bridge.sources.http.callers import Callers
from bridge.sources.http.intake import TooMuch
from bridge.sources.http.refusals import FULL, Refusals, as_json, refusal
from bridge.sources.http.token_endpoint import TOKEN, TokenEndpoint
from bridge.sources.http.told_letters import ToldLetters
from bridge.sources.http.trouble import Trouble
from bridge.sources.http.unhurried_reading import UnhurriedReading

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bridge.model.dead_letter import DeadLetter
    from bridge.model.ports import Decoder, EventStore
    from bridge.settings import ReceiverSettings
    from bridge.sources.http.intake import BodyRecords
    from bridge.sources.http.posting import Posting
    from bridge.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

_NO = frozenset({"false", "0", "no"})


class Receiver:
    """The endpoint's logic for the route of ``metrics``; it knows HTTP, a store and a decoder, and neither Kafka nor any sender.

    ``named``: log lines name the route, since there are others. ``path`` is what is told to who posts elsewhere. ``budget`` and
    ``parsing``: the memory for bodies, and one place to parse large ones, where they are not its own.
    """

    def __init__(
        self,
        settings: ReceiverSettings,
        store: EventStore,
        metrics: Metrics,
        posting: Posting,
        decoder: Decoder,
        *,
        path: str | None = None,
        named: bool = False,
        budget: BodyMemory | None = None,
        parsing: asyncio.Semaphore | None = None,
        admission: Admission | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._store = store
        self._metrics = metrics
        self._admission = admission or Admission.of(settings)
        self._auth = authenticator(settings, posting.sender)
        self._tokens = tokens_of(settings)
        self._posting = posting
        self._confirm_seconds = min(settings.confirm_timeout_seconds, posting.confirm_seconds or math.inf)
        self.path = path or posting.path
        self.route = metrics.route
        self.is_open = settings.auth in {None, "none"}
        self._of_route = {"route": metrics.route} if named else {}
        self._budget = budget or BodyMemory(settings.max_in_flight_bytes)
        self._reading = UnhurriedReading(
            settings, store, decoder, route=metrics.route, parsing=parsing or asyncio.Semaphore(1), now=now
        )
        self._trouble = Trouble(clock, self._of_route)
        self._told_letters = ToldLetters(clock, self._of_route)
        self.refusals = Refusals(metrics, clock, route=metrics.route if named else None)
        self._callers = Callers(self._admission, self._auth)
        self._token_endpoint = TokenEndpoint(settings, self._tokens, self._callers, self.refusals)
        self._stopping = False
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def application(self) -> web.Application:
        """The aiohttp application; the listener must not decompress bodies (``auto_decompress=False``)."""
        app = web.Application()
        for path in (self._posting.path, self._posting.path + "/"):
            app.router.add_route("*", path, self.handle, expect_handler=self.expected)
        for path in (TOKEN, TOKEN + "/") if self.gives_tokens else ():
            app.router.add_route("*", self._posting.path + path, self.token, expect_handler=self.expected)
        app.router.add_route("*", "/{elsewhere:.*}", self.elsewhere, expect_handler=self.expected)
        return app

    def trouble(self) -> str | None:
        """Why requests are refused currently; None when they are not: a probe for readiness."""
        return "stopping" if self._stopping else self._trouble.current()

    async def stop(self) -> None:
        """Refuse new requests, and return when those under way are answered: within their two bounds, or never."""
        self._stopping = True
        if self._under_way:
            log.info(
                "finishing_requests",
                detail="New requests are refused; those under way are answered first.",
                count=self._under_way,
                **self._of_route,
            )
        bound = self._settings.read_timeout_seconds + self._settings.confirm_timeout_seconds + 1
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(bound):
                await self._idle.wait()
        self._told_letters.tell()

    async def elsewhere(self, request: web.Request) -> web.Response:
        """Answer a request to another path. Who has our credentials means us, and drops what is refused: an alert asks for the count."""
        if request.method == "POST" and self.admits(request):
            return self.wrong_path(request)
        return refusal(404, f"{self._posting.sender} posts events to {self._posting.path}")

    def admits(self, request: web.Request) -> bool:
        """Whether the caller may post events of this route."""
        return self._callers.admits(request)

    def wrong_path(self, request: web.Request) -> web.Response:
        """The answer to a caller who may post here, and posts elsewhere."""
        self.refusals.tell("wrong_path", self._callers.address(request), expected=self.path)
        self.refusals.count(404)
        return refusal(404, f"{self._posting.sender} posts events to {self.path}")

    @property
    def gives_tokens(self) -> bool:
        """Whether the sender fetches tokens, at this endpoint's path and :data:`TOKEN`."""
        return self._tokens is not None

    async def token(self, request: web.Request) -> web.Response:
        """Answer a request for an access token."""
        return await self._token_endpoint.handle(request)

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one request."""
        self._under_way += 1
        self._idle.clear()
        try:
            # What others log while they answer, such as the publisher, names the route too.
            with structlog.contextvars.bound_contextvars(**self._of_route):
                response = await self._answer(request)
        except Exception as error:  # noqa: BLE001 - every sender sends again what is answered 503, and only that
            response = self.refusals.unexpected(error)
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()
        self.refusals.count(response.status)
        if self._stopping:
            response.force_close()
        return response

    def full(self) -> bytes:
        """The answer to one connection too many: counted and told like any other."""
        self.too_many_connections()
        self.refusals.count(503)
        return FULL

    def too_many_connections(self) -> None:
        """A connection is refused, as too many are open."""
        self._trouble.too_many_connections()

    async def expected(self, request: web.Request) -> web.StreamResponse | None:
        """Answer an Expect header: go on where it asks for 100-continue, else refuse."""
        return await self.refusals.expected(request)

    async def _answer(self, request: web.Request) -> web.Response:
        if request.method != "POST":
            return refusal(405, f"{self._posting.sender} posts events here: use POST", {"Allow": "POST"})
        if not self._callers.allows(request):
            self.refusals.tell("address_refused", self._callers.address(request))
            return refusal(403, "this address is not allowed to post here")
        if not self._auth.admits(request.headers):
            self.refusals.tell(
                "wrong_credentials", self._callers.address(request), given=self._auth.given(request.headers)
            )
            return refusal(401, "credentials are missing or wrong", {"WWW-Authenticate": self._auth.challenge})
        if self._stopping:
            return self._trouble.busy("the receiver is stopping")
        if (wait := self._admission.wait_seconds()) > 0:
            if not self._posting.throttles:
                return self._trouble.busy("too many requests")
            return refusal(429, "too many requests", {"Retry-After": str(math.ceil(wait))})
        if (request.content_length or 0) > self._settings.max_body_bytes:
            return self._too_large(request, "the body is too large")
        with self._budget.lease() as lease:
            return await self._receive(request, lease)

    async def _receive(self, request: web.Request, lease: Lease) -> web.Response:
        settings = self._settings
        try:
            async with asyncio.timeout(settings.read_timeout_seconds):
                body, doubt = await read_body(
                    request.content.iter_any(),
                    ",".join(request.headers.getall("Content-Encoding", ())).lower(),
                    limit=settings.max_body_bytes,
                    lease=lease,
                )
        except BodyTooLarge:
            return self._too_large(request, "the body is too large")
        except NoRoom:
            return self._trouble.no_room()
        except TimeoutError:
            self.refusals.tell("request_too_slow", self._callers.address(request))
            return refusal(408, f"the body took longer than {settings.read_timeout_seconds:g} s", close=True)
        except (web.RequestPayloadError, ConnectionError):
            self.refusals.tell("request_broke_off", self._callers.address(request))
            return refusal(400, "the request is malformed or was cut off", close=True)
        stored = StoredLetters((), ())
        try:
            async with asyncio.timeout(self._confirm_seconds):
                intake = await self._reading.read(body, doubt, lease)
                # From here on the records are held, not the body they came in.
                del body
                dead_letters = [letter.to_record() for letter in intake.dead_letters]
                lease.hold(intake.bytes + sum(map(record_bytes, dead_letters)))
                if self._posting.rehearses and request.query.get("dry_run", "false").lower() not in _NO:
                    return self._rehearsed(request, intake)
                if intake.events or dead_letters:
                    stored = await self._store.store(intake.events, dead_letters)
        except TooMuch:
            return self._too_large(request, "the body would become too many events, or records that are too large")
        except NoRoom:
            return self._trouble.no_room()
        except TimeoutError:
            return self._trouble.busy("not confirmed in time", "Kafka does not confirm in time")
        except BridgeError as error:
            return self._trouble.busy("not confirmed", str(error))
        events, letters = len(intake.events) - len(stored.made), [*intake.dead_letters, *stored.made]
        for rule, count in intake.left_out.items():
            self._metrics.left_out_events.labels(rule).inc(count)
        self._stored(events, letters, cut=len(stored.cut))
        return as_json(200, {"status": "ok", "events": events, "dead_letters": len(letters)})

    def _rehearsed(self, request: web.Request, intake: BodyRecords) -> web.Response:
        """The answer to a rehearsal, which stores nothing: counted and told, or an address left so would lose everything unseen."""
        self._metrics.left_out_events.labels("dry_run").inc(len(intake.events))
        self.refusals.tell("dry_run", self._callers.address(request), events=len(intake.events))
        letters = [{"code": letter.code, "reason": letter.reason} for letter in intake.dead_letters]
        told = {"events": len(intake.events), "dead_letters": letters, "left_out": dict(intake.left_out)}
        return as_json(200, {"status": "ok", "dry_run": True, **told})

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
            self._told_letters.stored(letters, cut)
        self._trouble.over()

    def _too_large(self, request: web.Request, reason: str) -> web.Response:
        settings = self._settings
        limits = {"limit_bytes": settings.max_body_bytes, "limit_events": settings.max_events}
        self.refusals.tell("request_too_large", self._callers.address(request), **limits)
        told = f"{reason}: {settings.max_body_bytes} bytes and {settings.max_events} events are taken"
        return refusal(413, told, close=True)
