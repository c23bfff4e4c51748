"""The bridge's own commands as the demo runs them: separate processes, watched until ready, ended by pid."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING, Self

import httpx

from bridge.model.errors import BridgeError
from bridge.runtime.deadline import StopBudget

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

_READY_SECONDS = 40.0
_DRAIN_SECONDS = 20.0
"""The default of ``worker.drain_seconds``, which holds here."""
_TAIL_LINES = 15


def free_port() -> int:
    """A port that nothing listens on currently."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Command:
    """``python -m bridge NAME`` with its settings in the environment and its words in a log file."""

    def __init__(self, name: str, settings: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self.telemetry = f"http://127.0.0.1:{settings['BRIDGE_TELEMETRY__PORT']}"
        self._settings = settings
        self._folder = folder
        self._log = folder / f"{name}.log"

    async def __aenter__(self) -> Self:
        # Settings of whoever runs the demo must not leak into it; neither must the .env file of the folder it is run in.
        inherited = {key: value for key, value in os.environ.items() if not key.upper().startswith("BRIDGE_")}
        source_tree = os.pathsep.join(path for path in sys.path if path)
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "bridge", self.name),
                env={**inherited, "PYTHONPATH": source_tree, **self._settings},
                cwd=self._folder,
                stdout=log,
                stderr=log,
                # A Ctrl-C in the terminal is for the demo, which then ends its parts in order.
                start_new_session=True,
            )
        return self

    async def ready(self) -> None:
        """Wait for ``/health/ready``; raises ``BridgeError`` with the end of the log when it does not come."""
        async with httpx.AsyncClient(timeout=2) as client, asyncio.timeout(_READY_SECONDS):
            while self._process.returncode is None:
                try:
                    if (await client.get(f"{self.telemetry}/health/ready")).status_code == httpx.codes.OK:
                        return
                except httpx.HTTPError:
                    pass  # not listening yet: that is what is being waited for
                await asyncio.sleep(0.1)
        raise BridgeError(f"the {self.name} ended before it was ready (exit {self._process.returncode})\n{self.tail()}")

    def tail(self) -> str:
        """The last lines of its log."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-_TAIL_LINES:])

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(StopBudget(_DRAIN_SECONDS).killed):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
