"""One client of Adobe's platform APIs: headers, token, patience, and the difference between asking and changing.

What only reads is asked again while AEP is slow or away. What changes something is sent once: an answer that was lost may hide
a change that took place (Catalog, Flow Service and Data Prep allow duplicates), so the caller looks before it repeats
(:class:`~bridge.adobe.refusals.EffectUnknown`). Only 429 is repeated here, as the gateway answers it before anything happens.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import quote

import orjson

from bridge.adobe.refusals import CREDENTIAL, EffectUnknown, Unreachable, refused
from bridge.destinations.http.exchange import NoReply, Piece, Reply, exchange, open_client
from bridge.destinations.http.oauth import NoToken, Pauses, Token, TokenSource
from bridge.destinations.http.reasons import without
from bridge.destinations.http.retry_after import retry_after
from bridge.model.errors import BridgeError, SettingsError
from bridge.settings import every_setting, is_example, variable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from types import TracebackType

    import httpx

    from bridge.settings import Settings
    from bridge.telemetry.metrics import Metrics

MOST_ANSWER_BYTES: Final = 32_000_000
PAUSES: Final = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds between the tries of a request that may be repeated."""
LONGEST_PAUSE: Final = 60.0
_BUSY: Final = frozenset({429, 500, 502, 503, 504})
"""Statuses that pass; 500 also means too many calls at once (AEP docs: landing/troubleshooting)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A 2xx: its headers (found in any case) and its JSON, None where the body is empty or no JSON."""

    status: int
    headers: Mapping[str, str]
    document: Any
    body: bytes = b""


def segment(text: str) -> str:
    """``text`` as one segment of a path: the ``$id`` of a schema is a URL itself."""
    return quote(text, safe="")


def missing_settings(settings: Settings) -> list[str]:
    """The variables without which no platform API answers, that are not set or still the example."""
    known = every_setting()
    found = []
    for section, key in (("aep", "org_id"), ("oauth", "client_id")):
        name, value = variable(section, key), getattr(getattr(settings, section), key)
        if not value or (value == known[name][1] and settings.aep.platform_url.rstrip("/").endswith(".adobe.io")):
            found.append(name)
    secret = settings.oauth.client_secret
    if settings.oauth.client_secret_file is None and (secret is None or is_example(secret)):
        found.append(variable("oauth", "client_secret"))
    return found


