"""Access tokens that the receiver gives to senders: OAuth 2.0 client credentials (RFC 6749, section 4.4), by authlib.

MoEngage Streams and Adobe's destinations fetch a token with client id and secret, in the form or as HTTP Basic, and send it as
``Authorization: Bearer``. A token is signed with a key made of the secret and holds its expiry: no receiver keeps any, every one
of several knows those of the others, and they outlive a restart. A changed secret ends all of them.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from authlib.oauth2.rfc6749 import AuthorizationServer, ClientCredentialsGrant, ClientMixin, OAuth2Request
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc6749.util import extract_basic_authorization
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_PURPOSE: Final = b"access tokens of the receiver"
_ALGORITHM: Final = "HS256"
_KIND: Final = "Bearer"
_AUDIENCE: Final = "moengage-aep-bridge"
_KNOWN: Final = 1_000
"""Tokens whose signature need not be looked at again; a sender has one or two."""
_SAID: Final = {
    "invalid_client": "client id and secret are missing or wrong",
    "unsupported_grant_type": "expected grant_type=client_credentials, in a form (application/x-www-form-urlencoded)",
}
"""Words for an error, which quote nothing of the request."""
_SOMEWHERE: Final = "https://receiver/token"
"""authlib wants to know that the address is safe; TLS is the listener's or a proxy's business, as for every other credential."""


def scheme_and_value(header: str) -> tuple[str, str]:
    """The scheme of an Authorization header in small letters, and what follows it."""
    scheme, *value = header.split(None, 1)[:2] or [""]
    return scheme.lower(), value[0].strip() if value else ""


def padded(encoded: str) -> str:
    """Base64 with the padding that some senders leave out."""
    return encoded + "=" * (-len(encoded) % 4)


class AccessTokens:
    """Gives tokens of ``seconds`` to the client of this id and secret, and knows them again. ``wall``: seconds since 1970."""

    def __init__(self, client_id: str, secret: str, seconds: int, wall: Callable[[], float] = time.time) -> None:
        self._key = OctKey.import_key(hmac.digest(secret.encode(), _PURPOSE, hashlib.sha256))
        self._client = _Client(client_id, secret)
        self._seconds = seconds
        self._wall = wall
        self._known: dict[str, int] = {}
        self._server = _Server(self._client, self._new)

    @property
    def client_id(self) -> str:
        """The id that the sender was told."""
        return self._client.client_id

    def answer(self, headers: Mapping[str, str], form: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        """Status and JSON of the answer to a request for a token, as RFC 6749 has them."""
        scheme, value = scheme_and_value(headers.get("Authorization", ""))
        headers = {"Authorization": f"{scheme} {padded(value)}"} if scheme == "basic" else {}
        try:
            extract_basic_authorization(headers)
        except ValueError:
            headers = {}  # no base64, or no text in it: credentials that are none
        status, body, _ = self._server.create_token_response(_Request(headers, form))
        if (error := body.get("error")) is not None:
            body = {"error": error} | ({"error_description": _SAID[error]} if error in _SAID else {})
        return status, body

    def admits(self, token: str) -> bool:
        """Whether the token is one of ours, and holds still."""
        now = self._wall()
        expires = self._known.get(token)
        if expires is None:
            expires = self._read(token)
            if expires is None:
                return False
            if len(self._known) >= _KNOWN:
                self._known.clear()
            self._known[token] = expires
        return now < expires

    def is_expired(self, token: str) -> bool:
        """Whether it was one of ours."""
        return self._read(token) is not None

    def _new(self, **_: object) -> dict[str, Any]:
        now = int(self._wall())
        claims = {"aud": _AUDIENCE, "sub": self._client.client_id, "iat": now, "exp": now + self._seconds}
        token = jwt.encode({"alg": _ALGORITHM}, claims, self._key)
        return {"access_token": token, "token_type": _KIND, "expires_in": self._seconds}

    def _read(self, token: str) -> int | None:
        """When a token of ours expires, in seconds since 1970; None for what is none."""
        try:
            claims = jwt.decode(token, self._key, algorithms=[_ALGORITHM]).claims
        except (JoseError, ValueError, TypeError, RecursionError):
            # The library looks at a header before the signature, and expects each member to be of its kind.
            return None
        expires = claims.get("exp")
        is_ours = claims.get("aud") == _AUDIENCE and claims.get("sub") == self._client.client_id
        return expires if is_ours and isinstance(expires, int) else None


class _Request(OAuth2Request):
    def __init__(self, headers: Mapping[str, str], form: Mapping[str, str]) -> None:
        super().__init__("POST", _SOMEWHERE, headers=headers)
        self.payload = BasicOAuth2Payload(dict(form))

    @property
    def form(self) -> Any:
        return self.payload.data

    @property
    def args(self) -> dict[str, str]:
        """Nothing is read from the address: what stands in it ends up in the logs of proxies."""
        return {}


class _Client(ClientMixin):
    def __init__(self, client_id: str, secret: str) -> None:
        self.client_id = client_id
        # As Basic it is form-encoded (RFC 6749, 2.3.1), and decoded therefore, but not every sender encodes it.
        self._secrets = (secret.encode(), unquote(secret).encode())

    def get_client_id(self) -> str:
        return self.client_id

    def get_allowed_scope(self, scope: str | None) -> str:
        # Scopes mean nothing here; a sender that asks for some is not refused for it.
        return scope or ""

    def check_client_secret(self, client_secret: str) -> bool:
        given = client_secret.encode("utf-8", errors="surrogateescape")
        return any(hmac.compare_digest(given, secret) for secret in self._secrets)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return endpoint == "token" and method in {"client_secret_basic", "client_secret_post"}

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "client_credentials"


class _Nobody(_Client):
    """Who gives another id: refused like who gives another secret, so that an answer tells neither from the other."""

    def check_client_secret(self, client_secret: str) -> bool:  # noqa: ARG002 - the signature is authlib's
        return False


class _Grant(ClientCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post")


class _Server(AuthorizationServer):
    """authlib's server for one client, without a store: tokens hold what is to be known of them."""

    def __init__(self, client: _Client, new: Callable[..., dict[str, Any]]) -> None:
        super().__init__()
        self._client = client
        self._nobody = _Nobody("", "")
        self.register_grant(_Grant)
        self.register_token_generator("default", new)

    def query_client(self, client_id: str) -> _Client:
        given, known = client_id.encode("utf-8", errors="surrogateescape"), self._client.client_id
        is_ours = any(hmac.compare_digest(given, each.encode()) for each in (known, unquote(known)))
        return self._client if is_ours else self._nobody

    def save_token(self, token: dict[str, Any], request: OAuth2Request) -> None:
        """Nothing to save."""

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Nobody listens."""

    def create_oauth2_request(self, request: OAuth2Request) -> OAuth2Request:
        return request

    def handle_response(self, status: int, body: Any, headers: Any) -> tuple[int, Any, Any]:
        return status, body, headers
