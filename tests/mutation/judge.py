"""Runs the tests of one mutant in a forked process whose module is the changed one.

A child tells its parent which test it is at through a piece of memory that both share, so that the test which finds a mutant has a name.
"""

from __future__ import annotations

import gc
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import selectors
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mutation.mutations import compile_mutant
from mutation.roles import ROOT, module_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import CodeType, ModuleType

    from mutation.mutations import Mutant

_SPARE_SECONDS = 20.0
_SHARED = (
    "aiokafka",
    "faust.transport.drivers.aiokafka",
    "hypothesis",
    "pytest",
    "bridge.destinations.aep.destination",
    "bridge.settings",
    "bridge.telemetry.health",
    "bridge.telemetry.logs",
    "bridge.xdm.experience_event",
)
_WITHOUT_WORKER = "tests/mutation/test_mutations.py"
"""What pytest itself and its plugins import is here once this file has been collected."""
_SLOWER = 6.0
"""A mutant may make a test slow: when it needs the processor for so many times its usual duration, and the spare seconds, it counts as
found. Seconds that pass while others have the processor say nothing of it."""
_IDLE_SECONDS, _IDLER = 4.0, 3.0
"""Or make it wait for what never comes: the same for seconds in which the process only sleeps."""
_IDLE_SHARE = 0.3
"""Of a processor: what a process that sleeps between two looks at something uses less than."""


_RESTING_SECONDS = 1.0
_MOST = 8
"""Children at the same time, with those that wait."""
_TICKS = os.sysconf("SC_CLK_TCK")


class Verdict(StrEnum):
    """What became of a mutant."""

    KILLED = "killed"
    TIMED_OUT = "timed out"
    SURVIVED = "survived"
    NOT_RUN = "not run"


@dataclass(frozen=True, slots=True)
class Judged:
    """A mutant, what became of it, how many tests run its line, seconds that it took, and the test that found it, if any."""

    mutant: Mutant
    verdict: Verdict
    tests: int
    seconds: float
    found_by: str = ""

    @property
    def is_found(self) -> bool:
        """Whether a test failed, or did not end."""
        return self.verdict in {Verdict.KILLED, Verdict.TIMED_OUT}


Work = tuple["Mutant", "Sequence[str]"]
"""A mutant and the tests that it is shown to, in this order."""
At = Callable[[str], None]
"""Told by a child: the test that it runs now."""
Start = Callable[["Mutant", "Sequence[str]", At], int]
"""Forks a child that judges a mutant by these tests; its process id."""


class _Place:
    """Which test a child is at."""

    def __init__(self) -> None:
        self._memory = os.memfd_create("test")

    def write(self, test: str) -> None:
        """For the child."""
        os.ftruncate(self._memory, 0)
        os.pwrite(self._memory, test.encode(), 0)

    def read(self) -> str:
        """For the parent."""
        return os.pread(self._memory, 65_536, 0).decode(errors="replace")

    def close(self) -> None:
        """For the parent, when the child has ended."""
        os.close(self._memory)


@dataclass(slots=True)
class _Running:
    """A child: since when it runs, at which test it is, what it had used of a processor before, and how long it has done nothing there."""

    pid: int
    mutant: Mutant
    tests: int
    place: _Place
    begun: float
    at: str
    looked: float
    before: float = 0.0
    used: float = 0.0
    idle: float = 0.0

    @property
    def works(self) -> bool:
        """Whether it needs a processor; one that only waits leaves it to the next."""
        return self.idle < _RESTING_SECONDS

    def is_stuck(self, now: float, seconds: Mapping[str, float]) -> bool:
        """Look at it: whether its test takes longer than any that passes. To be asked a few times a second."""
        state, used = _activity(self.pid)
        if (at := self.place.read()) != self.at:
            self.at, self.before, self.idle = at, used, 0.0
        elif state == "S" and used - self.used < _IDLE_SHARE * (now - self.looked):
            self.idle += now - self.looked
        self.looked, self.used = now, used
        usual = seconds.get(at, 0.0)
        return self.idle > _IDLE_SECONDS + _IDLER * usual or used - self.before > _SPARE_SECONDS + _SLOWER * usual


def _activity(pid: int) -> tuple[str, float]:
    """State of a process (S: it sleeps), and processor time that it has used, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return fields[0], (int(fields[11]) + int(fields[12])) / _TICKS


class _Names:
    """A pytest plugin that tells which test runs."""

    def __init__(self, at: At) -> None:
        self._at = at

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._at(nodeid)


class _Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from the given code instead of its source."""

    def __init__(self, name: str, code: CodeType) -> None:
        self._name = name
        self._code = code

    def find_spec(self, name: str, path: object, target: object = None) -> importlib.machinery.ModuleSpec | None:
        del path, target
        if name != self._name:
            return None
        return importlib.util.spec_from_file_location(name, module_path(name), loader=self)

    def exec_module(self, module: ModuleType) -> None:
        exec(self._code, module.__dict__)  # noqa: S102 - the project's own source with one change


