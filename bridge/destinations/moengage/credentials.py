"""The Data API key: from the settings, or from a file that is read again when MoEngage refuses the key."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from bridge.destinations.http.reasons import without
from bridge.model.errors import SettingsError
from bridge.settings import is_example, variable

if TYPE_CHECKING:
    from bridge.settings import MoEngageSettings


class ApiKey:
    """One key at a time: a new one ends the old one at once. Raises ``SettingsError`` where there is none."""

    def __init__(self, settings: MoEngageSettings) -> None:
        self._workspace = settings.workspace_id or ""
        self._file = settings.api_key_file
        key = settings.api_key.get_secret_value() if settings.api_key is not None else None
        if self._file is not None:
            key = self._read()
            if key is None:
                raise SettingsError(
                    f"{variable('moengage', 'api_key_file')}: {self._file} cannot be read or holds no key",
                    hint=f"mount a file with the Data API key, or set {variable('moengage', 'api_key')}",
                )
        if key is None or is_example(key):
            name = variable("moengage", "api_key" if self._file is None else "api_key_file")
            raise SettingsError(
                f"{name}: not set, or still the example",
                hint="the Data API key is in MoEngage under Settings > Account > APIs, on the tile Data",
            )
        self._key = key

    @property
    def authorization(self) -> str:
        """The header's value: Basic, the workspace as the user."""
        return "Basic " + base64.b64encode(f"{self._workspace}:{self._key}".encode()).decode()

    def reload(self) -> bool:
        """Read the file again: true when that gave another key. Without a file, false."""
        found = None if self._file is None else self._read()
        if found is None or found == self._key:
            return False
        self._key = found
        return True

    def without(self, answer: bytes) -> bytes:
        """An answer without the key, alone or as the header has it."""
        return without(answer, self._key, self.authorization.removeprefix("Basic "))

    def redact(self, text: str) -> str:
        """The text without the key, should the service have echoed it."""
        return text.replace(self._key, "[…]")

    def _read(self) -> str | None:
        if self._file is None:
            return None
        try:
            text = self._file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None
        # Editors begin files with a byte order mark, and docker --env-file keeps quotes.
        return text.strip().strip("\ufeff\u200b\u2060\"'").strip() or None
