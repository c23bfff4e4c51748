"""Who may post: what the sender was told to send, compared in constant time.

MoEngage Streams offers no credentials, HTTP Basic, a static header, or OAuth client credentials (Streams page); no signature.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import TYPE_CHECKING, Protocol

from bridge.model.errors import SettingsError
from bridge.settings import variable
from bridge.sources.http.access_tokens import AccessTokens, padded, scheme_and_value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bridge.settings import ReceiverSettings


_SCHEMES = frozenset({"basic", "bearer", "digest", "negotiate", "ntlm", "hmac", "apikey"})
_LONGEST_NAME = 64
_NO_CHANCE = 6
"""A password of so many characters does not stand in a user's name by chance."""


class Authenticator(Protocol):
    """Decides on a request by its headers; ``challenge`` is the WWW-Authenticate of a refusal."""

    challenge: str

    def given(self, headers: Mapping[str, str]) -> str:
        """What a refused request gave, for the log: a user or a kind, never a secret."""
        ...

    def admits(self, headers: Mapping[str, str]) -> bool:
        """Whether the request carries the credentials."""
        ...


class _Open:
    challenge = ""

    def given(self, headers: Mapping[str, str]) -> str:  # noqa: ARG002 - the protocol's signature
        return "no credentials are asked for"

    def admits(self, headers: Mapping[str, str]) -> bool:  # noqa: ARG002 - the protocol's signature
        return True


class _Basic:
    def __init__(self, username: str, password: str, realm: str) -> None:
        self.challenge = f'Basic realm="{realm}", charset="UTF-8"'
        both = f"{username}:{password}"
        self._expected = both.encode()
        # So some senders write letters beyond ASCII, whatever charset the challenge names.
        self._in_latin_1 = both.encode("latin-1") if all(ord(letter) < 256 for letter in both) else self._expected

    def given(self, headers: Mapping[str, str]) -> str:
        header = headers.get("Authorization")
        if header is None:
            return "no Authorization header"
        scheme, _ = scheme_and_value(header)
        if scheme != "basic":
            # The word itself may be the secret.
            return f"Authorization of another kind ({scheme if scheme in _SCHEMES else 'unknown'})"
        pair = _pair(header)
        if pair is None or b":" not in pair:
            return "Basic that is not a user and password in base64"
        given, expected = pair.partition(b":")[0], self._expected.partition(b":")[0]
        # Some senders have one field for a key, and put it there.
        for password in (each.partition(b":")[2] for each in (self._expected, self._in_latin_1)):
            if given == password or (len(password) >= _NO_CHANCE and password in given):
                return "the password in the user's place"
        user = given.decode(errors="replace")[:_LONGEST_NAME]
        right = hmac.compare_digest(given, expected)
        return f"user {user!r} with a wrong password" if right else f"user {user!r}"

    def admits(self, headers: Mapping[str, str]) -> bool:
        pair = _pair(headers.get("Authorization", ""))
        if pair is None:
            return False
        in_utf_8, in_latin_1 = hmac.compare_digest(pair, self._expected), hmac.compare_digest(pair, self._in_latin_1)
        return in_utf_8 or in_latin_1


class _Header:
    def __init__(self, name: str, value: str) -> None:
        self._name = name
        self._expected = value.encode()
        self.challenge = f'Header name="{name}"'

    def given(self, headers: Mapping[str, str]) -> str:
        return f"a wrong value of {self._name}" if headers.get(self._name, "").strip() else f"no {self._name} header"

    def admits(self, headers: Mapping[str, str]) -> bool:
        # aiohttp hands over bytes that are not UTF-8 as surrogates.
        given = headers.get(self._name, "").strip().encode("utf-8", errors="surrogateescape")
        return bool(given) and hmac.compare_digest(given, self._expected)


class _Bearer:
    """Tokens of the receiver's own (:mod:`bridge.sources.http.access_tokens`)."""

    def __init__(self, tokens: AccessTokens, realm: str) -> None:
        self.challenge = f'Bearer realm="{realm}"'
        self._tokens = tokens

    def given(self, headers: Mapping[str, str]) -> str:
        header = headers.get("Authorization")
        if header is None:
            return "no Authorization header"
        token = _bearer(header)
        if token is None:
            return "Authorization of another kind than Bearer"
        return "a token that has expired" if self._tokens.is_expired(token) else "a token that is not one of ours"

    def admits(self, headers: Mapping[str, str]) -> bool:
        token = _bearer(headers.get("Authorization", ""))
        return token is not None and self._tokens.admits(token)


def tokens_of(settings: ReceiverSettings) -> AccessTokens | None:
    """What gives tokens to senders, where the settings ask for OAuth."""
    if settings.auth != "oauth" or settings.client_id is None or settings.client_secret is None:
        return None
    return AccessTokens(settings.client_id, settings.client_secret.get_secret_value(), settings.token_seconds)


def authenticator(settings: ReceiverSettings, realm: str = "events") -> Authenticator:
    """The check that the settings ask for; they are complete, since the settings checked themselves. ``realm``: for Basic."""
    if (tokens := tokens_of(settings)) is not None:
        return _Bearer(tokens, realm)
    password, value = settings.password, settings.header_value
    made: dict[str, Callable[[], Authenticator]] = {
        "none": _Open,
        "basic": lambda: _Basic(settings.username or "", password.get_secret_value() if password else "", realm),
        "header": lambda: _Header(settings.header_name, value.get_secret_value() if value else ""),
    }
    return made[settings.auth or "none"]()


def refuse_open(settings: ReceiverSettings) -> None:
    """Raise ``SettingsError`` where anybody could post and nobody said that anybody may."""
    if settings.auth is None and not settings.is_local:
        name = variable("receiver", "auth")
        raise SettingsError(
            f"{name} is not set, and {variable('receiver', 'host')}={settings.host} is reached from outside:"
            " anybody could post events",
            hint=f"{name}=basic, header or oauth, as the sender was told to send; {name}=none takes events from anybody",
        )


def _bearer(header: str) -> str | None:
    scheme, token = scheme_and_value(header)
    return token if scheme == "bearer" else None


def _pair(header: str) -> bytes | None:
    """User and password of Basic credentials."""
    scheme, encoded = scheme_and_value(header)
    if scheme != "basic":
        return None
    try:
        return base64.b64decode(padded(encoded).encode(), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return None
