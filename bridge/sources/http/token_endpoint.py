"""Requests for access tokens below an endpoint's path (RFC 6749, section 4.4): bounded, answered and counted like any other."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from aiohttp import web

from bridge.sources.http.refusals import as_json, refusal

if TYPE_CHECKING:
    from aiohttp import StreamReader

    from bridge.settings import ReceiverSettings
    from bridge.sources.http.access_tokens import AccessTokens
    from bridge.sources.http.callers import Callers
    from bridge.sources.http.refusals import Refusals

TOKEN = "/token"  # nosec B105 # noqa: S105 - a part of a path
"""Below an endpoint's path: where its sender fetches access tokens."""
_MAX_BYTES = 10_000


class TokenEndpoint:
    """``tokens`` is None where the endpoint gives none."""

    def __init__(
        self, settings: ReceiverSettings, tokens: AccessTokens | None, callers: Callers, refusals: Refusals
    ) -> None:
        self._settings = settings
        self._tokens = tokens
        self._callers = callers
        self._refusals = refusals

    async def handle(self, request: web.Request) -> web.Response:
        """Answer a request for an access token."""
        response = await self._answer(request)
        self._refusals.count(response.status)
        response.headers["Cache-Control"] = "no-store"
        return response

    async def _answer(self, request: web.Request) -> web.Response:
        if self._tokens is None or request.method != "POST":
            return refusal(405, "a token is asked for with POST", {"Allow": "POST"})
        if not self._callers.allows(request):
            self._refusals.tell("address_refused", self._callers.address(request))
            return refusal(403, "this address is not allowed to post here")
        if (request.content_length or 0) > _MAX_BYTES:
            return self._too_large(request)
        try:
            async with asyncio.timeout(self._settings.read_timeout_seconds):
                body = await _whole(request.content)
        except TimeoutError:
            self._refusals.tell("request_too_slow", self._callers.address(request))
            return refusal(408, "the body took too long", close=True)
        except (web.RequestPayloadError, ConnectionError):
            self._refusals.tell("request_broke_off", self._callers.address(request))
            return refusal(400, "the request is malformed or was cut off", close=True)
        if body is None:
            return self._too_large(request)
        form = dict(parse_qsl(body.decode(errors="replace").strip("\ufeff \t\r\n"), keep_blank_values=True))
        status, told = self._tokens.answer(request.headers, form)
        if status == 401:
            self._refusals.tell(
                "wrong_credentials", self._callers.address(request), given="client id or secret for a token"
            )
        elif status != 200:
            self._refusals.tell("token_refused", self._callers.address(request), why=told.get("error"))
        return as_json(status, told, {"WWW-Authenticate": "Basic"} if status == 401 else None)

    def _too_large(self, request: web.Request) -> web.Response:
        self._refusals.tell("request_too_large", self._callers.address(request), limit_bytes=_MAX_BYTES)
        return refusal(413, "a request for a token is a short form", close=True)


async def _whole(content: StreamReader) -> bytes | None:
    """The body, in however many pieces it comes; None where it is no short form."""
    body = b""
    async for piece in content.iter_any():
        body += piece
        if len(body) > _MAX_BYTES:
            return None
    return body
