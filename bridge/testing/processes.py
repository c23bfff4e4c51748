"""Child processes: the bridge's own commands, run as a user runs them, and never left behind.

Every child is tied to the process that starts it: it is ended at exit, and the kernel kills it when its parent is killed.
"""

from __future__ import annotations

import atexit
import contextlib
import http.client
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import deque
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self, TypeVar

from bridge.testing.forking.forked import ForkedProcess, start_forked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_HOME = Path(__file__).resolve().parents[2]
"""Where the package lies: children find the same bridge, wherever they run."""

# prctl(PR_SET_PDEATHSIG, SIGKILL) and exec: the process id stays, and no code runs between fork and exec in a
# process that may have threads. SIGINT means to it what it means in a terminal, also when the tests run in the background of a
# shell, which has its jobs ignore it.
_TIE = (
    "import _signal,ctypes,os,sys\n"
    "_signal.signal(_signal.SIGINT, _signal.SIG_DFL)\n"
    "if sys.platform.startswith('linux'):\n"
    "    ctypes.CDLL(None).prctl(1, 9)\n"
    "    if os.getppid() != int(sys.argv[1]): sys.exit(1)\n"
    "os.execvp(sys.argv[2], sys.argv[2:])\n"
)
_DEFAULT_ROUTE = re.compile(r'(?<=\{)route="default",|,?route="default"(?=[,}])')
_FIRST_PORT = 20_000
_RANGE = 750
_RANGES = 16
PORT_RANGE = "TESTING_PORT_RANGE"
"""Variable with the number of the first range of ports, for who runs several groups of parallel tests side by side."""
_SCRAPED_WITHIN = 20.0
"""Seconds: what a test counts by may come late from a busy process, and not as nothing."""
_random = random.SystemRandom()
_given: deque[int] = deque(maxlen=_RANGE // 3)
T = TypeVar("T")
Child = subprocess.Popen[bytes] | ForkedProcess
_children: set[Child] = set()


def start_tied(
    command: Sequence[str],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    own_interpreter: bool = False,
) -> Child:
    """Start a command whose output goes to ``log``, in a session of its own, and that dies with this process.

    ``own_interpreter``: it is never forked (:mod:`bridge.testing.forking`), as its memory, its start or its command line is looked at.
    """
    with log.open("ab") as out:
        return start_writing(command, out, out, env=env, cwd=cwd, own_interpreter=own_interpreter)


def start_writing(
    command: Sequence[str],
    out: IO[bytes],
    words: IO[bytes],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    own_interpreter: bool = False,
) -> Child:
    """As :func:`start_tied`, with stdout and stderr in files; it has no input."""
    environment = dict(os.environ if env is None else env)
    folder = (cwd or Path()).absolute()
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123 - a device
        streams = (nothing.fileno(), out.fileno(), words.fileno())
        forked = None if own_interpreter else start_forked(command, env=environment, cwd=folder, streams=streams)
        child: Child = forked or subprocess.Popen(
            [sys.executable, "-S", "-c", _TIE, str(os.getpid()), *command],
            stdin=nothing,
            stdout=out,
            stderr=words,
            env=environment,
            cwd=folder,
            start_new_session=True,
        )
    _children.add(child)
    return child


def stop_running(child: Child) -> None:
    """SIGSTOP, and wait until every thread of the child stands still: on a busy machine some run on for a while."""
    child.send_signal(signal.SIGSTOP)
    if isinstance(child, ForkedProcess):
        child.wait_stopped()
    else:
        os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)


def end(child: Child, *, grace: float = 0.0) -> int:
    """SIGTERM (when ``grace`` seconds are given), then SIGKILL; gives the exit code (negative: the signal)."""
    if child.poll() is None and grace > 0:
        with contextlib.suppress(ProcessLookupError):
            child.send_signal(signal.SIGCONT)
            child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(grace)
    if child.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        child.wait(30)
    _children.discard(child)
    return child.wait()


@atexit.register
def _end_all() -> None:
    for child in list(_children):
        end(child)


