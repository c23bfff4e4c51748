"""Several worker processes under one parent: started, watched, started again, and ended together.

Processes, as one interpreter runs on one core. Each is started anew rather than forked: what Kafka's and AEP's clients
hold (loops, threads, sockets, locks) does not survive a fork, a process that is started again after hours must see
the files as they are then, and it is the very command that runs alone elsewhere. The price is the memory of the imported
modules, some 60 MB a process, which a fork would share until the interpreter's reference counts unshare it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from random import Random
from typing import TYPE_CHECKING

import structlog

from bridge.pipeline.member import JOINED, LISTENING, SPARE_SECONDS
from bridge.pipeline.pacing import Backoff
from bridge.pipeline.restarts import Restarts
from bridge.settings import variable
from bridge.telemetry.gathering import GatheringServer
from bridge.telemetry.health import Health
from bridge.telemetry.metrics import GroupMetrics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from bridge.settings import Settings

_log = structlog.get_logger(__name__)


def member_environment(settings: Settings, count: int, inherited: Mapping[str, str]) -> dict[str, str]:
    """What each of ``count`` processes is told: ``inherited``, a telemetry port of its own on loopback, its part of the rates."""
    told = {
        variable("worker", "processes"): "1",
        variable("telemetry", "host"): "127.0.0.1",
        variable("telemetry", "port"): "0",
    }
    # By partitions (auto) the shares of all processes come to one by themselves; a number is told in commands.
    if isinstance(settings.aep.rate_share, int):
        told[variable("aep", "rate_share")] = str(settings.aep.rate_share * count)
    return {name: value for name, value in inherited.items() if name.upper() not in told} | told


def member_command(number: int) -> list[str]:
    """This same program, as one process of a group. With -P and the path in the environment it imports what we did."""
    return [sys.executable, "-P", "-m", "bridge", "worker", "--member", str(number)]


def exit_code(codes: Sequence[int]) -> int:
    """1 when any process left something unfinished."""
    return int(any(codes))


class Group:
    """``count`` worker processes; :meth:`run` once, in a running loop."""

    def __init__(self, settings: Settings, count: int) -> None:
        self._settings = settings
        self._metrics = GroupMetrics()
        self._health = Health()
        self._restarts = Restarts(Backoff(Random()))  # nosec B311 # noqa: S311 - jitter
        path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)  # noqa: PTH100 - '' is the folder we are in
        self._environment = member_environment(settings, count, os.environ) | {"PYTHONPATH": path}
        self._numbers = range(count)
        self._running: dict[int, asyncio.subprocess.Process] = {}
        self._addresses: dict[int, str] = {}
        self._codes: list[int] = []
        self._given_up: int | None = None
        self._stop = asyncio.Event()
        self._clock = asyncio.get_running_loop().time

    async def run(self) -> int:
        """Work until stopped. 0 when every process finished all that it had begun, 1 when not; theirs when they cannot even start."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled, signal.Signals(number).name)
        async with GatheringServer(self._settings.telemetry, self._metrics, self._health, lambda: self._addresses):
            _log.info("worker_processes_start", detail="Worker processes are started.", count=len(self._numbers))
            kept = [asyncio.create_task(self._keep(number), name=f"process {number}") for number in self._numbers]
            try:
                stopping = asyncio.create_task(self._stop.wait())
                await asyncio.wait({*kept, stopping}, return_when=asyncio.FIRST_COMPLETED)
                stopping.cancel()
                self._end(signal.SIGTERM)
                budget = self._settings.worker.drain_seconds + SPARE_SECONDS
                _, late = await asyncio.wait(kept, timeout=budget)
                if late:
                    _log.error(
                        "worker_processes_killed", detail="They did not stop in time.", processes=sorted(self._running)
                    )
                    self._end(signal.SIGKILL)
                await asyncio.gather(*kept)
            finally:
                # An error of our own must not leave them behind either.
                self._end(signal.SIGKILL)
        if self._given_up is not None:
            return self._given_up
        code = exit_code(self._codes)
        _log.info("worker_processes_ended", detail="Every worker process has ended.", exit_code=code)
        return code

    def _signalled(self, name: str) -> None:
        if self._stop.is_set():
            _log.warning(
                "leaving_at_once", detail="A second signal ends it.", signal=name, processes=sorted(self._running)
            )
            self._end(signal.SIGKILL)
            os._exit(1)
        _log.info(
            "worker_processes_stop",
            detail="Every worker process drains and ends.",
            signal=name,
            budget=self._settings.worker.drain_seconds,
        )
        self._health.hold("draining", "told to stop")
        self._stop.set()

    def _end(self, number: int) -> None:
        self._stop.set()
        for process in self._running.values():
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)

    async def _keep(self, number: int) -> None:
        """Start process ``number``, and again whenever it ends, until the group stops."""
        up = self._metrics.process_up.labels(str(number))
        restarts = self._metrics.process_restarts.labels(str(number))
        while not self._stop.is_set():
            self._health.hold(f"process {number}", "is starting")
            process = await asyncio.create_subprocess_exec(
                *member_command(number),
                env=self._environment,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            self._running[number] = process
            up.set(1)
            if self._stop.is_set():  # told meanwhile
                process.terminate()
            code = await self._attend(number, process)
            up.set(0)
            if self._stop.is_set():
                self._codes.append(code)
                return
            delay = self._restarts.ended(number, self._clock())
            if delay is None:
                _log.error(
                    "worker_processes_given_up",
                    detail="They end before they have joined the group.",
                    process=number,
                    exit_code=code,
                )
                self._given_up = 128 - code if code < 0 else code or 1
                self._stop.set()
                return
            reason = f"ended (exit code {code}), is started again in {delay:.1f} s"
            _log.error(
                "worker_process_ended",
                detail="It is started again.",
                process=number,
                exit_code=code,
                seconds=round(delay, 1),
            )
            self._health.hold(f"process {number}", reason)
            restarts.inc()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._stop.wait()

    async def _attend(self, number: int, process: asyncio.subprocess.Process) -> int:
        """Listen to a process until it ends; its exit code (negative: the signal that ended it)."""
        begun = False
        try:
            async for word, rest in _words(process.stdout):
                if word == LISTENING and rest.isdigit():
                    begun = True
                    self._addresses[number] = f"http://127.0.0.1:{int(rest)}"
                    # From here on it tells itself what it lacks.
                    self._health.release(f"process {number}")
                elif word == JOINED:
                    self._restarts.joined(number, self._clock())
            code = await process.wait()
        finally:
            self._addresses.pop(number, None)
            self._running.pop(number, None)
        # Told to stop before it took signals: it had begun nothing.
        return 0 if not begun and code == -signal.SIGTERM and self._stop.is_set() else code


async def _words(stdout: asyncio.StreamReader | None) -> AsyncIterator[tuple[bytes, bytes]]:
    """First word and rest of each short line, until the other end is closed. All that a library may print is read, so that it never blocks."""
    pending = b""
    while stdout is not None and (more := await stdout.read(4_096)):
        *lines, pending = (pending + more).split(b"\n")
        pending = pending[-1_000:]
        for line in lines:
            word, _, rest = line.strip().partition(b" ")
            yield word, rest
