"""MoEngage's Data API as a destination: one request in (bulk, or one call an element), one outcome out."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Self
from urllib.parse import quote, urlencode

import httpx

from bridge.destinations.http.batch_client import BatchClient
from bridge.destinations.http.exchange import NoReply, Reply
from bridge.destinations.moengage.answers import read_answer
from bridge.destinations.moengage.credentials import ApiKey
from bridge.destinations.moengage.encoding import FRAME_BYTES, SEPARATOR, bulk, path_of
from bridge.destinations.moengage.sampling import AFTER_SECONDS, ReadBack
from bridge.model.errors import SettingsError
from bridge.model.verdicts import AllAccepted, Outcome, Transient, Unauthorized
from bridge.settings import every_setting, variable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from bridge.settings import MoEngageSettings
    from bridge.telemetry.metrics import Metrics

_MOST_ANSWER_BYTES = 1_000_000
_CALLS = ("transition", "customer", "event", "device", "customers/export")


def call_url(settings: MoEngageSettings, call: str) -> httpx.URL:
    """The address of ``customer``, ``event``, ``device``, ``transition`` or ``customers/export``. Raises ``SettingsError``."""
    workspace = settings.workspace_id or ""
    path = call if call == "customers/export" else f"{call}/{quote(workspace, safe='')}"
    query = {"app_id": workspace}
    if settings.project_code and call != "customers/export":
        query["project_code"] = settings.project_code
    try:
        return httpx.URL(f"{settings.url}/v1/{path}?{urlencode(query)}")
    except (httpx.InvalidURL, ValueError) as error:
        raise SettingsError(f"{variable('moengage', 'base_url')} is not a URL: {error}") from None


def check_settings(settings: MoEngageSettings) -> None:
    """Raise ``SettingsError`` that names every variable MoEngage needs and that is not set, each with an example."""
    needed = [
        ("workspace_id", settings.workspace_id),
        ("api_key", settings.api_key or settings.api_key_file),
        ("data_center", settings.url),
    ]
    missing = [variable("moengage", key) for key, value in needed if not value]
    if missing:
        known = every_setting()
        raise SettingsError(
            "\n".join(f"{name}: not set; {known[name][0]} For example {name}={known[name][1]}" for name in missing),
            hint="set them in the environment, in .env or in bridge.toml",
        )
    ApiKey(settings)
    call_url(settings, "transition")


class MoEngageDestination:
    """A :class:`bridge.model.ports.Destination`. Connections open with the first request.

    Where the settings want it, a share of the customers that were taken is read back.
    """

    name = "moengage"

    def __init__(
        self,
        settings: MoEngageSettings,
        metrics: Metrics,
        *,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
        read_back_after: float = AFTER_SECONDS,
    ) -> None:
        self._single = settings.mode == "single"
        self.max_request_bytes = settings.batch_bytes
        self.max_request_events = 1 if self._single else settings.batch_elements
        self.frame_bytes = FRAME_BYTES
        self.separator_bytes = len(SEPARATOR)
        self._urls = {call: call_url(settings, call) for call in _CALLS}
        self._key = ApiKey(settings)
        self._headers = self._authorized()
        self._wall = wall
        self._read_back = (
            ReadBack(settings.read_back, self._ask, metrics, clock=clock, after=read_back_after)
            if settings.read_back
            else None
        )
        self._client = BatchClient(
            metrics,
            connections=settings.concurrency,
            timeout_seconds=settings.timeout_seconds,
            most_bytes=_MOST_ANSWER_BYTES,
        )

    async def send(self, items: Sequence[bytes]) -> Outcome:
        """Send one request with these encoded elements. Raises nothing but cancellation: every failure is an outcome."""
        call, body = (path_of(items[0]), items[0]) if self._single else ("transition", bulk(items))
        headers = self._headers
        outcome = await self._attempt(call, body, len(items), headers)
        if isinstance(outcome, Unauthorized):
            # Another request may have read the file meanwhile: then the key it found is tried, too.
            if headers is self._headers and await asyncio.to_thread(self._key.reload):
                self._headers = self._authorized()
            if headers is not self._headers:
                outcome = await self._attempt(call, body, len(items), self._headers)
        if isinstance(outcome, AllAccepted) and self._read_back is not None:
            self._read_back.sent(items)
        return outcome

    async def aclose(self) -> None:
        """Close connections; requests under way end as transient failures."""
        if self._read_back is not None:
            await self._read_back.aclose()
        await self._client.aclose()

    async def _ask(self, body: bytes) -> bytes | None:
        """What Get User answers, None where it does not."""
        reply = await self._client.ask(self._urls["customers/export"], body, self._headers)
        return reply.body if isinstance(reply, Reply) and reply.status == 200 else None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _authorized(self) -> Mapping[str, str]:
        return {"Content-Type": "application/json", "Authorization": self._key.authorization}

    async def _attempt(self, call: str, body: bytes, count: int, headers: Mapping[str, str]) -> Outcome:
        reply = await self._client.post_batch(self._urls[call], body, count, headers)
        if isinstance(reply, NoReply):
            return Transient(self._key.redact(reply.reason))
        return read_answer(reply.status, reply.headers, self._key.without(reply.body), now=self._wall())
