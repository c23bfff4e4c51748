"""Learns which fast tests run which lines of the mutated modules, and how long each takes.

What a test file runs is kept until the file, or a source that it uses, changes.
"""

from __future__ import annotations

import json
import multiprocessing
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from coverage import Coverage

from mutation.reach import digest_of, imported_by
from mutation.roles import ROOT, module_path

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

_WAITED = Path("/proc/thread-self/schedstat")
"""Its second number: nanoseconds that the thread has waited for a processor."""


@dataclass(frozen=True, slots=True)
class Trace:
    """``lines``: module -> line -> node ids of the tests that run it. ``seconds``: node id -> duration.

    ``failed``: tests that fail without any change; nothing can be judged by them.
    """

    lines: Mapping[str, Mapping[int, frozenset[str]]]
    seconds: Mapping[str, float]
    failed: tuple[str, ...]

    def tests_for(self, module: str, line: int) -> list[str]:
        """Tests that run this line, the quickest first, and those of the module's own file: the tracer misses a line now and then.

        A line that runs at import only (a default, a module's constant) concerns every test that runs anything of the module, and
        all of a file that imports it: what a class generates for itself has no line.
        """
        lines = self.lines[module]
        path = module_path(module)
        every = set[str]().union(*lines.values())
        if not lines.get(line):
            every |= {test for test in self.seconds if path in imported_by(ROOT / test.partition("::")[0])}
        own = f"/test_{module.rpartition('.')[2]}.py"
        found = (lines.get(line) or every) | {test for test in every if test.partition("::")[0].endswith(own)}
        return sorted(found - set(self.failed), key=lambda node: self.seconds.get(node, 0.0))


class _Recorder:
    """A pytest plugin: one coverage context a test."""

    def __init__(self, coverage: Coverage) -> None:
        self._coverage = coverage
        self.seconds: dict[str, float] = {}
        self.failed: list[str] = []

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, None]:
        self._coverage.switch_context(item.nodeid)
        begun = _unhindered()
        yield
        self.seconds[item.nodeid] = _unhindered() - begun
        self._coverage.switch_context("")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.append(report.nodeid)


def _unhindered() -> float:
    """Seconds, less those in which this thread could have run and others had the processor: a busy machine makes no test slow."""
    waited = 0
    with suppress(OSError):
        waited = int(_WAITED.read_text(encoding="ascii").split()[1])
    return time.perf_counter() - waited / 1e9


def trace(files: Sequence[str], modules: Sequence[str], scratch: Path, *, anew: bool) -> Trace:
    """What the tests of these files run, of these modules.

    ``scratch``: where it is kept. ``anew``: run all of them, whatever is kept.
    """
    kept: dict[str, Any] = json.loads(scratch.read_text(encoding="utf-8")) if scratch.exists() and not anew else {}
    digests = {file: digest_of(ROOT / file) for file in files}
    stale = [file for file in files if kept.get(file, {}).get("digest") != digests[file]]
    if stale:
        kept |= _run(stale, digests, modules, scratch.with_suffix(".new"))
        scratch.write_text(json.dumps(kept), encoding="utf-8")
    lines: dict[str, dict[int, set[str]]] = {module: defaultdict(set) for module in modules}
    seconds: dict[str, float] = {}
    failed: list[str] = []
    for file in files:
        seconds |= kept[file]["seconds"]
        failed += kept[file]["failed"]
        for module in modules:
            for line, tests in kept[file]["lines"].get(module, {}).items():
                lines[module][int(line)].update(tests)
    return Trace(
        {module: {line: frozenset(tests) for line, tests in found.items()} for module, found in lines.items()},
        seconds,
        tuple(failed),
    )


def _run(files: Sequence[str], digests: Mapping[str, str], modules: Sequence[str], scratch: Path) -> dict[str, Any]:
    """Run the files once, in a process of their own; what is to be kept of each."""
    scratch.unlink(missing_ok=True)
    process = multiprocessing.get_context("fork").Process(target=_record, args=(files, modules, scratch))
    process.start()
    process.join()
    if not scratch.exists():
        raise RuntimeError(f"the tests could not be traced: the process ended with {process.exitcode}")
    found = json.loads(scratch.read_text(encoding="utf-8"))
    scratch.unlink()
    kept: dict[str, Any] = {file: {"digest": digests[file], "lines": {}, "seconds": {}, "failed": []} for file in files}
    for test, seconds in found["seconds"].items():
        kept[_file_of(test)]["seconds"][test] = seconds
    for test in found["failed"]:
        kept[_file_of(test)]["failed"].append(test)
        kept[_file_of(test)]["digest"] = ""
    for module, lines in found["lines"].items():
        for line, tests in lines.items():
            for test in tests:
                kept[_file_of(test)]["lines"].setdefault(module, {}).setdefault(line, []).append(test)
    return kept


def _file_of(test: str) -> str:
    return test.partition("::")[0]


def _record(files: Sequence[str], modules: Sequence[str], scratch: Path) -> None:
    paths = {module: str(module_path(module)) for module in modules}
    coverage = Coverage(data_file=None, include=list(paths.values()), messages=False)
    coverage.start()
    recorder = _Recorder(coverage)
    pytest.main(
        [
            "-q",
            "-p",
            "no:cacheprovider",
            "-W",
            "ignore::pytest.PytestAssertRewriteWarning",
            "--rootdir",
            str(ROOT),
            *files,
        ],
        plugins=[recorder],
    )
    coverage.stop()
    data = coverage.get_data()
    lines: dict[str, dict[int, list[str]]] = defaultdict(dict)
    for module, path in paths.items():
        for line, contexts in data.contexts_by_lineno(path).items():
            lines[module][line] = [context for context in contexts if context]
        lines.setdefault(module, {})
    scratch.write_text(
        json.dumps({"lines": lines, "seconds": recorder.seconds, "failed": recorder.failed}), encoding="utf-8"
    )
