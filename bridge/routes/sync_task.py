"""A route's schedule: the worker that leads starts ``sync run`` when the cron expression says so, in a process of its own.

Of its own, as a database's driver blocks, and what a run needs of memory and processor must not be the stream's. The process ends with
its worker: it is stopped where it sees that nobody holds the other end of its input.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import orjson
import structlog
from cronsim import CronSim

from bridge.model.errors import BridgeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.model.ports import Lead
    from bridge.settings import Route

_log = structlog.get_logger(__name__)
_STOP_SECONDS: Final = 20.0
_MOST_WORDS: Final = 400


def next_run(expression: str, after: float) -> float:
    """The first moment after ``after`` that the expression names; both in seconds since 1970, UTC."""
    return next(CronSim(expression, datetime.fromtimestamp(after, UTC))).timestamp()


class SyncTask:
    """A :class:`bridge.model.ports.LeaderTask`. ``command`` is what is started; the run that is asked for is added to it."""

    name = "sync"
    retry_seconds = 60.0

    def __init__(self, route: Route, command: Sequence[str] = (sys.executable, "-m", "bridge")) -> None:
        self._route = route
        self._command = command
        self._since: float | None = None

    @property
    def off(self) -> str:
        """Why it does not run."""
        return "" if self._route.settings.warehouse.schedule else "BRIDGE_WAREHOUSE__SCHEDULE is not set"

    def due(self, succeeded: float | None, now: float) -> float:
        """When the schedule names the next run; what was missed while no worker ran is made up for once."""
        if self._since is None:
            self._since = now
        return next_run(self._route.settings.warehouse.schedule or "", self._since if succeeded is None else succeeded)

    async def run(self, lead: Lead) -> None:
        """Run once; rows that were refused are the account's to tell and no failure. Raises ``BridgeError`` and ``LeadLost``."""
        lead.check()
        child = await asyncio.create_subprocess_exec(
            *self._command,
            "sync",
            "run",
            "--route",
            self._route.name,
            "--json",
            "--while-input-is-open",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            out, words = await _heard(child)
        finally:
            await _ended(child)
        account = _account(out)
        if account is None or account.get("end") != "done":
            raise BridgeError(f"sync run: {_last(words) or f'it ended with {child.returncode}'}")
        _log.info(
            "sync_done",
            detail="The route's rows have been compared, and the changed ones are delivered.",
            read=account["read"],
            sent=account["sent"],
            accepted=account["accepted"],
            refused=account["refused"],
            invalid=account["invalid"],
            seconds=account["seconds"],
        )
        if account.get("held_back") or account.get("unaccounted"):
            _log.warning(
                "sync_incomplete",
                detail="Vanished rows are held back, or rows were deleted from the topic undelivered: aep-bridge sync status shows them.",
                held_back=account.get("held_back", 0),
                unaccounted=account.get("unaccounted", 0),
            )

    async def aclose(self) -> None:
        """Nothing is open between two runs."""


async def _heard(child: asyncio.subprocess.Process) -> tuple[bytes, bytes]:
    """What it prints, and what it says. Its input stays open until it has ended."""
    if child.stdout is None or child.stderr is None:
        raise BridgeError("the output of sync run cannot be read")
    out, words = await asyncio.gather(child.stdout.read(), child.stderr.read())
    await child.wait()
    return out, words


async def _ended(child: asyncio.subprocess.Process) -> None:
    """Have it end: its rows that wait in Kafka are found by the next run."""
    if child.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        child.terminate()
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await child.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()


def _account(out: bytes) -> dict[str, object] | None:
    try:
        document = orjson.loads(out)
    except orjson.JSONDecodeError:
        return None
    return document if isinstance(document, dict) else None


def _last(words: bytes) -> str:
    """The last thing it said of an error."""
    lines = [line for line in words.decode("utf-8", errors="replace").splitlines() if line.strip()]
    told = [line for line in lines if line.startswith("error:")] or lines
    return told[-1].removeprefix("error:").strip()[:_MOST_WORDS] if told else ""
