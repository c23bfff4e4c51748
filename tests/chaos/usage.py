"""What processes take: memory, descriptors, threads, tasks and CPU, sampled from outside."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psutil

from bridge.testing.processes import get

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.testing.processes import BridgeProcess

MEASURES = ("rss_mb", "descriptors", "threads", "tasks")
_TASKS = re.compile(r"^bridge_asyncio_tasks(?:\{[^}]*\})? (\S+)$", re.MULTILINE)


@dataclass(slots=True)
class Watched:
    """One process of the bridge: (seconds of the run, value) by measure."""

    process: BridgeProcess
    samples: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: {name: [] for name in MEASURES})


class Usage:
    """Samples ``watched`` every so many seconds; ``begun`` is the zero of their times, on the monotonic clock."""

    def __init__(self, watched: Mapping[str, BridgeProcess], begun: float, every: float = 5.0) -> None:
        self.watched = {name: Watched(process) for name, process in watched.items()}
        self._begun = begun
        self._every = every

    async def run(self) -> None:
        """Until it is cancelled."""
        due = time.monotonic()
        while True:
            for each in self.watched.values():
                await self._sample(each)
            due += self._every
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def _sample(self, each: Watched) -> None:
        at = time.monotonic() - self._begun
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(each.process.pid)
            with process.oneshot():
                each.samples["rss_mb"].append((at, process.memory_info().rss / 2**20))
                each.samples["threads"].append((at, process.num_threads()))
            each.samples["descriptors"].append((at, process.num_fds()))
        # A process that is paused says nothing.
        status, body = await asyncio.to_thread(get, each.process.url + "/metrics", timeout=1.0)
        if status == 200 and (found := _TASKS.search(body)) is not None:
            each.samples["tasks"].append((at, float(found[1])))


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far; 0 when it is gone."""
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


class Cpu:
    """CPU seconds by name, of processes that may be replaced under their name by others."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, int], float] = {}
        self._first: dict[tuple[str, int], float] = {}

    def look(self, pids: Mapping[str, int], *, running: bool = True) -> None:
        """Note what they have used by now; ``running``: those seen first have run before, and that does not count."""
        for name, pid in pids.items():
            used = cpu_seconds(pid)
            if used:
                self._first.setdefault((name, pid), used if running else 0.0)
                self._last[name, pid] = used

    def used(self) -> dict[str, float]:
        """By name, since the first look."""
        found: dict[str, float] = {}
        for (name, pid), last in sorted(self._last.items()):
            found[name] = round(found.get(name, 0.0) + last - self._first[name, pid], 1)
        return found
