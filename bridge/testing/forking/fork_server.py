"""The process that forks: ``python -m bridge.testing.forking.fork_server SOCKET PARENT MODULE PACKAGE``, and nothing of the bridge runs in it.

It imports every module of ``PACKAGE`` (of the bridge: what commands import), starts no thread, opens nothing, and forks a child for each
message on its socket. The child
becomes ``python -m MODULE`` in every respect that the module could see: arguments, environment, folder, standard streams, session, signals.
What it cannot give is what an interpreter draws at its start: all children hash text alike, and the kernel shows the
server's command line for each.

The children are the server's, and end with it; it ends with ``PARENT``, however that ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import io
import json
import os
import pkgutil
import runpy
import selectors
import signal
import socket
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

STREAMS: Final = 3
_LARGEST: Final = 1 << 20
_SET_PARENT_DEATH_SIGNAL: Final = 1
"""``PR_SET_PDEATHSIG`` of Linux's prctl.h."""
_OURS: Final = "bridge.testing"
_IMPORTED_ON_THE_WAY: Final = ("encodings.idna", "psycopg.types.datetime", "sqlglot.dialects", "typer._adapters")
"""What libraries, or functions of ours, import when they are used."""


@dataclass(frozen=True, slots=True)
class Request:
    """A child of the server; ``streams`` are descriptors of stdin, stdout and stderr."""

    arguments: list[str]
    environment: dict[str, str]
    directory: str
    streams: tuple[int, ...]


def main() -> None:
    """Serve until the parent is gone; in a child run the module, whose end is this process's end."""
    descriptor, parent, module, package = sys.argv[1:]
    control = socket.socket(fileno=int(descriptor))
    for name in _names_of_modules(package):
        # What is not installed is told by the command that needs it.
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()
    request = _serve(control, int(parent))
    if request is None:
        os._exit(0)  # at once: its children end with it
    _become(request, module)
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _names_of_modules(package: str) -> Iterator[str]:
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
        if not module.name.startswith(_OURS) and not module.name.endswith(".__main__"):
            yield module.name
    if package == _OURS.partition(".")[0]:
        yield from _IMPORTED_ON_THE_WAY


def _serve(control: socket.socket, parent: int) -> Request | None:
    """Fork for each message; a request in the child, None in the server once nobody asks any more."""
    running: dict[int, tuple[int, socket.socket]] = {}
    with contextlib.ExitStack() as stack:
        watched = stack.enter_context(selectors.DefaultSelector())
        watched.register(control, selectors.EVENT_READ)
        try:
            life = os.pidfd_open(parent)
        except ProcessLookupError:
            return None
        stack.callback(os.close, life)
        watched.register(life, selectors.EVENT_READ)
        server = os.getpid()
        while os.getppid() == parent:
            for key, _ in watched.select():
                if key.fd == life:
                    return None
                if key.fd in running:
                    watched.unregister(key.fd)
                    _tell_end(key.fd, *running.pop(key.fd))
                    continue
                message, descriptors, *_ = socket.recv_fds(control, _LARGEST, STREAMS + 1, socket.MSG_CMSG_CLOEXEC)
                if not message:
                    return None
                *streams, status = descriptors
                child = os.fork()
                if child == 0:
                    _tie_to(server)
                    for descriptor, (_, other) in running.items():
                        os.close(descriptor)
                        other.close()
                    os.close(status)
                    control.close()
                    return Request(**json.loads(message), streams=tuple(streams))
                for descriptor in streams:
                    os.close(descriptor)
                end = os.pidfd_open(child)
                running[end] = child, socket.socket(fileno=status)
                watched.register(end, selectors.EVENT_READ)
                # Who has asked may be gone by now, and we are about to be.
                with contextlib.suppress(BrokenPipeError):
                    socket.send_fds(running[end][1], [str(child).encode()], [end])
    return None


def _tell_end(descriptor: int, child: int, status: socket.socket) -> None:
    _, ended = os.waitpid(child, 0)
    os.close(descriptor)
    with status, contextlib.suppress(BrokenPipeError):
        status.send(str(os.waitstatus_to_exitcode(ended)).encode())


def _tie_to(server: int) -> None:
    """A session of its own, and its end with the server's."""
    os.setsid()
    ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, int(signal.SIGKILL))
    if os.getppid() != server:
        os._exit(1)


def _become(request: Request, module: str) -> None:
    """Take on all that a process is given when it is started."""
    for number, descriptor in enumerate(request.streams):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(request.directory)
    own = _folders(os.environ)
    os.environ.clear()
    os.environ.update(request.environment)
    known = [request.directory, *_folders(os.environ)]
    sys.path[:] = [*known, *(each for each in sys.path[1:] if each not in {*own, *known})]
    sys.argv[:] = ["-m", *request.arguments]
    sys.orig_argv[:] = [sys.executable, "-m", module, *request.arguments]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _open_streams(unbuffered=bool(os.environ.get("PYTHONUNBUFFERED")))


def _folders(environment: Mapping[str, str]) -> Sequence[str]:
    """Of ``PYTHONPATH``."""
    return list(dict.fromkeys(filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))))


def _open_streams(*, unbuffered: bool) -> None:
    """As the interpreter does at its start (``create_stdio`` of CPython's pylifecycle.c)."""
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        before: Any = getattr(sys, name)
        direct = unbuffered and mode == "w"
        layer: Any = open(number, f"{mode}b", buffering=0 if direct else -1, closefd=False)  # noqa: SIM115 - a descriptor, for as long as it runs
        stream: Any = io.TextIOWrapper(
            layer,
            encoding=before.encoding,
            errors=before.errors,
            newline="\n",
            line_buffering=not direct and (name == "stderr" or layer.isatty()),
            write_through=unbuffered,
        )
        stream.mode = mode
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


if __name__ == "__main__":
    main()
