"""Several worker processes under one parent: started, watched, started again, and ended together.

Processes, as one interpreter runs on one core. Each is started anew rather than forked: what Kafka's and AEP's clients
hold (loops, threads, sockets, locks) does not survive a fork, a process that is started again after hours must see
the files as they are then, and it is the very command that runs alone elsewhere. The price is the memory of the imported
modules, some 60 MB a process, which a fork would share until the interpreter's reference counts unshare it.

Several routes run so as well: what holds one of them (its destination away, its credentials refused, its mapping set broken)
holds processes that no other route has anything to do with.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

import structlog

from bridge.delivery.pace_board import Board
from bridge.model.backoff import Backoff
from bridge.runtime.deadline import StopBudget
from bridge.runtime.signals import StopSignals, install
from bridge.settings import variable
from bridge.telemetry.gathering import GatheringServer, ProcessName
from bridge.telemetry.health import Health
from bridge.telemetry.metrics import GroupMetrics
from bridge.worker.processes.member import JOINED, LISTENING
from bridge.worker.processes.restarts import Restarts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from bridge.settings import Route

_log = structlog.get_logger(__name__)


def member_environment(route: Route, count: int, inherited: Mapping[str, str]) -> dict[str, str]:
    """What each of the route's ``count`` processes is told: ``inherited``, a telemetry port of its own on loopback, its part of the rates."""
    told = {
        variable("worker", "processes"): "1",
        variable("telemetry", "host"): "127.0.0.1",
        variable("telemetry", "port"): "0",
    }
    # By partitions (auto) the shares of all processes come to one by themselves; a number is told in commands.
    section, share = route.destination, getattr(route.settings, route.destination).rate_share
    if isinstance(share, int):
        told[route.variable(section, "rate_share")] = str(share * count)
    return {name: value for name, value in inherited.items() if name.upper() not in told} | told


def member_command(number: int, route: str, board: int) -> list[str]:
    """This same program, as one process of a group. With -P and the path in the environment it imports what we did.

    ``board``: descriptor of what all processes of the group know of what they have sent (:mod:`bridge.delivery.pace_board`).
    """
    command = [sys.executable, "-P", "-m", "bridge", "worker", "--route", route, "--member", str(number)]
    return [*command, "--board", str(board)]


def exit_code(codes: Sequence[int]) -> int:
    """1 when any process left something unfinished."""
    return int(any(codes))


@dataclass(slots=True)
class _RouteProcesses:
    """The processes of one route: how their starts fare, and whether they are still to be kept running."""

    route: Route
    environment: Mapping[str, str]
    restarts: Restarts
    given_up: int | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)


