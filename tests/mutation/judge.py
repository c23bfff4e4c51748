"""Runs the tests of one mutant in a forked process whose module is the changed one."""

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
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import pytest

from mutation.mutations import compile_mutant
from mutation.roles import ROOT, fast_test_files, module_path

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import CodeType, ModuleType

    from mutation.mutations import Mutant

_SPARE_SECONDS = 15.0
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
_WITHOUT_WORKER = "test_mutations.py"
"""What pytest itself and its plugins import is here once this file has been collected."""
_SLOWER = 4.0
"""A mutant may make its tests wait: beyond so many times their usual duration, and the spare seconds, it counts as found."""


class Verdict(StrEnum):
    """What became of a mutant."""

    KILLED = "killed"
    TIMED_OUT = "timed out"
    SURVIVED = "survived"
    NOT_RUN = "not run"


@dataclass(frozen=True, slots=True)
class Judged:
    """A mutant, what became of it, how many tests ran its lines, and seconds that it took."""

    mutant: Mutant
    verdict: Verdict
    tests: int
    seconds: float


Work = tuple["Mutant", "Sequence[str]", float]
"""A mutant, the tests that run its line, and the seconds that they take."""


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
    _run([file for file in fast_test_files() if file.endswith(f"/{_WITHOUT_WORKER}")], "--collect-only", "-qqq")
    for name in [name for name in sys.modules if name.startswith(_CHANGED)]:
        del sys.modules[name]
    gc.freeze()


def start(mutant: Mutant, tests: Sequence[str]) -> int:
    """Fork a child that exits 0 when every test passes; its process id."""

    def run() -> int:
        source = module_path(mutant.module).read_text(encoding="utf-8")
        changed = compile_mutant(mutant, source, str(module_path(mutant.module)))
        sys.meta_path.insert(0, _Changed(mutant.module, changed))
        return next((found for group in _by_file(mutant, tests) if (found := _run(group))), 0)

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


def _by_file(mutant: Mutant, tests: Sequence[str]) -> list[list[str]]:
    """The tests, one list a file: to import all files takes longer than the tests that tell. The module's own file is first."""
    files: dict[str, list[str]] = {}
    for test in tests:
        files.setdefault(test.partition("::")[0], []).append(test)
    own = f"test_{mutant.module.rpartition('.')[2]}.py"
    return [files[file] for file in sorted(files, key=lambda file: not file.endswith(own))]


def _run(tests: Sequence[str], *more: str) -> int:
    quiet = ["-x", "-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    return int(pytest.main([*quiet, "--rootdir", str(ROOT), *more, *tests]))


def judge_all(
    work: Sequence[Work],
    *,
    at_once: int,
    report: Callable[[Judged], None],
    start: Callable[[Mutant, Sequence[str]], int] = start,
) -> list[Judged]:
    """Judge every mutant by a child that ``start`` forks; ``report`` is called with each result."""
    waiting, running, done = list(reversed(work)), {}, []
    selector = selectors.DefaultSelector()

    def finish(judged: Judged) -> None:
        done.append(judged)
        report(judged)

    while waiting or running:
        while waiting and len(running) < at_once:
            mutant, tests, seconds = waiting.pop()
            if not tests:
                finish(Judged(mutant, Verdict.NOT_RUN, 0, 0.0))
                continue
            pid = start(mutant, tests)
            watched = os.pidfd_open(pid)
            limit = time.monotonic() + _SPARE_SECONDS + _SLOWER * seconds
            running[watched] = (pid, mutant, len(tests), time.monotonic(), limit)
            selector.register(watched, selectors.EVENT_READ)
        for key, _ in selector.select(timeout=0.5):
            pid, mutant, tests, begun, _limit = running.pop(key.fd)
            selector.unregister(key.fd)
            os.close(key.fd)
            _, status = os.waitpid(pid, 0)
            finish(Judged(mutant, _verdict(os.waitstatus_to_exitcode(status)), tests, time.monotonic() - begun))
        now = time.monotonic()
        for descriptor, (pid, mutant, tests, begun, limit) in list(running.items()):
            if now > limit:
                os.killpg(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                running.pop(descriptor)
                selector.unregister(descriptor)
                os.close(descriptor)
                finish(Judged(mutant, Verdict.TIMED_OUT, tests, now - begun))
    return done


def _verdict(code: int) -> Verdict:
    if code == 0:
        return Verdict.SURVIVED
    return Verdict.TIMED_OUT if code == -signal.SIGPROF else Verdict.KILLED
