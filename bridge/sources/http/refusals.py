"""What is not answered 200: how it is answered, counted and told, without a word of what was sent.

Any caller can cause most of it as often as he likes, so the log has each once a minute for an address, with a count of what
was left out; the counters have every one, and an alert asks for them.
"""

from __future__ import annotations

import time
import traceback
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

import orjson
import structlog
from aiohttp import HttpVersion11, web

from bridge.telemetry.damper import Damper

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

RETRY_AFTER = "30"
"""Seconds; the first pause of MoEngage Streams, the sender that waits longest."""
FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: " + RETRY_AFTER.encode() + b"\r\n"
    b"Content-Length: 0\r\nConnection: close\r\n\r\n"
)
STATUSES = (200, 400, 401, 403, 404, 405, 408, 413, 417, 429, 503)
DETAILS: Final = {
    "address_refused": "A request came from an address that is not allowed to post; it is answered 403.",
    "dry_run": "The request was a rehearsal: its events were checked and not stored.",
    "request_broke_off": "A request was malformed or cut off; it is answered 400.",
    "tls_handshake_failed": "A caller and the receiver did not agree on TLS; a sender takes that for a refusal.",
    "request_malformed": "The bytes that arrived are not valid HTTP; they are answered 400.",
    "request_too_large": "A request is larger than allowed; it is answered 413.",
    "request_too_slow": "A request did not arrive in time; it is answered 408.",
    "token_refused": "A request for a token is not what OAuth asks for; it is answered with the error.",  # nosec B105 - a sentence
    "too_many_connections_of_an_address": "An address has as many connections as it may have; another is answered 503.",
    "unexpected_error": "The request is answered 503, so that the sender sends it again.",
    "wrong_credentials": "A request has no credentials or wrong ones; it is answered 401, and its events are not stored.",
    "wrong_path": "A sender with valid credentials posts to a wrong path; it is answered 404, and its events are not stored.",
}
"""What each event of this module's log lines means."""
_TOLD_SECONDS = 60.0
_FRAMES = 5


class Refusals:
    """Counts answers by status, and tells of those that are refusals; ``clock`` gives monotonic seconds.

    ``route`` is named in the log where there are several.
    """

    def __init__(
        self, metrics: Metrics, clock: Callable[[], float] = time.monotonic, *, route: str | None = None
    ) -> None:
        self._of_route = {} if route is None else {"route": route}
        self._damper = Damper(_TOLD_SECONDS, clock)
        self._statuses = {status: metrics.receiver_requests.labels(str(status)) for status in STATUSES}

    def count(self, status: int) -> None:
        """One request was answered so."""
        self._statuses[status].inc()

    def tell(self, event: str, address: str | None, **more: object) -> None:
        """Log a refusal of a caller; ``event`` is one of :data:`DETAILS`."""
        self._tell("warning", event, (event, address), address=address, **more)

    def malformed(self, peer: str | None) -> web.Response:
        """The answer to bytes that are no HTTP."""
        self.tell("request_malformed", peer)
        self.count(400)
        return refusal(400, "the request is not valid HTTP", close=True)

    def late(self, peer: str | None) -> None:
        """A head did not arrive in time; it is answered 408."""
        self.tell("request_too_slow", peer)
        self.count(408)

    def handshake_failed(self, why: str) -> None:
        """A caller and the receiver did not agree on TLS: nothing is answered, and a sender takes it for a refusal."""
        self._tell("warning", "tls_handshake_failed", ("tls_handshake_failed", why), why=why)
        self.count(400)

    def crowded(self, peer: str | None) -> bytes:
        """The whole answer to one connection too many from its address, which says nothing of the others."""
        self.tell("too_many_connections_of_an_address", peer)
        self.count(503)
        return FULL

    async def expected(self, request: web.Request) -> web.StreamResponse | None:
        """The answer to an Expect header: none, where it asks for 100-continue; aiohttp's own would quote it."""
        if request.version < HttpVersion11:
            return None
        if request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            # The head of the answer proper comes later.
            request.writer.output_size = 0
            return None
        self.count(417)
        return refusal(417, "only 100-continue can be expected", close=True)

    def failed(self, error: BaseException | None) -> web.Response:
        """The answer to a request that ended with an error outside of its handler."""
        self.count(503)
        return self.unexpected(error)

    def unexpected(self, error: BaseException | None) -> web.Response:
        """The answer to an error that nobody expected; who counts the answers counts it."""
        # Its words may quote the request: its type and the places in the code are told.
        frames = traceback.extract_tb(getattr(error, "__traceback__", None))[-_FRAMES:]
        where = [f"{PurePath(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
        kind = type(error).__name__
        self._tell("error", "unexpected_error", (kind, *where), kind=kind, where=where)
        return refusal(503, "an unexpected error", {"Retry-After": RETRY_AFTER})

    def _tell(self, level: str, event: str, key: tuple[object, ...], **more: object) -> None:
        left_out = self._damper.suppressed_since(key)
        if left_out is not None:
            getattr(log, level)(
                event, detail=DETAILS[event], **self._of_route, **more, **({"left_out": left_out} if left_out else {})
            )


def refusal(status: int, reason: str, headers: dict[str, str] | None = None, *, close: bool = False) -> web.Response:
    """An answer that says why; with ``close`` the connection ends with it."""
    response = as_json(status, {"status": "error", "reason": reason}, headers)
    if close:
        response.force_close()
    return response


def as_json(status: int, body: object, headers: dict[str, str] | None = None) -> web.Response:
    """An answer with ``body`` as JSON."""
    return web.Response(body=orjson.dumps(body), status=status, headers=headers, content_type="application/json")
