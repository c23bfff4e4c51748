"""Who sends a request: the address behind proxies, whether it is allowed, and whether its credentials are right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.sources.http.forwarded import hops

if TYPE_CHECKING:
    from aiohttp import web

    from bridge.sources.http.access import Admission
    from bridge.sources.http.auth import Authenticator


class Callers:
    """Asks admission by address, and ``auth`` by credentials."""

    def __init__(self, admission: Admission, auth: Authenticator) -> None:
        self._admission = admission
        self._auth = auth

    def allows(self, request: web.Request) -> bool:
        """Whether the caller's address is among those allowed."""
        return self._admission.allows(request.remote, _forwarded(request))

    def admits(self, request: web.Request) -> bool:
        """Whether address and credentials are both right."""
        return self.allows(request) and self._auth.admits(request.headers)

    def address(self, request: web.Request) -> str | None:
        """The caller's own address, as far as the proxies are trusted."""
        client = self._admission.client(request.remote, _forwarded(request))
        return request.remote if client is None else str(client)


def _forwarded(request: web.Request) -> str:
    return hops(request.headers.getall("X-Forwarded-For", ()), request.headers.getall("Forwarded", ()))