class Group:
    """``count`` worker processes for each route; :meth:`run` once, in a running loop.

    Routes have nothing in common but this parent: each has its processes and its restarts, and one that cannot start is
    given up alone.
    """

    def __init__(self, routes: Sequence[Route], count: int) -> None:
        self._metrics = GroupMetrics()
        self._health = Health()
        self._telemetry = routes[0].settings.telemetry
        self._budget = StopBudget(max(route.settings.worker.drain_seconds for route in routes))
        self._several = len(routes) > 1
        path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)  # noqa: PTH100 - '' is the folder we are in
        self._routes = [
            _RouteProcesses(
                route,
                member_environment(route, count, os.environ) | {"PYTHONPATH": path},
                Restarts(Backoff(Random())),  # nosec B311 # noqa: S311 - jitter
            )
            for route in routes
        ]
        self._count = count
        self._board = Board.create()
        self._running: dict[ProcessName, asyncio.subprocess.Process] = {}
        self._addresses: dict[ProcessName, str] = {}
        self._codes: list[int] = []
        self._stop = asyncio.Event()
        self._clock = asyncio.get_running_loop().time

    async def run(self) -> int:
        """Work until stopped. 0 when every process finished all that it had begun, 1 when not; theirs when they cannot even start."""
        install(StopSignals(self._signalled, self._stop.is_set, hurry=self._kill))
        async with GatheringServer(self._telemetry, self._metrics, self._health, lambda: self._addresses):
            _log.info(
                "worker_processes_start",
                detail="Worker processes are started.",
                count=len(self._routes) * self._count,
                **({"routes": [each.route.name for each in self._routes]} if self._several else {}),
            )
            kept = [
                asyncio.create_task(self._keep(each, number), name=f"{each.route.name} {number}")
                for each in self._routes
                for number in range(self._count)
            ]
            try:
                await self._stopped(kept)
                self._end(signal.SIGTERM)
                _, late = await asyncio.wait(kept, timeout=self._budget.killed)
                if late:
                    _log.error(
                        "worker_processes_killed",
                        detail="The processes did not stop in time and are killed.",
                        processes=self._names(),
                    )
                    self._end(signal.SIGKILL)
                await asyncio.gather(*kept)
            finally:
                # An error of our own must not leave them behind either.
                self._end(signal.SIGKILL)
        given_up = [each.given_up for each in self._routes if each.given_up is not None]
        if len(given_up) == len(self._routes):
            return 1 if self._several else given_up[0]
        code = exit_code(self._codes)
        _log.info("worker_processes_ended", detail="Every worker process has ended.", exit_code=code)
        return code

    async def _stopped(self, kept: Sequence[asyncio.Task[None]]) -> None:
        """Wait until told to stop, until every route is given up, or for an error of our own."""
        stopping = asyncio.create_task(self._stop.wait())
        waiting = {*kept, stopping}
        while not self._stop.is_set() and len(waiting) > 1:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if any(task.exception() is not None for task in done):
                break
        stopping.cancel()

    def _names(self) -> list[int] | list[str]:
        """The processes that run, for the log."""
        if self._several:
            return sorted(name.key for name in self._running)
        return sorted(name.number for name in self._running)

    def _signalled(self, name: str) -> None:
        _log.info(
            "worker_processes_stop",
            detail="Every worker process drains and ends.",
            signal=name,
            budget=self._budget.drain,
        )
        self._health.hold("draining", "told to stop")
        self._stop.set()

    def _kill(self) -> dict[str, Any]:
        """Kill every process; which ones, for the log."""
        told = {"processes": self._names()}
        self._end(signal.SIGKILL)
        return told

    def _end(self, number: int) -> None:
        self._stop.set()
        for process in self._running.values():
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)

    async def _keep(self, mine: _RouteProcesses, number: int) -> None:
        """Start process ``number`` of a route, and again whenever it ends, until the group stops or the route is given up."""
        route = mine.route.name
        name = ProcessName(number, route if self._several else "")
        of_route = {"route": route} if self._several else {}
        up = self._metrics.process_up.labels(route, str(number))
        restarts = self._metrics.process_restarts.labels(route, str(number))
        while not (self._stop.is_set() or mine.over.is_set()):
            self._health.hold(name.words, "is starting")
            process = await asyncio.create_subprocess_exec(
                *member_command(number, route, self._board.descriptor),
                env=mine.environment,
                pass_fds=(self._board.descriptor,),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            self._running[name] = process
            up.set(1)
            if self._stop.is_set() or mine.over.is_set():  # told meanwhile
                process.terminate()
            code = await self._attend(mine, name, process)
            up.set(0)
            if self._stop.is_set():
                self._codes.append(code)
                return
            if mine.over.is_set():
                break
            delay = mine.restarts.ended(number, self._clock())
            if delay is None:
                _log.error(
                    "worker_processes_given_up",
                    detail="The route's processes end before they have joined the group.",
                    process=number,
                    exit_code=code,
                    **of_route,
                )
                self._give_up(mine, 128 - code if code < 0 else code or 1)
                break
            reason = f"ended (exit code {code}), is started again in {delay:.1f} s"
            _log.error(
                "worker_process_ended",
                detail="It is started again.",
                process=number,
                exit_code=code,
                seconds=round(delay, 1),
                **of_route,
            )
            self._health.hold(name.words, reason)
            restarts.inc()
            await self._pause(mine, delay)
        # What is given up is told by its route.
        self._health.forget(name.words)

    def _give_up(self, mine: _RouteProcesses, code: int) -> None:
        """Start a route's processes no more; the others go on."""
        mine.given_up = code
        mine.over.set()
        if all(each.given_up is not None for each in self._routes):
            self._stop.set()
            return
        attempts = mine.restarts.attempts
        self._health.hold(
            f"route {mine.route.name}",
            f"given up: a process of it ended {attempts} times before it had joined its group (exit code {code}); repair the"
            " cause, which its log lines name, and start the command again",
        )
        for name, process in self._running.items():
            if name.route == mine.route.name:
                with contextlib.suppress(ProcessLookupError):
                    process.terminate()

    async def _pause(self, mine: _RouteProcesses, seconds: float) -> None:
        """Wait ``seconds``, or until the route is not to be kept running any more."""
        ends = [asyncio.create_task(event.wait()) for event in (self._stop, mine.over)]
        await asyncio.wait(ends, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.cancel()

    async def _attend(self, mine: _RouteProcesses, name: ProcessName, process: asyncio.subprocess.Process) -> int:
        """Listen to a process until it ends; its exit code (negative: the signal that ended it)."""
        begun = False
        try:
            async for word, rest in _words(process.stdout):
                if word == LISTENING and rest.isdigit():
                    begun = True
                    self._addresses[name] = f"http://127.0.0.1:{int(rest)}"
                    # From here on it tells itself what it lacks.
                    self._health.release(name.words)
                elif word == JOINED:
                    mine.restarts.joined(name.number, self._clock())
            code = await process.wait()
        finally:
            self._addresses.pop(name, None)
            self._running.pop(name, None)
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
