"""Asking Adobe IMS for an access token, and reading what it answers: pure, and never raising.

OAuth server-to-server (Adobe Developer Console, "ServerToServerAuthentication"): ``POST /ims/token/v3`` with
``grant_type=client_credentials``, ``client_id``, ``client_secret`` and comma-joined ``scope`` in the form body (a query
string ends up in logs); the answer is ``{"access_token", "token_type", "expires_in"}`` with seconds, and there is no
refresh token. Error bodies are not documented; OAuth's own (RFC 6749, 5.2) is assumed and none is required.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_token_request

from bridge.destinations.http.reasons import parse, reason_of
from bridge.destinations.http.retry_after import retry_after

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LONGEST_LIFETIME = 86_400.0
"""IMS tokens live 24 h. A longer ``expires_in`` is not believed: older IMS answers gave milliseconds."""
ASSUMED_LIFETIME = 3_600.0
"""Where ``expires_in`` is absent."""

_TOKEN = re.compile(r"[\x21-\x7e]{1,16384}", flags=re.ASCII)
_SUSPECT_SECRET = frozenset({"invalid_client", "unauthorized_client", "access_denied"})


@dataclass(frozen=True, slots=True)
class Granted:
    """A token and how long it lives, in seconds."""

    token: str = field(repr=False)
    lifetime: float


@dataclass(frozen=True, slots=True)
class GrantRefused:
    """IMS says no; asking again in the same way is no use. ``secret_suspect``: another secret may do."""

    reason: str
    secret_suspect: bool


@dataclass(frozen=True, slots=True)
class Unavailable:
    """IMS did not say; ask again, not before ``pause`` seconds where it named them."""

    reason: str
    pause: float | None = None


def token_request(url: str, *, client_id: str, secret: str, scopes: Sequence[str]) -> tuple[dict[str, str], bytes]:
    """Headers and form body of the request for a token."""
    form = prepare_token_request("client_credentials", "", scope=",".join(scope.strip() for scope in scopes))
    headers: dict[str, str] = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    _, headers, form = ClientAuth(client_id, secret, "client_secret_post").prepare("POST", url, headers, form)
    return headers, form.encode()


def read_grant(
    status: int, headers: Mapping[str, str], body: bytes, *, now: float
) -> Granted | GrantRefused | Unavailable:
    """What IMS answered; ``now`` in seconds since 1970, for ``Retry-After`` as a date where IMS gives no ``Date``."""
    document = parse(body)
    error = document.get("error") if isinstance(document, dict) else None
    said = reason_of(document)
    if status in (408, 425, 429) or status >= 500:
        reason = f"IMS answered {status}" + (f" ({said})" if said else "")
        return Unavailable(reason, retry_after(headers, now=now))
    if 400 <= status < 500 or (isinstance(error, str) and error):
        suspect = status in (401, 403) or (isinstance(error, str) and error in _SUSPECT_SECRET)
        return GrantRefused(f"IMS answered {status}" + (f" ({said})" if said else ""), suspect)
    granted = _granted(document) if status == 200 else None
    return granted or Unavailable(f"IMS answered {status} without a usable token")


def _granted(document: Any) -> Granted | None:
    if not isinstance(document, dict):
        return None
    token, lifetime = document.get("access_token"), _lifetime(document.get("expires_in"))
    # Anything else could not stand in a header.
    if not isinstance(token, str) or not _TOKEN.fullmatch(token) or lifetime is None:
        return None
    return Granted(token, lifetime)


def _lifetime(value: Any) -> float | None:
    if value is None:
        return ASSUMED_LIFETIME
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    return min(seconds, LONGEST_LIFETIME) if math.isfinite(seconds) and seconds > 0 else None
