"""The client secrets of the IMS credential: one, or two while rotating, from the settings or from a mounted file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.model.errors import SettingsError
from bridge.settings import is_example

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.settings import OauthSettings


class Secrets:
    """Secrets to try, the one that worked last first. A file (Kubernetes, Vault) can be read again."""

    def __init__(self, settings: OauthSettings) -> None:
        self._file = settings.client_secret_file
        self._secrets: tuple[str, ...] = ()
        if self._file is None and settings.client_secret is not None:
            self._secrets = _split(settings.client_secret.get_secret_value())
        if self._file is not None and not self.reload():
            raise SettingsError(
                f"BRIDGE_OAUTH__CLIENT_SECRET_FILE: {self._file} cannot be read or holds no secret",
                hint="mount a file with the client secret, or set BRIDGE_OAUTH__CLIENT_SECRET",
            )
        if self._file is not None and any(map(is_example, self._secrets)):
            raise SettingsError(
                f"BRIDGE_OAUTH__CLIENT_SECRET_FILE: {self._file} still holds the example: IMS would refuse it",
                hint="the client secret is in the Developer Console, with the OAuth server-to-server credential",
            )

    def __iter__(self) -> Iterator[str]:
        return iter(self._secrets)

    def __bool__(self) -> bool:
        return bool(self._secrets)

    def prefer(self, secret: str) -> None:
        """Try this one first from now on."""
        self._secrets = (secret, *(other for other in self._secrets if other != secret))

    def reload(self) -> bool:
        """Read the file again: true when that gave secrets that were not known. Without a file, false."""
        if self._file is None:
            return False
        try:
            found = _split(self._file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            return False
        if not found or set(found) <= set(self._secrets):
            return False
        self._secrets = found
        return True

    def redact(self, text: str) -> str:
        """The text without any of the secrets, should a service have echoed one."""
        for secret in self._secrets:
            text = text.replace(secret, "[…]")
        return text


def _split(text: str) -> tuple[str, ...]:
    # Editors begin files with a byte order mark, and docker --env-file keeps quotes.
    parts = (part.strip("\ufeff\u200b\u2060\"'") for part in text.replace(",", " ").split())
    return tuple(dict.fromkeys(part for part in parts if part))
