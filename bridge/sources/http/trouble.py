"""Trouble of ours for which requests are refused with 503: logged when it begins and when it ends, and a reason not to be ready."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from bridge.sources.http.refusals import RETRY_AFTER, refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiohttp import web

log = structlog.get_logger(__name__)

_FORGOTTEN_SECONDS = 15.0
"""What no request has confirmed for this long is forgotten, or a balancer that sends none would never learn of the end."""


class Trouble:
    """``clock`` gives monotonic seconds; ``of_route`` names the route in log lines, where there are several."""

    def __init__(self, clock: Callable[[], float], of_route: Mapping[str, str]) -> None:
        self.clock = clock
        self._of_route = of_route
        self._what: str | None = None
        self.last = 0.0

    def current(self) -> str | None:
        """Why requests are refused currently; None when they are not."""
        return self._what if self.clock() - self.last < _FORGOTTEN_SECONDS else None

    def busy(self, reason: str, trouble: str | None = None) -> web.Response:
        """The answer 503 for a ``reason``; ``trouble`` where others will be refused for the same."""
        # One line when it begins, one when it ends: a line a request would bury them.
        if trouble is not None and self._what is None:
            log.warning(
                "refusing_requests",
                detail="Requests are answered 503 until one is stored again; senders try again.",
                reason=trouble,
                **self._of_route,
            )
        if trouble is not None:
            self._what, self.last = trouble, self.clock()
        return refusal(503, reason, {"Retry-After": RETRY_AFTER})

    def no_room(self) -> web.Response:
        """The answer 503 to a request for which there is no memory at the moment."""
        return self.busy("too many bytes under way", "requests under way fill the memory (max_in_flight_bytes)")

    def too_many_connections(self) -> None:
        """A connection is refused, as too many are open."""
        self.busy("too many connections", "too many connections are open")

    def over(self) -> None:
        """A request was stored: whatever it was is over."""
        if self._what is not None:
            log.info(
                "receiving_again",
                detail="A request was stored: what made requests fail is over.",
                after=self._what,
                **self._of_route,
            )
            self._what = None
