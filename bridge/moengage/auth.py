"""Who may post: what MoEngage was told to send, compared in constant time.

MoEngage Streams offers no credentials, HTTP Basic, or a static header (Streams page); no signature and no renewal.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bridge.settings import ReceiverSettings


class Authenticator(Protocol):
    """Decides on a request by its headers; ``challenge`` is the WWW-Authenticate of a refusal."""

    challenge: str

    def admits(self, headers: Mapping[str, str]) -> bool:
        """Whether the request carries the credentials."""
        ...


class _Open:
    challenge = ""

    def admits(self, headers: Mapping[str, str]) -> bool:  # noqa: ARG002 - the protocol's signature
        return True


class _Basic:
    challenge = 'Basic realm="MoEngage Streams", charset="UTF-8"'

    def __init__(self, username: str, password: str) -> None:
        self._expected = f"{username}:{password}".encode()

    def admits(self, headers: Mapping[str, str]) -> bool:
        scheme, _, encoded = headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            given = base64.b64decode(encoded.strip().encode(), validate=True)
        except (binascii.Error, UnicodeEncodeError):
            return False
        return hmac.compare_digest(given, self._expected)


class _Header:
    def __init__(self, name: str, value: str) -> None:
        self._name = name
        self._expected = value.encode()
        self.challenge = f'Header name="{name}"'

    def admits(self, headers: Mapping[str, str]) -> bool:
        # aiohttp hands over bytes that are not UTF-8 as surrogates.
        given = headers.get(self._name, "").strip().encode("utf-8", errors="surrogateescape")
        return hmac.compare_digest(given, self._expected)


def authenticator(settings: ReceiverSettings) -> Authenticator:
    """The check that the settings ask for; they are complete, since the settings checked themselves."""
    made: dict[str, Callable[[], Authenticator]] = {
        "none": _Open,
        "basic": lambda: _Basic(
            settings.username or "", settings.password.get_secret_value() if settings.password else ""
        ),
        "header": lambda: _Header(
            settings.header_name, settings.header_value.get_secret_value().strip() if settings.header_value else ""
        ),
    }
    return made[settings.auth]()
