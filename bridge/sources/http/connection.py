"""One connection to the receiver: aiohttp's own, with a deadline for heads, and errors that are counted and quote nothing.

What aiohttp's parser refuses never reaches a handler, and its own words about it quote the request: credentials and bodies
of others would stand in the log and in the answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

from aiohttp import web

if TYPE_CHECKING:
    import asyncio

    from bridge.sources.http.access import Places


def _answer(status: bytes, reason: bytes) -> bytes:
    body = b'{"status":"error","reason":"%b"}' % reason
    head = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    return head % (status, len(body)) + body


_LATE = _answer(b"408 Request Timeout", b"the head of the request is too slow")
_LARGE = _answer(b"400 Bad Request", b"the head of the request is too large")
_HEAD_BYTES = 65_536
"""Of a head that is not at its end; each header is bounded, but a hundred of them may come on each of thousands of connections."""


class Observer(Protocol):
    """Answers and counts what never reaches a handler (:class:`bridge.sources.http.refusals.Refusals`)."""

    def malformed(self, peer: str | None) -> web.Response:
        """The answer to bytes that are no HTTP."""
        ...

    def late(self, peer: str | None) -> None:
        """A head did not arrive in time; it is answered 408."""
        ...

    def crowded(self, peer: str | None) -> bytes:
        """The whole answer to one connection too many from its address."""
        ...

    def failed(self, error: BaseException | None) -> web.Response:
        """The answer to a request that ended with an unexpected error."""
        ...


class Connection(web.RequestHandler):
    """A connection; ``head_seconds`` is how long the head of a request may take from its first byte, or from the beginning."""

    __slots__ = ("_head_bytes", "_head_seconds", "_head_timer", "_observer", "_place", "_places")

    def __init__(
        self, manager: web.Server, *, observer: Observer, places: Places, head_seconds: float, **handler_args: Any
    ) -> None:
        super().__init__(manager, **handler_args)
        self._observer = observer
        self._places = places
        self._place: object | None = None
        self._head_seconds = head_seconds
        self._head_timer: asyncio.TimerHandle | None = None
        self._head_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a place, or be turned away."""
        peer = _address(transport)
        self._place = self._places.acquire(peer)
        if self._place is None:
            self._force_close = True
            # uvloop's transports are none of asyncio's classes.
            cast("asyncio.Transport", transport).write(self._observer.crowded(peer))
            transport.close()
            return
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Give the place back."""
        self._head_came()
        if self._place is not None:
            self._places.release(self._place)
            self._place = None
            super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, and see whether it has a whole head by now."""
        had = self._request_count
        super().data_received(data)
        if self._request_count != had:
            self._head_came()
            return
        if self._head_timer is None and self._is_waiting():
            self._expect_head()
        if self._head_timer is not None:
            self._head_bytes += len(data)
            if self._head_bytes > _HEAD_BYTES:
                if self.transport is not None:
                    self._observer.malformed(_address(self.transport))
                self._give_up(_LARGE)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - it quotes the request
    ) -> web.StreamResponse:
        """Answer what failed before, or beside, the receiver's own answer."""
        if request.writer.output_size:
            # aiohttp closes the connection over it: half an answer is never taken for a whole one.
            raise ConnectionError("an answer is begun already")
        response = self._observer.malformed(request.remote) if status == 400 else self._observer.failed(exc)
        response.force_close()
        return response

    def log_exception(self, *_args: Any, **kw: Any) -> None:
        """Say that something failed, without its words."""
        self._observer.failed(kw.get("exc_info"))

    def _is_waiting(self) -> bool:
        # For the next request, so that what arrives now is its head, and no rest of a body.
        return self._waiter is not None and not self._waiter.done()

    def _expect_head(self) -> None:
        self._head_timer = self._loop.call_later(self._head_seconds, self._head_is_late)

    def _head_came(self) -> None:
        self._head_bytes = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        self._head_timer = None
        if not self._is_waiting() or self.transport is None:
            return
        # Silence from the beginning is a probe, or a connection in reserve.
        if self._head_bytes:
            self._observer.late(_address(self.transport))
        self._give_up(_LATE if self._head_bytes else b"")

    def _give_up(self, answer: bytes) -> None:
        if self.transport is not None:
            self.transport.write(answer)
        self.force_close()


def _address(transport: asyncio.BaseTransport) -> str | None:
    peer = transport.get_extra_info("peername")
    return peer[0] if isinstance(peer, tuple) and peer else None
