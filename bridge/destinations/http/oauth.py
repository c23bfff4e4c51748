"""Access tokens of Adobe IMS: cached, renewed ahead of expiry, one request for a token at a time.

Nothing here drops or gives up. While IMS refuses or is away the source says so (``NoToken``), asks again with growing
pauses, and recovers by itself: a rotated secret, a second secret, or a changed secret file is taken without a restart.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from bridge.destinations.http.exchange import NoReply, open_client, post
from bridge.destinations.http.grants import Granted, GrantRefused, Unavailable, read_grant, token_request
from bridge.destinations.http.secrets import Secrets

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx

    from bridge.settings import OauthSettings
    from bridge.telemetry.metrics import Metrics

_MOST_ANSWER_BYTES = 65_536
_REMIND_SECONDS = 60.0
_CHECK = "check BRIDGE_OAUTH__CLIENT_ID, BRIDGE_OAUTH__CLIENT_SECRET and BRIDGE_OAUTH__SCOPES"
_REACH = (
    "there is no token for AEP; if that lasts, check BRIDGE_OAUTH__TOKEN_URL and the outbound access of this network"
)

REFUSED_AGAIN = (
    "a new token was refused too: give the credential a product profile with write permission on the sandbox and dataset,"
    " and this machine's address a place on the allow-list if there is one"
)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Pauses:
    """How patient the source is; all in seconds.

    ``first`` and ``longest``: between two attempts. Where IMS is away, and no token lives, ``longest_away`` takes the place of
    ``longest``, counted from the begin of an attempt: to ask somebody who does not answer costs little, and everything waits.
    ``named_longest`` bounds what IMS asks for in ``Retry-After``.
    ``early`` and ``early_share`` bound how long before expiry renewal starts (10 % of the life, at most an hour, so that
    an IMS outage under an hour goes unnoticed); ``last`` and ``last_share`` when a token is no longer handed out.
    """

    timeout: float = 10.0
    quick: tuple[float, ...] = (0.5, 1.0)
    first: float = 2.0
    longest: float = 60.0
    longest_away: float = 5.0
    named_longest: float = 600.0
    forced_first: float = 1.0
    forced_longest: float = 300.0
    early: float = 3_600.0
    early_share: float = 0.10
    last: float = 30.0
    last_share: float = 0.02


@dataclass(frozen=True, slots=True, eq=False)
class Token:
    """A token as the header's value, made once; times on the source's clock."""

    authorization: str = field(repr=False)
    renew_at: float
    dead_at: float


@dataclass(frozen=True, slots=True)
class NoToken:
    """There is no token to be had currently; the reason says what to do."""

    reason: str


class TokenSource:
    """Tokens for every lane of a destination.

    ``token()`` is cheap while the token is fresh, and returns the old one while a new one is asked for in the background.
    ``renew(token)`` is for an answer of 401 or 403: one request for all lanes, none for a token replaced meanwhile.
    """

    def __init__(
        self,
        settings: OauthSettings,
        metrics: Metrics,
        *,
        pauses: Pauses | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._url = settings.token_url
        self._client_id = settings.client_id or ""
        self._scopes = settings.scopes
        self._secrets = Secrets(settings)
        self._metrics = metrics
        self._pauses = pauses or Pauses()
        self._clock, self._wall, self._sleep = clock, wall, sleep
        self._client: httpx.AsyncClient | None = None
        self._token: Token | None = None
        self._renewal: asyncio.Task[Token | NoToken] | None = None
        self._failure = NoToken("no token has been asked for yet")
        self._failures = 0
        self._not_before = self._without_not_before = 0.0
        """When IMS may be asked again while a token lives, and while none does."""
        self._secrets_refused = False
        self._reloading = asyncio.Lock()
        self._told = ("", 0.0)
        self._forced_pause = 0.0
        self._forced_not_before = 0.0

    async def token(self) -> Token | NoToken:
        """The token to send with; waits for IMS only when there is none that still lives."""
        token, now = self._token, self._clock()
        if token is not None and now < token.renew_at:
            return token
        if token is not None and now < token.dead_at:
            self._begin(now, self._not_before)
            return token
        return await self._renewed(now)

    async def renew(self, refused: Token) -> Token | NoToken:
        """Another token, after AEP has refused this one.

        Repeated refusals without a success between (``confirm``) are asked for ever less often: the credential then lacks
        a permission, and minting tokens does not change that.
        """
        now = self._clock()
        if self._token is refused:
            if now < self._forced_not_before:
                return NoToken(REFUSED_AGAIN)
            self._forced_pause = min(
                max(self._forced_pause * 2, self._pauses.forced_first), self._pauses.forced_longest
            )
            self._forced_not_before = now + self._forced_pause
            self._token = None
            log.warning("token_refused_by_aep", detail="The token is thrown away; a new one is asked for.")
        return await self.token()

    def confirm(self) -> None:
        """AEP has taken a request with the token."""
        if self._forced_pause:
            self._forced_pause = self._forced_not_before = 0.0

    async def aclose(self) -> None:
        """Stop asking and close the connection."""
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.gather(self._renewal, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def _begin(self, now: float, not_before: float) -> asyncio.Task[Token | NoToken] | None:
        if self._renewal is None and now >= not_before:
            self._renewal = asyncio.create_task(self._ask(), name="renew-token")
        return self._renewal

    async def _renewed(self, now: float) -> Token | NoToken:
        if self._secrets_refused and self._renewal is None:
            # One lane after the other: the others wait for the request that the first one begins, and nobody takes the file's
            # new secrets from under a request that would look for them.
            async with self._reloading:
                # The pause is for secrets that IMS has refused, not for those that were mounted since.
                if self._secrets_refused and self._renewal is None and await asyncio.to_thread(self._secrets.reload):
                    self._without_not_before = 0.0
            # While this one read the file another one may have a token already.
            token = self._token
            if token is not None and now < token.dead_at:
                return token
        renewal = self._begin(now, self._without_not_before)
        # Shielded: a lane that is cancelled must not take the token away from the others.
        return self._failure if renewal is None else await asyncio.shield(renewal)

    async def _ask(self) -> Token | NoToken:
        begun = self._clock()
        try:
            result = await self._ask_patiently()
        except Exception as error:  # noqa: BLE001 - ahead of expiry nobody waits for it, and nobody would hear of it
            result = Unavailable(f"unexpected {type(error).__name__} while IMS was asked")
        finally:
            self._renewal = None
        if isinstance(result, Token):
            self._token, self._failures, self._not_before, self._without_not_before = result, 0, 0.0, 0.0
            self._secrets_refused = False
            return result
        self._failures += 1
        self._secrets_refused = isinstance(result, GrantRefused) and result.secret_suspect
        self._pause(result, begun)
        todo = _CHECK if isinstance(result, GrantRefused) else _REACH
        self._failure = NoToken(f"{result.reason}: {todo}; the bridge holds events and retries by itself")
        self._tell(self._failure.reason)
        return self._failure

    def _pause(self, result: GrantRefused | Unavailable, begun: float) -> None:
        pauses, now = self._pauses, self._clock()
        jitter = random.uniform(0.75, 1.0)  # nosec B311 # noqa: S311 - jitter
        pause = min(pauses.first * 2 ** min(self._failures - 1, 16), pauses.longest)
        self._not_before = self._without_not_before = now + pause * jitter
        if isinstance(result, Unavailable):
            named = now + min(result.pause or 0.0, pauses.named_longest)
            self._not_before = max(self._not_before, named)
            self._without_not_before = max(begun + min(pause, pauses.longest_away) * jitter, named)

    def _tell(self, reason: str) -> None:
        before, at = self._told
        if self._failures == 1 or reason != before or self._clock() - at >= _REMIND_SECONDS:
            self._told = reason, self._clock()
            log.error(
                "token_unavailable",
                detail="IMS gives no token; it is asked again, and without one nothing is delivered.",
                reason=reason,
                failures=self._failures,
            )

    async def _ask_patiently(self) -> Token | GrantRefused | Unavailable:
        # Only a hiccup is bridged: of an outage the first attempt has told, and one that takes so long is none.
        hiccup_until = self._clock() + self._pauses.timeout
        for pause in (*(() if self._failures else self._pauses.quick), None):
            result = await self._ask_with_every_secret()
            if not isinstance(result, Unavailable) or result.pause is not None or pause is None:
                return result
            if self._clock() >= hiccup_until:
                return result
            await self._sleep(pause)
        raise AssertionError  # pragma: no cover - the last pause is None

    async def _ask_with_every_secret(self) -> Token | GrantRefused | Unavailable:
        tried: set[str] = set()
        result: Token | GrantRefused | Unavailable = GrantRefused("there is no client secret", secret_suspect=True)
        for again in (True, False):
            for secret in tuple(self._secrets):
                if secret in tried:
                    continue
                tried.add(secret)
                result = await self._ask_once(secret)
                if isinstance(result, Token):
                    self._secrets.prefer(secret)
                if not (isinstance(result, GrantRefused) and result.secret_suspect):
                    return result
            if not (again and await asyncio.to_thread(self._secrets.reload)):
                break
        return result

    async def _ask_once(self, secret: str) -> Token | GrantRefused | Unavailable:
        if self._client is None:
            self._client = open_client(connections=1, timeout_seconds=self._pauses.timeout)
        headers, body = token_request(self._url, client_id=self._client_id, secret=secret, scopes=self._scopes)
        asked = self._clock()
        reply = await post(
            self._client,
            self._url,
            body=body,
            headers=headers,
            timeout_seconds=self._pauses.timeout,
            most_bytes=_MOST_ANSWER_BYTES,
        )
        if isinstance(reply, NoReply):
            self._metrics.token_refreshes.labels("unavailable").inc()
            return Unavailable(self._secrets.redact(f"IMS cannot be reached, {reply.reason}"))
        match read_grant(reply.status, reply.headers, reply.body, now=self._wall()):
            case Granted(token, lifetime):
                self._metrics.token_refreshes.labels("ok").inc()
                log.info("token_obtained", detail="IMS has given a token.", lifetime_seconds=round(lifetime))
                return self._fresh(token, asked, lifetime)
            case GrantRefused(reason, suspect):
                self._metrics.token_refreshes.labels("refused").inc()
                return GrantRefused(self._secrets.redact(reason), suspect)
            case Unavailable(reason, pause):
                self._metrics.token_refreshes.labels("unavailable").inc()
                return Unavailable(self._secrets.redact(reason), pause)

    def _fresh(self, token: str, asked: float, lifetime: float) -> Token:
        early = min(self._pauses.early, lifetime * self._pauses.early_share)
        last = min(self._pauses.last, lifetime * self._pauses.last_share)
        return Token(f"Bearer {token}", asked + lifetime - early, asked + lifetime - last)
