"""The socket before the receiver: TLS, a bound on connections, and a stop that finishes what is under way."""

from __future__ import annotations

import asyncio
import resource
from typing import TYPE_CHECKING, Self, cast

import structlog
from aiohttp import web

from bridge.model.errors import BridgeError
from bridge.settings import variable
from bridge.settings.tls import RenewedContext, TlsFiles
from bridge.sources.http.access import Admission, Places
from bridge.sources.http.auth import refuse_open
from bridge.sources.http.connection import Connection
from bridge.sources.http.endpoint import Receiver
from bridge.sources.http.handshakes import told_handshakes

if TYPE_CHECKING:
    import ssl

    from bridge.settings import ReceiverSettings
    from bridge.sources.http.reception import Reception

log = structlog.get_logger(__name__)

# Longer than the 60 s after which load balancers drop an idle connection, so that they never reuse one that is closing.
_KEEPALIVE_SECONDS = 75.0
_LINGER_SECONDS = 2.0
_BACKLOG = 1024
_OTHER_FILES = 200
_LISTENING = "Requests are accepted; 200 means that Kafka has every event."


class Listener:
    """Listens while entered. Leaving stops accepting, finishes requests under way, and closes."""

    def __init__(self, settings: ReceiverSettings, receiver: Receiver | Reception) -> None:
        self._settings = settings
        self._receiver = receiver
        self._runner: web.AppRunner | None = None
        self._server: asyncio.Server | None = None
        self._places = Places(settings.max_connections_per_address, Admission.of(settings))
        self.port = settings.port

    async def __aenter__(self) -> Self:
        settings = self._settings
        if isinstance(self._receiver, Receiver):
            # Of several each has credentials of its own, which whoever put them together has looked at.
            refuse_open(settings)
        context = tls_context(settings)
        if context is not None:
            context.sslobject_class = told_handshakes(self._receiver.refusals.handshake_failed)
        self._runner = web.AppRunner(
            self._receiver.application(),
            access_log=None,
            shutdown_timeout=1.0,
        )
        await self._runner.setup()
        _raise_file_limit(settings.max_connections + _OTHER_FILES)
        try:
            self._server = await asyncio.get_running_loop().create_server(
                self._protocol,
                settings.host,
                settings.port,
                ssl=context,
                ssl_handshake_timeout=settings.read_timeout_seconds if context else None,
                backlog=_BACKLOG,
                reuse_address=True,
            )
        except OSError as error:
            await self._runner.cleanup()
            raise BridgeError(
                f"the receiver cannot listen on {settings.host}:{settings.port}: {error.strerror or error}",
                hint=f"set {variable('receiver', 'port')} or {variable('receiver', 'host')}",
            ) from None
        self.port = self._server.sockets[0].getsockname()[1]
        scheme = "https" if context else "http"
        base = f"{scheme}://{settings.host}:{self.port}"
        if isinstance(self._receiver, Receiver):
            log.info(
                "receiver_listening", detail=_LISTENING, url=base + self._receiver.path, auth=settings.auth or "none"
            )
            tell_open(settings)
        else:
            log.info("receiver_listening", detail=_LISTENING, url=base, paths=self._receiver.paths)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        # aiohttp's own shutdown would stop reading bodies at once.
        await self._receiver.stop()
        if self._runner is not None:
            await self._runner.cleanup()

    def _protocol(self) -> asyncio.Protocol:
        server = self._runner.server if self._runner is not None else None
        if server is None or len(server.connections) >= self._settings.max_connections:
            return _Full(self._receiver.full())
        return Connection(
            server,
            observer=self._receiver.refusals,
            places=self._places,
            head_seconds=self._settings.read_timeout_seconds,
            loop=asyncio.get_running_loop(),
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=_KEEPALIVE_SECONDS,
            lingering_time=_LINGER_SECONDS,
        )


def tell_open(settings: ReceiverSettings, hint: str = f"set {variable('receiver', 'auth')} to basic or header") -> None:
    """Warn where anybody may post, because somebody said so."""
    if settings.auth == "none" and not settings.is_local and not settings.allow_from and not settings.tls_client_cafile:
        log.warning(
            "receiver_open_to_all",
            detail="Whoever reaches the port may post events: no credentials are asked for.",
            hint=hint,
        )


def _raise_file_limit(wanted: int) -> None:
    # Without a descriptor left, accepting fails for everybody, with a line in the log for each attempt.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        if limit < wanted:
            log.warning(
                "too_few_file_descriptors",
                detail="The system allows fewer open files than max_connections needs: connections beyond it will fail.",
                limit=limit,
                wanted=wanted,
            )


class _Full(asyncio.Protocol):
    """Gives the one connection too many its answer."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say so, and close."""
        # uvloop's transports are none of asyncio's classes.
        cast("asyncio.Transport", transport).write(self._answer)
        transport.close()


def tls_context(settings: ReceiverSettings) -> ssl.SSLContext | None:
    """The server's TLS context, with client certificates where asked for; None without ``tls_certfile``."""
    if settings.tls_certfile is None:
        return None
    return RenewedContext(
        TlsFiles(
            "receiver",
            ("tls_certfile", "tls_keyfile", "tls_client_cafile", "tls_key_password"),
            settings.tls_certfile,
            settings.tls_keyfile,
            settings.tls_client_cafile,
            settings.tls_key_password,
            server=True,
        )
    )