def free_port() -> int:
    """A port nobody listens on, below the range that outgoing connections take their own ports from.

    A client that knocks at a closed port *inside* that range can end up connected to itself. Tests that run in parallel take
    theirs from ranges of their own, so that none takes what another has found free and not yet bound; nor is one given twice
    while it is among the last.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    own = (worker + int(os.environ.get(PORT_RANGE, "0"))) % _RANGES
    while True:
        port = _FIRST_PORT + own * _RANGE + _random.randrange(_RANGE)
        if port in _given:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                _given.append(port)
                return port


def eventually(probe: Callable[[], T], *, within: float, what: str, every: float = 0.1) -> T:
    """Ask until the answer is true, and give it; ``AssertionError`` naming ``what`` and the last answer after ``within`` seconds."""
    deadline = time.monotonic() + within
    while True:
        # Looked at before the question: who was kept from the processor asks once more before calling it too late.
        is_late = time.monotonic() > deadline
        last = probe()
        if last:
            return last
        if is_late:
            raise AssertionError(f"not within {within:g} s: {what} (last seen: {last!r})")
        time.sleep(every)


def get(url: str, *, timeout: float = 5.0) -> tuple[int, str]:
    """Status and body of a GET; status 0 when nobody answers, or not to the end of the answer."""
    try:
        try:
            with urllib.request.urlopen(url, timeout=timeout) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        # A process that ends may break off in the midst of an answer, of a refusal too.
        return 0, str(error)


def logged_at(line: Mapping[str, Any]) -> float:
    """When a JSON log line was written, in seconds since the epoch."""
    return datetime.fromisoformat(line["timestamp"]).timestamp()


class BridgeProcess:
    """``aep-bridge …`` as a process: settings in, log file and telemetry out.

    ``settings`` are ``BRIDGE_`` variables; the telemetry port is chosen here unless given. No variable of the
    developer's own environment that starts with ``BRIDGE_`` reaches the process, and no ``.env`` of theirs either:
    it runs in ``directory``, with the source tree on its path. ``own_interpreter``: as of :func:`start_tied`.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        settings: Mapping[str, str],
        *,
        directory: Path,
        name: str | None = None,
        own_interpreter: bool = False,
    ) -> None:
        self.name = name or arguments[0]
        directory.mkdir(parents=True, exist_ok=True)
        self.log = directory / f"{self.name}.log"
        self.telemetry_port = int(settings.get("BRIDGE_TELEMETRY__PORT") or free_port())
        self._command = [sys.executable, "-m", "bridge", *arguments]
        self._directory = directory
        self._own_interpreter = own_interpreter
        inherited = {key: value for key, value in os.environ.items() if not key.upper().startswith("BRIDGE_")}
        path = os.pathsep.join(filter(None, [str(_HOME), os.environ.get("PYTHONPATH")]))
        self._env = inherited | {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}
        self._env |= {"BRIDGE_TELEMETRY__PORT": str(self.telemetry_port), **settings}
        self._child: Child | None = None

    @property
    def url(self) -> str:
        """Base of the telemetry endpoints."""
        return f"http://127.0.0.1:{self.telemetry_port}"

    @property
    def pid(self) -> int:
        """Process id of the running child."""
        return self._running.pid

    @property
    def _running(self) -> Child:
        assert self._child is not None, f"{self.name} was not started"
        return self._child

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._child is not None and self._child.poll() is None

    def start(self) -> Self:
        """Start (again, after it ended) without waiting for anything."""
        assert not self.alive, f"{self.name} runs already"
        self._child = start_tied(
            self._command, log=self.log, env=self._env, cwd=self._directory, own_interpreter=self._own_interpreter
        )
        return self

    def wait_ready(self, within: float = 90.0, path: str = "/health/ready") -> Self:
        """Wait until the telemetry endpoint says ready; a process that ends instead fails with its log."""

        def probe() -> bool:
            assert self.alive, f"{self.name} ended with {self._running.returncode}:\n{self.tail()}"
            return get(self.url + path)[0] == 200

        try:
            eventually(probe, within=within, what=f"{self.name} answers 200 at {path}")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{get(self.url + path)}\n{self.tail()}") from None
        return self

    def metrics(self) -> dict[str, float]:
        """``name{label="value"}`` -> value of everything at /metrics; empty when it does not answer.

        The route ``default`` is not named: where there is but one route, its label is on everything.
        """
        status, body = get(self.url + "/metrics", timeout=_SCRAPED_WITHIN)
        if status != 200:
            return {}
        lines = (line.rsplit(" ", 1) for line in body.splitlines() if line and not line.startswith("#"))
        return {_DEFAULT_ROUTE.sub("", name).replace("{}", ""): float(value) for name, value in lines}

    def metric(self, name: str) -> float:
        """Sum over the labels of one metric; 0 when it is not there."""
        return sum(value for key, value in self.metrics().items() if key == name or key.startswith(name + "{"))

    def log_lines(self) -> list[dict[str, Any]]:
        """The JSON log lines so far (with ``BRIDGE_TELEMETRY__LOG_FORMAT=json``); others are left out."""
        found = []
        for line in self.tail(1_000_000).splitlines():
            with contextlib.suppress(ValueError):
                found.append(json.loads(line))
        return [line for line in found if isinstance(line, dict)]

    def wait_logged(self, event: str, within: float = 30.0, count: int = 1) -> list[dict[str, Any]]:
        """The log lines of an event, once there are ``count``: what the process has told stays told, however late one looks."""

        def told() -> list[dict[str, Any]]:
            lines = [line for line in self.log_lines() if line.get("event") == event]
            return lines if len(lines) >= count else []

        return eventually(told, within=within, what=f"{self.name} logs {event}")

    def tail(self, lines: int = 60) -> str:
        """The end of what it has written."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    def signal(self, number: int) -> None:
        """Send a signal."""
        self._running.send_signal(number)

    def terminate(self) -> None:
        """SIGTERM, without waiting."""
        self.signal(signal.SIGTERM)

    def kill9(self) -> None:
        """SIGKILL, and wait until it is gone."""
        end(self._running)

    def pause(self) -> None:
        """SIGSTOP: it holds its connections and does nothing, from when this returns."""
        stop_running(self._running)

    def resume(self) -> None:
        """SIGCONT."""
        self.signal(signal.SIGCONT)

    def wait(self, within: float) -> int:
        """Wait for its end and give the exit code; ``AssertionError`` with its log when it does not end."""
        try:
            return self._running.wait(within)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} still runs after {within:g} s:\n{self.tail()}") from None

    def stop(self, grace: float = 10.0) -> int | None:
        """SIGTERM, then SIGKILL after ``grace`` seconds; the exit code, None when it was never started."""
        return None if self._child is None else end(self._child, grace=grace)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