_CHANGED = ("bridge.delivery", "bridge.kafka", "bridge.model.letter_fit", "bridge.worker")


def preload() -> None:
    """Import in this process what all children share; none of the modules that are changed, nor what imports them."""
    for name in _SHARED:
        importlib.import_module(name)
    _run([_WITHOUT_WORKER], "--collect-only", "-qqq")
    for name in [name for name in sys.modules if name.startswith(_CHANGED)]:
        del sys.modules[name]
    gc.freeze()


def start(mutant: Mutant, tests: Sequence[str], at: At) -> int:
    """Fork a child that exits 0 when every test passes; its process id."""

    def run() -> int:
        source = module_path(mutant.module).read_text(encoding="utf-8")
        changed = compile_mutant(mutant, source, str(module_path(mutant.module)))
        sys.meta_path.insert(0, _Changed(mutant.module, changed))
        for file, group in _by_file(tests).items():
            at(file)
            if found := _run(group, plugins=[_Names(at)]):
                return found
        return 0

    return in_child(run)


def in_child(run: Callable[[], int]) -> int:
    """Fork a child, silent and in a process group of its own, that exits with what ``run`` gives; its process id."""
    pid = os.fork()
    if pid:
        return pid
    code = 99
    try:
        os.setsid()
        quiet = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(quiet, descriptor)
        code = run()
    finally:
        os._exit(code)


def _by_file(tests: Sequence[str]) -> dict[str, list[str]]:
    """File -> tests, files in the order of their first test: to import all files takes longer than the tests that tell."""
    files: dict[str, list[str]] = {}
    for test in tests:
        files.setdefault(test.partition("::")[0], []).append(test)
    return files


def _run(tests: Sequence[str], *more: str, plugins: Sequence[object] = ()) -> int:
    quiet = ["-x", "-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    return int(pytest.main([*quiet, "--rootdir", str(ROOT), *more, *tests], plugins=plugins))


def judge_all(
    work: Sequence[Work],
    seconds: Mapping[str, float],
    *,
    at_once: int,
    report: Callable[[Judged], None],
    start: Start = start,
) -> list[Judged]:
    """Judge every mutant by a child that ``start`` forks; ``report`` is called with each result.

    ``seconds``: what each test usually takes; one that takes much longer has found its mutant.
    """
    waiting: list[Work] = list(reversed(work))
    running: dict[int, _Running] = {}
    done: list[Judged] = []
    finders: dict[tuple[str, str], list[str]] = {}
    selector = selectors.DefaultSelector()

    def finish(judged: Judged) -> None:
        done.append(judged)
        if judged.is_found:
            finders.setdefault((judged.mutant.module, judged.mutant.function), []).append(judged.found_by)
        report(judged)

    def ended(descriptor: int, verdict: Verdict) -> None:
        child = running.pop(descriptor)
        selector.unregister(descriptor)
        os.close(descriptor)
        found_by = "" if verdict is Verdict.SURVIVED else child.place.read()
        child.place.close()
        finish(Judged(child.mutant, verdict, child.tests, time.monotonic() - child.begun, found_by))

    while waiting or running:
        while waiting and len(running) < _MOST and sum(child.works for child in running.values()) < at_once:
            mutant, tests = waiting.pop()
            if not tests:
                finish(Judged(mutant, Verdict.NOT_RUN, 0, 0.0))
                continue
            place = _Place()
            near = finders.get((mutant.module, mutant.function), ())
            pid = start(mutant, _cheapest_hope_first(mutant, tests, near, seconds), place.write)
            watched = os.pidfd_open(pid)
            now = time.monotonic()
            running[watched] = _Running(pid, mutant, len(tests), place, now, "", now)
            selector.register(watched, selectors.EVENT_READ)
        for key, _ in selector.select(timeout=0.5):
            _, status = os.waitpid(running[key.fd].pid, 0)
            ended(key.fd, _verdict(os.waitstatus_to_exitcode(status)))
        now = time.monotonic()
        for descriptor, child in list(running.items()):
            if child.is_stuck(now, seconds):
                os.killpg(child.pid, signal.SIGKILL)
                os.waitpid(child.pid, 0)
                ended(descriptor, Verdict.TIMED_OUT)
    return done


def _cheapest_hope_first(
    mutant: Mutant, tests: Sequence[str], near: Sequence[str], seconds: Mapping[str, float]
) -> list[str]:
    """Behind the first test, which may be known to find it: the quick ones, those of the module's own file, those that found neighbours."""
    own, found = f"/test_{mutant.module.rpartition('.')[2]}.py", Counter(near)
    hope = {test: 1 + 10 * found[test] + 5 * (own in test) for test in tests}
    return [tests[0], *sorted(tests[1:], key=lambda test: seconds.get(test, 0.0) / hope[test])]


def _verdict(code: int) -> Verdict:
    if code == 0:
        return Verdict.SURVIVED
    return Verdict.TIMED_OUT if code == -signal.SIGPROF else Verdict.KILLED
