"""Adobe Experience Platform as a destination: one batch request in, one outcome out."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit, urlunsplit

import httpx

from bridge.destinations.aep.answers import read_answer
from bridge.destinations.aep.envelope import Envelope, raw_envelope, xdm_envelope
from bridge.destinations.http.batch_client import BatchClient
from bridge.destinations.http.exchange import NoReply
from bridge.destinations.http.oauth import REFUSED_AGAIN, NoToken, Token, TokenSource
from bridge.destinations.http.reasons import without
from bridge.model.delivery_policy import DeliveryPolicy
from bridge.model.errors import SettingsError
from bridge.model.verdicts import AllAccepted, Answered, Outcome, Rejected, Transient, Unauthorized
from bridge.settings import every_setting, is_example, variable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType
    from typing import Any

    from bridge.settings import Settings
    from bridge.telemetry.metrics import Metrics

SOURCE_NAME = "MoEngage Streams"
"""``header.source.name``: older dataflows refuse a payload without one."""

_MOST_ANSWER_BYTES = 32_000_000
"""A 207 that explains the failure of 10,000 events takes some 3 MB."""


class AepDestination:
    """A :class:`bridge.model.ports.Destination`. Made by :func:`open_destination`; connections open with the first request."""

    name = "aep"

    def __init__(
        self,
        *,
        url: httpx.URL | str,
        headers: Mapping[str, str],
        envelope: Envelope,
        tokens: TokenSource | None,
        metrics: Metrics,
        max_request_events: int,
        concurrency: int,
        timeout_seconds: float,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.max_request_bytes = envelope.max_request_bytes
        self.max_request_events = max_request_events
        self.frame_bytes = envelope.frame_bytes
        self.separator_bytes = len(envelope.separator)
        self.encode: Callable[[Mapping[str, Any]], bytes | Rejected] = envelope.encode
        self._body = envelope.batch
        self._url = httpx.URL(url)
        self._headers = dict(headers)
        self._tokens = tokens
        self._wall = wall
        self._client = BatchClient(
            metrics, connections=concurrency, timeout_seconds=timeout_seconds, most_bytes=_MOST_ANSWER_BYTES
        )
        self._last: tuple[Token, dict[str, str]] | None = None

    async def send(self, items: Sequence[bytes]) -> Outcome:
        """Send one request with these encoded events. Raises nothing but cancellation: every failure is an outcome."""
        body = self._body(items)
        if self._tokens is None:
            return await self._attempt(body, len(items), self._headers)
        token = await self._tokens.token()
        if isinstance(token, NoToken):
            return Unauthorized(token.reason, sent=False)
        outcome = await self._attempt(body, len(items), self._authorized(token))
        if isinstance(outcome, Unauthorized):
            renewed = await self._tokens.renew(token)
            if isinstance(renewed, NoToken):
                return Unauthorized(f"{outcome.reason}; {renewed.reason}")
            outcome = await self._attempt(body, len(items), self._authorized(renewed))
        if isinstance(outcome, AllAccepted | Answered):
            self._tokens.confirm()
        elif isinstance(outcome, Unauthorized):
            return Unauthorized(f"{outcome.reason}; {REFUSED_AGAIN}")
        return outcome

    async def aclose(self) -> None:
        """Close connections; requests under way end as transient failures."""
        await self._client.aclose()
        if self._tokens is not None:
            await self._tokens.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _authorized(self, token: Token) -> dict[str, str]:
        if self._last is None or self._last[0] is not token:
            self._last = (token, {**self._headers, "Authorization": token.authorization})
        return self._last[1]

    async def _attempt(self, body: bytes, count: int, headers: Mapping[str, str]) -> Outcome:
        reply = await self._client.post_batch(self._url, body, count, headers)
        if isinstance(reply, NoReply):
            return Transient(reply.reason)
        answer = without(reply.body, headers.get("Authorization", "").removeprefix("Bearer "))
        return read_answer(reply.status, reply.headers, answer, count, now=self._wall())


def batch_url(endpoint: str) -> str:
    """``…/collection/{id}`` as AEP shows it -> ``…/collection/batch/{id}``."""
    parts = urlsplit(endpoint)
    collection, _, inlet = parts.path.rpartition("/")
    return urlunsplit(parts._replace(path=f"{collection}/batch/{inlet}"))


def request_headers(settings: Settings) -> dict[str, str]:
    """Every header of a collection request but ``Authorization``.

    The streaming API asks for ``Content-Type``, ``x-sandbox-name`` and, for raw payloads, ``x-adobe-flow-id``; with
    authentication Adobe's troubleshooting page wants the organisation too, and Adobe's own client sends the API key.
    """
    headers = {"Content-Type": "application/json", "x-sandbox-name": settings.aep.sandbox}
    if settings.aep.payload == "raw":
        headers["x-adobe-flow-id"] = settings.aep.flow_id or ""
    if settings.aep.auth == "oauth":
        headers["x-gw-ims-org-id"] = settings.aep.org_id or ""
        headers["x-api-key"] = settings.oauth.client_id or ""
    return headers


def check_settings(settings: Settings) -> None:
    """Raise ``SettingsError`` that names every variable AEP needs and that is not set or no use, each with an example."""
    aep, oauth = settings.aep, settings.oauth
    needed: list[tuple[str, str, object]] = [("aep", "endpoint", aep.endpoint)]
    if aep.payload == "raw":
        needed.append(("aep", "flow_id", aep.flow_id))
    if aep.payload == "xdm" or aep.auth == "oauth":
        needed.append(("aep", "org_id", aep.org_id))
    if aep.payload == "xdm":
        needed += [("aep", "schema_id", aep.schema_id), ("aep", "dataset_id", aep.dataset_id)]
    if aep.auth == "oauth":
        secret = oauth.client_secret_file or (
            oauth.client_secret and oauth.client_secret.get_secret_value().strip(", ")
        )
        needed += [("oauth", "client_id", oauth.client_id), ("oauth", "client_secret", secret)]
    missing = [variable(section, key) for section, key, value in needed if not value]
    if missing:
        known = every_setting()
        raise SettingsError(
            "\n".join(f"{name}: not set; {known[name][0]} For example {name}={known[name][1]}" for name in missing),
            hint="set them in the environment, in .env or in bridge.toml",
        )
    if aep.auth == "oauth" and oauth.client_secret_file is None and oauth.client_secret is not None:
        for secret in oauth.client_secret.get_secret_value().replace(",", " ").split():
            if is_example(secret):
                raise SettingsError(
                    f"{variable('oauth', 'client_secret')} is still the example: IMS would refuse it",
                    hint="the client secret is in the Developer Console, with the OAuth server-to-server credential",
                )
    _inlet(settings)


def _inlet(settings: Settings) -> httpx.URL:
    try:
        return httpx.URL(batch_url(settings.aep.endpoint or ""))
    except (httpx.InvalidURL, ValueError) as error:
        raise SettingsError(f"{variable('aep', 'endpoint')} is not a URL: {error}") from None


def open_envelope(settings: Settings) -> Envelope:
    """How this destination wraps an event."""
    aep = settings.aep
    if aep.payload == "raw":
        return raw_envelope(max_request_bytes=aep.batch_bytes)
    return xdm_envelope(
        schema_id=aep.schema_id or "",
        org_id=aep.org_id or "",
        dataset_id=aep.dataset_id or "",
        flow_id=aep.flow_id,
        source_name=SOURCE_NAME,
        max_request_bytes=aep.batch_bytes,
    )


def open_destination(settings: Settings, metrics: Metrics) -> AepDestination:
    """The destination of these settings; ``SettingsError`` names what is missing."""
    check_settings(settings)
    return AepDestination(
        url=_inlet(settings),
        headers=request_headers(settings),
        envelope=open_envelope(settings),
        tokens=TokenSource(settings.oauth, metrics) if settings.aep.auth == "oauth" else None,
        metrics=metrics,
        max_request_events=settings.aep.batch_events,
        concurrency=settings.aep.concurrency,
        timeout_seconds=settings.aep.timeout_seconds,
    )


def account_of(settings: Settings) -> str:
    """Whose limits they are: the organisation, whatever sandboxes its routes go to."""
    return f"aep {settings.aep.org_id or settings.aep.endpoint}"


def delivery_policy(settings: Settings) -> DeliveryPolicy:
    """How delivery goes about AEP, as the settings want it."""
    aep = settings.aep
    return DeliveryPolicy(
        linger=aep.linger_seconds,
        batch_bytes=aep.batch_bytes,
        batch_events=aep.batch_events,
        ceiling=aep.concurrency,
        requests_per_second=aep.requests_per_second,
        events_per_second=aep.events_per_second,
        account=account_of(settings),
        rate_share=aep.rate_share,
        by_key=aep.ordering == "key",
        postponed_tries=aep.postponed_tries,
    )
