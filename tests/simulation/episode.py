"""One seed from beginning to end: trouble for a while, then peace, in which everything must come to rest within its time."""

from __future__ import annotations

import asyncio
import gc
import re
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from simulation.counted import check_counts
from simulation.plan import dealt
from simulation.told import Telling
from simulation.trouble import Trouble
from simulation.virtual_loop import BEGIN, PROCESS
from simulation.world import World

_WALL_CLOCK = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?(?: UTC|Z)?")
"""The one thing in log lines that no seed decides."""
REST_SECONDS = 500.0
"""Virtual seconds after the last fault in which all must be delivered: a suspect event alone takes minutes of evidence."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a seed has found. ``trace`` are its last steps."""

    seed: int
    at: float
    what: str
    trace: list[str]

    def __str__(self) -> str:
        lines = "\n".join(self.trace)
        return f"seed {self.seed} after {self.at:.3f} virtual seconds: {self.what}\n{lines}"


@dataclass(frozen=True, slots=True)
class Result:
    """What one seed came to: virtual seconds, events written, faults begun, the finding if there is one, its last steps."""

    seconds: float
    events: int
    faults: int
    finding: Finding | None
    trace: list[str]


def play(seed, counters, *, lines=60, traced=0):
    """Play one seed."""
    with _logs_into_trace() as told_to:
        world = World(seed, counters)
        told_to.append(world)
        seconds, rate = dealt(seed, "episode", ((30.0, 0.8), (60.0, 0.5), (120.0, 0.3)))
        trouble = Trouble(world, seconds, rate)
        finding = None
        try:
            world.run(_episode(world, trouble))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what was looked for
            finding = Finding(seed, world.loop.time() - BEGIN, _words(error), world.last(lines))
        passed = world.loop.time() - BEGIN
        events = len(world.account.events)
        trace = world.last(traced) if traced else []
        world.close()
    return Result(passed, events, trouble.begun, finding, trace)


async def _episode(world, trouble):
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(work) for work in (world.workload.run(), _expire(world))]
    for node in world.nodes:
        node.start()
    telling = Telling(world)
    tasks.append(loop.create_task(telling.run()))
    broken = loop.create_task(trouble.run())
    done, _ = await asyncio.wait([*tasks, broken], return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
    trouble.heal()
    world.trace("world", lambda: "peace")
    for node in world.nodes:
        node.wanted = True
        node.restart()
    deadline = loop.time() + REST_SECONDS
    # While something waits for evidence that others pass, others must pass.
    world.workload.natures = False
    settled = loop.time() + 30.0
    ends = world.ends()
    overloaded = loop.time() + REST_SECONDS / 4
    while loop.time() < deadline:
        await _while(tasks, 5.0)
        if loop.time() >= overloaded:
            # Two requests at a time in the order of keys hardly keep up with the workload: what is asked is progress, not capacity.
            world.workload.slow_down()
        # What has its end may still be repeated by whoever took the partition over, and be suspect there once more.
        if loop.time() >= settled and world.account.older_open(settled - 30.0) == 0 and world.committed(ends):
            break
    world.workload.on = False
    while loop.time() < deadline and not world.at_rest:
        await _while(tasks, 1.0)
    check_counts(world)
    if untold := world.account.untold():
        raise AssertionError(f"retention took {len(untold)} events and nobody told: {untold[0]}")
    if world.remembers and world.at_rest:
        world.members.check_all()
    if not world.at_rest:
        raise AssertionError(f"not at rest {REST_SECONDS:g} s after the last fault: {world.unrest()}")


async def _while(tasks, seconds):
    done, _ = await asyncio.wait(tasks, timeout=seconds)
    for task in done:
        task.result()


async def _expire(world):
    while True:
        await asyncio.sleep(0.5)
        world.cluster.coordinator.expire()


def _words(error):
    name = type(error).__name__
    return str(error) if name in ("BrokenPromiseError", "AssertionError") else f"{name}: {error}"


@contextmanager
def _logs_into_trace():
    """The worker's log lines as steps of the trace."""
    before = structlog.get_config()
    worlds = []

    def keep(_logger, method, event):
        process = PROCESS.get()
        if worlds and event["event"] == "records_expired":
            worlds[0].account.told_expired((event["topic"], event["partition"]), event["first"], event["last"])
        if worlds:
            worlds[0].trace(
                "log" if process is None else process.name,
                lambda: _WALL_CLOCK.sub("(wall clock)", f"{method}: {event}"),
            )
        raise structlog.DropEvent

    structlog.configure(processors=[keep], cache_logger_on_first_use=False)
    try:
        yield worlds
    finally:
        structlog.configure(**before)


def spare_the_collector():
    """What is imported lives as long as the process, and an episode's rings are collected at its end."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)


def find(seconds, *, first=1, clock=time.process_time):
    """Play seeds from ``first`` on for so many seconds of CPU; the first finding, or None. For whoever tries a changed product."""
    spare_the_collector()
    ends, seed = clock() + seconds, first
    counters = Counter()
    while clock() < ends:
        result = play(seed, counters)
        if result.finding is not None:
            return result.finding
        seed += 1
    return None
