"""The machine as every measurement uses it: what is measured on one core, everything else on the others."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import orjson

from bridge.testing.processes import end, get, start_tied

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "bench" / ".work"
CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
MEASURED = {CORES[0]}
OTHERS = set(CORES[1:]) or MEASURED


def spent_on(cores: set[int]) -> float:
    """CPU seconds that these cores have worked so far, for whomever; 0 where the system does not tell."""
    names = {f"cpu{core}" for core in cores}
    try:
        lines = Path("/proc/stat").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0.0
    fields = [line.split() for line in lines if line.split(maxsplit=1)[0] in names]
    # user, nice, system, (idle, iowait,) irq, softirq, steal: guests are in user already.
    return sum(sum(map(int, one[1:4])) + sum(map(int, one[6:9])) for one in fields) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def on(cores: set[int]) -> Iterator[None]:
    """Children that are started meanwhile run on these cores, threads included."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def machine() -> dict[str, Any]:
    """What it is, in general words: no names, no paths."""
    model = ""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return {
        "cores": len(CORES),
        "processor": model or platform.machine(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": platform.system(),
        "python": platform.python_version(),
    }


def folder() -> tempfile.TemporaryDirectory[str]:
    """A folder for one run's data, gone afterwards."""
    WORK.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(dir=WORK)


class Child:
    """A child process with its figures."""

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str],
        log: Path,
        *,
        cores: set[int] = MEASURED,
        family: bool = False,
    ) -> None:
        """``family``: its figures include its own children's."""
        self._with_children = family
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("BRIDGE_", "BENCH_"))}
        log.parent.mkdir(parents=True, exist_ok=True)
        self.log = log
        with on(cores):
            self._child = start_tied(command, log=log, env=inherited | {"PYTHONPATH": str(ROOT), **env}, cwd=log.parent)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.pid

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._child.poll() is None

    def _pids(self) -> list[int]:
        if not self._with_children:
            return [self.pid]
        # Of the main thread, which is the one that starts them.
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text(encoding="utf-8")
        return [self.pid, *map(int, children.split())]

    def cpu(self) -> float:
        """Seconds of CPU so far, all threads."""
        ticks = 0
        for pid in self._pids():
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def memory(self, kind: str = "VmHWM") -> float:
        """Resident megabytes: the peak, or with ``VmRSS`` now. Of several processes the sum, pages they share counted for each."""
        lines = [
            line
            for pid in self._pids()
            for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
        ]
        return sum(int(line.split()[1]) for line in lines if line.startswith(kind + ":")) / 1_000

    def stop(self, grace: float = 25.0) -> int:
        """End it; its exit code."""
        return end(self._child, grace=grace)

    def tail(self, lines: int = 20) -> str:
        """The end of what it wrote."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""


class SinkProcess:
    """:mod:`bench.sink` on the other cores."""

    def __init__(self, where: Path, *, raw: bool = False) -> None:
        self.raw = raw
        log = where / f"sink-{'raw' if raw else 'xdm'}.log"
        command = [sys.executable, "-m", "bench.sink", *(["--raw"] if raw else [])]
        self._child = Child(command, {}, log, cores=OTHERS)
        until = time.monotonic() + 30
        while not (log.exists() and b"\n" in log.read_bytes()):
            if not self._child.alive or time.monotonic() > until:
                raise RuntimeError(f"the sink did not start:\n{self._child.tail()}")
            time.sleep(0.05)
        told = json.loads(log.read_text().splitlines()[0])
        self.url: str = told["url"]
        self._asking = HTTPConnection(urlsplit(self.url).netloc, timeout=10)
        self.environment: dict[str, str] = told["environment"]
        self.token: str = told["token"]

    def progress(self) -> tuple[float, int, int]:
        """Monotonic time, events and requests so far."""
        # Asked fifty times a second: a connection each time would be a load of its own on the sink's core.
        try:
            moment, events, requests = self._ask_progress()
        except ConnectionError:
            self._asking.close()  # kept for too long without a question; the next one opens another
            moment, events, requests = self._ask_progress()
        return moment, events, requests

    def _ask_progress(self) -> Any:
        self._asking.request("GET", "/progress")
        return json.loads(self._asking.getresponse().read())

    def ask(self, what: str) -> Any:
        """The answer of one of its addresses."""
        status, body = get(f"{self.url}/{what}", timeout=120)
        if status != 200:
            raise RuntimeError(f"the sink answered {status}")
        return orjson.loads(body)

    def clear(self) -> None:
        """Forget what came."""
        subprocess.run([sys.executable, "-c", "import sys,urllib.request as r;r.urlopen(r.Request(sys.argv[1],method='POST'))",
                        self.url + "/clear"], check=True)  # fmt: skip

    def stop(self) -> None:
        """End it."""
        self._asking.close()
        self._child.stop(5)


def preload(bootstrap: str, topic: str, pairs: Iterator[tuple[bytes, bytes]]) -> float:
    """Write records; their mean size in bytes."""
    from confluent_kafka import Producer

    failed: list[Any] = []

    def told(error: Any, _message: Any) -> None:
        if error is not None:
            failed.append(error)

    producer = Producer(
        {"bootstrap.servers": bootstrap, "linger.ms": 20, "queue.buffering.max.messages": 200_000, "acks": "all"}
    )
    size = count = 0
    for key, value in pairs:
        while True:
            try:
                producer.produce(topic, value, key=key, on_delivery=told)
                break
            except BufferError:
                producer.poll(0.1)
        size += len(value)
        count += 1
    producer.flush()
    if failed:
        raise RuntimeError(f"{len(failed)} records were not written: {failed[0]}")
    return size / count


def cleaned(values: Sequence[float]) -> tuple[float, float]:
    """Median, and half of the range as a part of it."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    median = ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
    return median, (ordered[-1] - ordered[0]) / 2 / median if median else 0.0
