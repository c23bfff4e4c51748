"""Asks a fork server for the bridge's commands where that is wanted, and gives them as ``subprocess`` gives a process.

``TESTING_FORK=1`` in the environment wants it. A command is forked if it is ``python -m bridge …`` of this very interpreter and tree,
and if what an interpreter, the loader or a library reads once at its start is the same for it as for a server: its settings
(``BRIDGE_…``) may differ, hardly anything else. Every other command is started as ever.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections import Counter
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FORK: Final = "TESTING_FORK"
_HOME: Final = Path(__file__).resolve().parents[3]
_READ_LATE: Final = frozenset({"PYTEST_CURRENT_TEST", "PYTHONPATH", "PYTHONUNBUFFERED"})
"""Besides the bridge's settings: nothing of pytest's is read, and the child sets itself up by the others."""
_READ_BEFORE_ALL: Final = ("PYTHON", "LD_", "MALLOC_", "GLIBC_", "FAKETIME", "COVERAGE_")
"""How names begin that interpreter, loader and C library read: a child has what we have, or is no child."""
_WORTH_IT: Final = 2
"""From this command of one environment on: a server costs more than one start."""
_MOST: Final = 2
_ANSWERS: Final = 100
_STEP: Final = 0.001


class ForkServerGoneError(RuntimeError):
    """The server has ended, and every process that it had started with it."""


class ForkedProcess:
    """What tests use of ``subprocess.Popen``, of a process whose parent is a fork server."""

    def __init__(self, args: Sequence[str], pid: int, life: int, status: int) -> None:
        self.args = list(args)
        self.pid = pid
        self.returncode: int | None = None
        self._life, self._status = life, status
        self._reading = threading.Lock()
        # Not at exit: what is ended then is still asked for.
        weakref.finalize(self, _close, life, status).atexit = False

    def poll(self) -> int | None:
        """The exit code (negative: the signal), None while it runs."""
        self._read_end(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; ``subprocess.TimeoutExpired`` after ``timeout`` seconds."""
        self._read_end(None if timeout is None else timeout * 1_000)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it, unless the process has ended; it cannot reach another one."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._life, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def wait_stopped(self) -> None:
        """After SIGSTOP: wait until each of its threads stands still, or it has ended."""
        while self.poll() is None and not self._stands_still():
            time.sleep(_STEP)

    def _stands_still(self) -> bool:
        try:
            states = [
                (thread / "stat").read_text().rpartition(")")[2].split()[0]
                for thread in Path(f"/proc/{self.pid}/task").iterdir()
            ]
        except (FileNotFoundError, ProcessLookupError):
            return False  # a thread has just ended
        return all(state == "T" for state in states)

    def _read_end(self, milliseconds: float | None) -> None:
        if self.returncode is not None:
            return
        readable = select.poll()
        readable.register(self._status, select.POLLIN)
        if not readable.poll(milliseconds):
            return
        with self._reading:
            if self.returncode is None:
                if not (said := os.read(self._status, _ANSWERS)):
                    # The server was killed; the kernel kills its children, an instant later.
                    ended = select.poll()
                    ended.register(self._life, select.POLLIN)
                    ended.poll()
                self.returncode = int(said) if said else -signal.SIGKILL


class ForkServer:
    """Gives processes that are as ``python -m MODULE`` of this interpreter; it ends with this process, or with :meth:`close`.

    ``environment``: what they share of theirs, the settings aside. ``package``: what is imported beforehand, with all its modules.
    """

    def __init__(self, environment: Mapping[str, str], module: str = "bridge", package: str = "bridge") -> None:
        self._module = module
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - kept open: what it says is told when it is gone
        weakref.finalize(self, _close_all, self._control, self._said).atexit = False
        with theirs:
            given = str(theirs.fileno()), str(os.getpid()), module, package
            self.process = subprocess.Popen(
                [sys.executable, "-m", "bridge.testing.forking.fork_server", *given],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._said,
                env={**environment, "PYTHONPATH": str(_HOME)},
                cwd=os.sep,
                start_new_session=True,
            )

    def start(
        self, arguments: Sequence[str], *, env: Mapping[str, str], cwd: Path, streams: tuple[int, int, int]
    ) -> ForkedProcess:
        """Start the module with ``arguments``; ``streams`` are descriptors of stdin, stdout and stderr."""
        request = {"arguments": list(arguments), "environment": dict(env), "directory": str(cwd)}
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours:
            try:
                with theirs:
                    socket.send_fds(self._control, [json.dumps(request).encode()], [*streams, theirs.fileno()])
                said, descriptors, *_ = socket.recv_fds(ours, _ANSWERS, 1, socket.MSG_CMSG_CLOEXEC)
            except (BrokenPipeError, ConnectionResetError):
                said = b""
            if not said:
                raise ForkServerGoneError(f"the fork server has ended:\n{self._tail()}")
            command = [sys.executable, "-m", self._module, *arguments]
            return ForkedProcess(command, int(said), descriptors[0], ours.detach())

    def close(self) -> None:
        """End it, and all that it has started."""
        self.process.kill()
        self.process.wait()
        self._control.close()

    def forget(self) -> None:
        """Give away what it has said, once nobody will ask."""
        self._said.close()

    def _tail(self) -> str:
        self._said.seek(0)
        return self._said.read().decode(errors="replace")


def start_forked(
    command: Sequence[str], *, env: Mapping[str, str], cwd: Path, streams: tuple[int, int, int]
) -> ForkedProcess | None:
    """The command as a child of a fork server of ours; None where it has to be started in an interpreter of its own."""
    if os.environ.get(FORK) != "1" or not _has_descriptors_of_processes():
        return None
    if list(command[:3]) != [sys.executable, "-m", "bridge"] or not cwd.is_dir():
        return None
    if cwd != _HOME and (env.get("PYTHONPATH", "").split(os.pathsep)[0] != str(_HOME) or (cwd / "bridge").exists()):
        return None  # it might be another tree's
    server = _server_for(env)
    return None if server is None else server.start(command[3:], env=env, cwd=cwd, streams=streams)


@cache
def _has_descriptors_of_processes() -> bool:
    """Linux from 5.3 on."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):
        return False
    return True


_servers: dict[tuple[int, frozenset[tuple[str, str]]], ForkServer] = {}
_asked: Counter[tuple[int, frozenset[tuple[str, str]]]] = Counter()
_choosing = threading.Lock()


@atexit.register
def _close_servers() -> None:
    for (owner, _), server in _servers.items():
        if owner == os.getpid():
            server.close()
            server.forget()


def _server_for(environment: Mapping[str, str]) -> ForkServer | None:
    if _read_before_all(environment) != _read_before_all(os.environ):
        return None
    read_at_start = {
        (name, value)
        for name, value in environment.items()
        if not name.upper().startswith("BRIDGE_") and name not in _READ_LATE
    }
    # With our process id: a fork of ours has no part in our servers.
    key = os.getpid(), frozenset(read_at_start)
    with _choosing:
        if key not in _servers:
            _asked[key] += 1
            if _asked[key] < _WORTH_IT or sum(owner == key[0] for owner, _ in _servers) >= _MOST:
                return None
            _servers[key] = ForkServer(dict(key[1]))
        return _servers[key]


def _read_before_all(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environment.items()
        if name.startswith(_READ_BEFORE_ALL) and name not in _READ_LATE
    }


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _close_all(control: socket.socket, said: object) -> None:
    control.close()
    said.close()  # type: ignore[attr-defined]
