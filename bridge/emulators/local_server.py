"""An emulator's HTTP server on this machine: it binds, serves and stops."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

from aiohttp import web

from bridge.model.errors import BridgeError

if TYPE_CHECKING:
    from types import TracebackType

MOST_READ = 64_000_000
"""Bodies are read whole up to here before they are called too large, as a client that is still sending cannot hear 413."""


class LocalServer(ABC):
    """Serves :meth:`app`; ``async with`` it, or start and stop."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._runner: web.AppRunner | None = None

    @abstractmethod
    def app(self) -> web.Application:
        """The aiohttp application."""

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{self._host}:{self._port}"

    async def start(self) -> Self:
        """Bind and serve; with port 0 the system chooses one."""
        # A hanging handler ends with its client, else every hang would outlive the test that asked for it.
        runner = web.AppRunner(self.app(), access_log=None, handler_cancellation=True, shutdown_timeout=0.5)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self._port, backlog=1024).start()
        except OSError as error:
            await runner.cleanup()
            raise BridgeError(
                f"the emulator cannot listen on {self._host}:{self._port}: {error.strerror or error}",
                hint="choose another --port (0 takes any free one) or --host",
            ) from None
        self._runner = runner
        self._port = runner.addresses[0][1]
        return self

    async def stop(self) -> None:
        """Stop listening and cut connections; the port stays the same for another ``start``."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