class PlatformClient:
    """The platform APIs of one organisation and sandbox. Connections open with the first request."""

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        if missing := missing_settings(settings):
            known = every_setting()
            raise SettingsError(
                "\n".join(f"{name}: not set; {known[name][0]} For example {name}={known[name][1]}" for name in missing),
                hint="they are in the Developer Console, in the project's OAuth Server-to-Server credential",
            )
        self._base = settings.aep.platform_url.rstrip("/")
        self._timeout = settings.aep.timeout_seconds
        self._headers = {
            "x-api-key": settings.oauth.client_id or "",
            "x-gw-ims-org-id": settings.aep.org_id or "",
            "x-sandbox-name": settings.aep.sandbox,
        }
        self._tokens = TokenSource(settings.oauth, metrics, pauses=Pauses(timeout=10.0, quick=(0.5, 1.0)))
        self._sleep = sleep
        self._client: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._tokens.aclose()
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def authorization(self) -> str:
        """A valid ``Authorization`` header's value. Raises ``BridgeError`` where IMS gives no token."""
        return (await self._token()).authorization

    async def get(
        self,
        path: str,
        params: Sequence[tuple[str, str]] = (),
        *,
        headers: Mapping[str, str] | None = None,
        piece: Piece | None = None,
    ) -> Answer:
        """GET, patiently. Raises ``PlatformError`` for a refusal and ``Unreachable`` when there was no answer at last.

        With ``piece`` only that much of a large file; less of it at the file's end.
        """
        return await self.ask("GET", path, params=params, headers=headers, piece=piece)

    async def ask(
        self,
        method: str,
        path: str,
        document: Any = None,
        *,
        params: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        piece: Piece | None = None,
    ) -> Answer:
        """A request that changes nothing whatever its method (GET, or a POST that only validates): asked until answered."""
        call = _Call(method, path, params, document, headers or {}, piece)
        reply: Reply | NoReply = NoReply("connection", "not asked")
        for pause in (*PAUSES, None):
            reply = await self._once(call)
            if isinstance(reply, Reply) and reply.status not in _BUSY:
                return _answer(call, reply)
            if pause is not None:
                await self._sleep(_pause(reply, pause))
        if isinstance(reply, Reply):
            return _answer(call, reply)
        raise Unreachable(
            f"{call}: {reply.reason}", hint="check BRIDGE_AEP__PLATFORM_URL and the outbound access of this network"
        )

    async def change(
        self,
        method: str,
        path: str,
        document: Any = None,
        *,
        params: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """A request that changes something, sent once.

        Raises ``PlatformError`` where AEP refuses (nothing changed), ``EffectUnknown`` where it cannot be told.
        """
        call = _Call(method, path, params, document, headers or {})
        for pause in (*PAUSES, None):
            reply = await self._once(call)
            if isinstance(reply, NoReply):
                raise EffectUnknown(f"{call}: {reply.reason}")
            if reply.status >= 500:
                raise EffectUnknown(f"{call}: AEP answered {reply.status}")
            if reply.status != 429 or pause is None:
                return _answer(call, reply)
            await self._sleep(_pause(reply, pause))
        raise AssertionError  # pragma: no cover - the last pause is None

    async def _once(self, call: _Call) -> Reply | NoReply:
        token = await self._token()
        reply = await self._send(call, token)
        if isinstance(reply, Reply) and reply.status == 401:
            renewed = await self._tokens.renew(token)
            if isinstance(renewed, Token):
                # The gateway refuses before it forwards: a 401 has changed nothing.
                reply = await self._send(call, renewed)
        if isinstance(reply, Reply) and reply.status != 401:
            self._tokens.confirm()
        return reply

    async def _send(self, call: _Call, token: Token) -> Reply | NoReply:
        if self._client is None:
            self._client = open_client(connections=4, timeout_seconds=self._timeout)
        query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in call.params)
        sent = {**self._headers, "Authorization": token.authorization, **call.headers}
        body = None
        if call.document is not None:
            body = orjson.dumps(call.document)
            sent.setdefault("Content-Type", "application/json")
        reply = await exchange(
            self._client,
            call.method,
            f"{self._base}{call.path}" + (f"?{query}" if query else ""),
            headers=sent,
            body=body,
            timeout_seconds=self._timeout,
            most_bytes=MOST_ANSWER_BYTES,
            piece=call.piece,
        )
        if isinstance(reply, Reply) and reply.status >= 300:
            return replace(reply, body=without(reply.body, token.authorization.removeprefix("Bearer ")))
        return reply

    async def _token(self) -> Token:
        token = await self._tokens.token()
        if isinstance(token, NoToken):
            raise BridgeError(token.reason, hint=CREDENTIAL)
        return token


@dataclass(frozen=True, slots=True)
class _Call:
    """A request as it is to be sent, by whatever token."""

    method: str
    path: str
    params: Sequence[tuple[str, str]]
    document: Any
    headers: Mapping[str, str]
    piece: Piece | None = None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def _pause(reply: Reply | NoReply, usual: float) -> float:
    """What the service asked for in ``Retry-After``, within reason; else the usual."""
    asked = None if isinstance(reply, NoReply) else retry_after(reply.headers, now=time.time())
    return min(asked, LONGEST_PAUSE) if asked else usual


def _answer(call: _Call, reply: Reply) -> Answer:
    document = None
    if call.piece is None or reply.status >= 300:
        with contextlib.suppress(orjson.JSONDecodeError):
            document = orjson.loads(reply.body) if reply.body else None
    if not 200 <= reply.status < 300:
        raise refused(str(call), reply.status, document)
    return Answer(reply.status, reply.headers, document, reply.body)
