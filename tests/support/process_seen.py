"""What a process can see of itself, as JSON on stdout; ``python -m process_seen [DEED]`` then does what it is told.

``DEED``: ``raise``, ``exit``, ``interrupt``, ``wait`` (until it is killed) or ``draw`` (random numbers in place of everything else).
"""

# ruff: noqa: T201 - what it prints is what it is asked for

from __future__ import annotations

import atexit
import ctypes
import json
import os
import random
import resource
import signal
import ssl
import sys
import threading
import time
import uuid
from pathlib import Path

_GET_PARENT_DEATH_SIGNAL = 2


def seen() -> dict[str, object]:
    """Everything that does not differ from one start to the next."""
    death_signal = ctypes.c_int()
    ctypes.CDLL(None).prctl(_GET_PARENT_DEATH_SIGNAL, ctypes.byref(death_signal))
    mask = os.umask(0)
    os.umask(mask)
    return {
        "name": __name__,
        "is main": sys.modules["__main__"].__dict__ is globals(),
        "argv": sys.argv,
        "orig_argv": sys.orig_argv,
        "path": sys.path,
        "flags": list(sys.flags),
        "environment": dict(os.environ),
        "environment of C": ctypes.CDLL(None).getenv(b"BRIDGE_A_SETTING") != 0,
        "folder": str(Path.cwd()),
        "descriptors": sorted(int(each.name) for each in Path("/proc/self/fd").iterdir())[:-1],
        "threads": threading.active_count(),
        "is leader": os.getsid(0) == os.getpgid(0) == os.getpid(),
        "dies with": death_signal.value,
        "handlers": {each.name: str(signal.getsignal(each)) for each in signal.Signals if each.name != "SIGKILL"},
        "blocked": [each.name for each in signal.pthread_sigmask(signal.SIG_BLOCK, [])],
        "woken by": signal.set_wakeup_fd(-1),
        "umask": mask,
        "nice": os.nice(0),
        "processors": sorted(os.sched_getaffinity(0)),
        "limits": {name: resource.getrlimit(getattr(resource, name)) for name in dir(resource) if "RLIMIT" in name},
        "streams": {name: _stream(name) for name in ("stdin", "stdout", "stderr")},
        "input": sys.stdin.read(),
    }


def _stream(name: str) -> list[object]:
    stream = getattr(sys, name)
    text = [stream.mode, stream.encoding, stream.errors, stream.line_buffering, stream.write_through, stream.newlines]
    binary = [type(stream.buffer).__name__, stream.buffer.mode, stream.fileno(), stream.isatty()]
    return [*text, *binary, stream is getattr(sys, f"__{name}__")]


def main() -> None:
    """See, and do."""
    deed = sys.argv[1] if len(sys.argv) > 1 else ""
    if deed == "draw":
        print(random.random(), uuid.uuid4(), ssl.RAND_bytes(8).hex(), random.Random().random())
        return
    atexit.register(print, "the end", file=sys.stderr)
    print(json.dumps(seen()), flush=True)
    if deed == "raise":
        raise LookupError("as it was told")
    if deed == "exit":
        sys.exit(3)
    if deed == "interrupt":
        signal.raise_signal(signal.SIGINT)
    if deed == "wait":
        threading.Thread(target=time.sleep, args=[600], daemon=True).start()
        time.sleep(600)


if __name__ == "__main__":
    main()
