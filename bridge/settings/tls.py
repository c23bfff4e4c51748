"""TLS contexts of PEM files, for Kafka's clients and for the receiver: one builder, and files that may be renewed.

Certificates live for weeks, processes for longer: whoever renews them writes new files under the same names. A context of
:class:`RenewedContext` looks at its files at each new connection and reads those that have changed.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import structlog

from bridge.model.errors import SettingsError
from bridge.settings import variable

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import SecretStr

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files of one side, and how the settings of ``section`` call them: certificate, key, authority, password.

    ``certificate`` may hold the key too. ``authority`` signs the other side's certificates, and nobody else may; without it a
    client trusts whom the system trusts, and a server asks for no certificate.
    """

    section: str
    names: tuple[str, str, str, str]
    certificate: Path | None = None
    key: Path | None = None
    authority: Path | None = None
    password: SecretStr | None = None
    server: bool = False
    check_hostname: bool = True

    @property
    def paths(self) -> tuple[Path, ...]:
        """Those that are named."""
        return tuple(path for path in (self.certificate, self.key, self.authority) if path is not None)

    def read_into(self, context: ssl.SSLContext) -> None:
        """Load the files; ``SettingsError`` names the setting of one that cannot be used."""
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if not self.server:
            context.check_hostname = self.check_hostname
        name, path = self.names[2], self.authority
        try:
            if self.authority is not None:
                context.load_verify_locations(cafile=str(self.authority))
                context.verify_mode = ssl.CERT_REQUIRED
            elif not self.server:
                context.load_default_certs(ssl.Purpose.SERVER_AUTH)
            if self.certificate is not None:
                with_key = self.key is not None and self.certificate.is_file()
                name, path = (self.names[1], self.key) if with_key else (self.names[0], self.certificate)
                password = self.password.get_secret_value() if self.password else ""
                # Given a function, OpenSSL never asks for the password on the terminal.
                context.load_cert_chain(
                    str(self.certificate), None if self.key is None else str(self.key), password=lambda: password
                )
        except OSError as error:
            why = (getattr(error, "reason", None) or error.strerror or str(error)).replace("_", " ").lower()
            raise SettingsError(
                f"{variable(self.section, name)}: {path} cannot be used: {why}",
                hint="certificates, their keys and authorities are PEM files; an encrypted key needs "
                + variable(self.section, self.names[3]),
            ) from None


class RenewedContext(ssl.SSLContext):
    """A context that reads its files again when they have changed, for the connections that begin from then on.

    Files that cannot be used (half written, or a key that is not the certificate's yet) leave it as it was, with a warning.
    The other side is judged by the new authority alone: what was trusted before is not trusted any more.
    """

    _files: TlsFiles
    _seen: tuple[Any, ...]
    _newest: ssl.SSLContext | None

    def __new__(cls, files: TlsFiles) -> Self:
        """Read the files for the first time; raises ``SettingsError``."""
        context = super().__new__(cls, _protocol(files))
        context._files, context._newest = files, None
        context._seen = _state(files.paths)
        files.read_into(context)
        return context

    def __init__(self, _files: TlsFiles) -> None:
        """All is done by then."""

    def wrap_bio(self, *args: Any, **options: Any) -> ssl.SSLObject:
        """Begin a connection, as asyncio does."""
        newest = self._current()
        return super().wrap_bio(*args, **options) if newest is None else newest.wrap_bio(*args, **options)

    def wrap_socket(self, *args: Any, **options: Any) -> ssl.SSLSocket:
        """Begin a connection on a socket."""
        newest = self._current()
        return super().wrap_socket(*args, **options) if newest is None else newest.wrap_socket(*args, **options)

    def _current(self) -> ssl.SSLContext | None:
        """The context of the files as they are; None while they are as they were at first."""
        state = _state(self._files.paths)
        if state != self._seen:
            self._seen = state
            try:
                newest = ssl.SSLContext(_protocol(self._files))
                newest.sslobject_class = self.sslobject_class
                self._files.read_into(newest)
            except SettingsError as error:
                log.warning(
                    "tls_files_unusable",
                    detail="The changed certificate files cannot be used; those before stay in use.",
                    error=str(error),
                )
            else:
                self._newest = newest
                log.info(
                    "tls_files_read_again",
                    detail="New connections use the changed certificate files.",
                    files=list(map(str, self._files.paths)),
                )
        return self._newest


def _protocol(files: TlsFiles) -> int:
    return ssl.PROTOCOL_TLS_SERVER if files.server else ssl.PROTOCOL_TLS_CLIENT


def _state(paths: tuple[Path, ...]) -> tuple[Any, ...]:
    """What changes with a file's content: kept by name, so that a link that points elsewhere counts too."""
    return tuple(_file_state(path) for path in paths)


def _file_state(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
