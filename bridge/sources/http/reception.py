"""Several endpoints behind one listener: which of them a request is for, and whom a request to none of their paths was meant for."""

from __future__ import annotations

import asyncio
from itertools import takewhile
from typing import TYPE_CHECKING

from aiohttp import web

from bridge.sources.http.refusals import FULL, Refusals, refusal
from bridge.sources.http.token_endpoint import TOKEN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bridge.sources.http.endpoint import Receiver
    from bridge.sources.http.posting import Posting
    from bridge.telemetry.metrics import Metrics


class Reception:
    """The endpoints by path; ``metrics`` counts what is turned away before it is known which of them it is for.

    Each has credentials, limits, topics and troubles of its own; they share the port.
    """

    def __init__(self, by_path: Mapping[str, Receiver], metrics: Metrics, postings: Sequence[Posting]) -> None:
        self._by_path = dict(by_path)
        self._receivers = list(dict.fromkeys(by_path.values()))
        self.refusals = Refusals(metrics)
        self._senders = "; ".join(f"{each.sender} posts events to {each.path}" for each in postings)

    @property
    def paths(self) -> tuple[str, ...]:
        """Where events are posted."""
        return tuple(self._by_path)

    def application(self) -> web.Application:
        """The aiohttp application; the listener must not decompress bodies (``auto_decompress=False``)."""
        app = web.Application()
        for path, receiver in self._by_path.items():
            for each in (path, path + "/"):
                app.router.add_route("*", each, receiver.handle, expect_handler=receiver.expected)
        for path, receiver in self._by_path.items():
            if receiver.gives_tokens and path + TOKEN not in self._by_path:
                for each in (path + TOKEN, path + TOKEN + "/"):
                    app.router.add_route("*", each, receiver.token, expect_handler=receiver.expected)
        app.router.add_route("*", "/{elsewhere:.*}", self.elsewhere, expect_handler=self.refusals.expected)
        return app

    async def elsewhere(self, request: web.Request) -> web.Response:
        """Answer a request to another path; by its credentials it is told, and counted, whose it was meant to be."""
        if request.method == "POST":
            meant = [receiver for receiver in self._receivers if receiver.admits(request)]
            if meant:
                # Routes may have the same credentials: then the path that is nearest tells more than their order. An endpoint
                # that asks for none admits everybody, and counts only where no credentials fit.
                known = [receiver for receiver in meant if not receiver.is_open] or meant
                return max(known, key=lambda each: _alike(each.path, request.path)).wrong_path(request)
        return refusal(404, f"{self._senders}, or below it to a path of each route")

    def full(self) -> bytes:
        """The answer to one connection too many, whoever it was for."""
        for receiver in self._receivers:
            receiver.too_many_connections()
        self.refusals.count(503)
        return FULL

    async def stop(self) -> None:
        """Refuse new requests, and return when those under way are answered."""
        await asyncio.gather(*(receiver.stop() for receiver in self._receivers))


def _alike(path: str, other: str) -> int:
    """Letters from the beginning that both have."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(path, other, strict=False)))
