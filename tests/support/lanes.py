"""Runs the tests in three lanes, and counts all in one closing line: ``python tests/support/lanes.py [ARGUMENTS OF PYTEST]``.

What computes runs in several processes (pytest-xdist); then what waits for processes and brokers, the longest first, three for two processors; and afterwards, alone, what carries the marker ``serial``, because it measures time, processor or memory. Arguments go to each lane. With ``-n 0``, ``-s``, ``--pdb`` or ``--collect-only`` there is one lane, in one process.
Where all tests are asked for, what the waiting lane needs and takes long to make is made beside the first (``preparing.py``).
It is also the plugin by which each lane knows its tests and writes down their counts.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pytest

ROOT = Path(__file__).resolve().parents[2]
_COUNTS = "TEST_LANE_COUNTS"
_LANE = "TEST_LANE"
_WAITING_FOLDERS = frozenset({"system", "chaos"})
_COMPUTING_FOLDERS = frozenset({"simulation"})
"""Slow, and yet it never waits: time is virtual there."""
_WAITING_MARKERS = ("kafka", "slow")
_SLOW_SECONDS = 10.0
_MOST_WAITING = 8
"""So many wait at once at the most: each has a range of ports of its own (bridge.testing.processes), and a Kafka."""
_NOTHING_RAN = 5
_INTERRUPTED = 2
_WORDS = {
    "failed": "failed",
    "error": "errors",
    "passed": "passed",
    "skipped": "skipped",
    "xfailed": "xfailed",
    "xpassed": "xpassed",
}
_ALWAYS = ("passed", "failed", "skipped")
_ONE_PROCESS = {
    "-s",
    "--pdb",
    "--trace",
    "--collect-only",
    "--co",
    "--fixtures",
    "--markers",
    "-h",
    "--help",
    "--version",
}


@dataclass(frozen=True, slots=True)
class Lane:
    """``name``: ``waiting``, ``computing``, ``serial`` or empty for all tests; ``arguments`` of its pytest."""

    name: str
    arguments: list[str]


def processors() -> int:
    """How many there are for us."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def waiting_at_once() -> int:
    """How many tests wait side by side."""
    return min(max(2, processors() * 3 // 2), _MOST_WAITING)


def rounds_of(arguments: Sequence[str]) -> list[list[Lane]]:
    """The lanes, one after the other, in rounds; a single one where the arguments ask for one process.

    What waits has deadlines to meet: what computes does not run beside it. Of what waits there are three for two processors, as each uses
    somewhat more than half of one.

    A marker expression of the caller's holds in each; ``-n`` is the number of processes that wait.
    """
    asked, rest = _parsed(arguments)
    if asked.at_once == "0" or _ONE_PROCESS & set(rest):
        return [[Lane("", [*rest, *(["-m", asked.markers] if asked.markers else [])])]]
    also = f"({asked.markers}) and " if asked.markers else ""
    parallel = ["--dist", "loadgroup", "--maxschedchunk", "1", "-m", f"{also}not serial", *rest]
    return [
        [Lane("computing", ["-n", str(min(processors(), _MOST_WAITING)), *parallel])],
        [Lane("waiting", ["-n", asked.at_once, *parallel])],
        [Lane("serial", ["-m", f"{also}serial", *rest])],
    ]


def _parsed(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("-m", dest="markers", default="")
    parser.add_argument("-n", "--numprocesses", dest="at_once", default=str(waiting_at_once()))
    return parser.parse_known_args(list(arguments))


@contextlib.contextmanager
def prepared(arguments: Sequence[str]) -> Iterator[None]:
    """Make beside the tests what some need, where all of them are asked for; it ends with them.

    What cannot be made is told by the tests that need it.
    """
    asked, rest = _parsed(arguments)
    if rest or asked.markers or asked.at_once == "0":
        yield
        return
    command = [sys.executable, str(Path(__file__).with_name("preparing.py"))]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))}
    making = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        making.terminate()
        making.wait()


@dataclass(slots=True)
class Run:
    """A lane under way; of those side by side the first shows what it says, the others say it at their end."""

    lane: Lane
    folder: Path
    shown: bool
    code: int = 0
    counts: Counter[str] | None = None
    errors: frozenset[str] = frozenset()
    _child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start its pytest."""
        path = os.pathsep.join(filter(None, [str(Path(__file__).parent), os.environ.get("PYTHONPATH")]))
        environment = os.environ | {_COUNTS: str(self._file("counts")), _LANE: self.lane.name, "PYTHONPATH": path}
        # Hundreds of processes start from the same sources: compiled once, and never beside them.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        environment.setdefault("PYTHONPYCACHEPREFIX", str(ROOT / ".make" / "pycache"))
        if self.lane.name in {"waiting", "computing"}:
            environment.setdefault("TESTING_FORK", "1")  # bridge.testing.forking; a measurement has interpreters
        command = [sys.executable, "-m", "pytest", "-p", "lanes", *self.lane.arguments]
        if self.shown:
            self._child = subprocess.Popen(command, env=environment)
            return
        with self._file("said").open("wb") as said:
            self._child = subprocess.Popen(command, env=environment, stdout=said, stderr=said)

    def finish(self) -> None:
        """Wait for its end, show what it has said, and read its counts."""
        assert self._child is not None
        self.code = self._child.wait()
        if not self.shown:
            sys.stdout.flush()
            sys.stdout.buffer.write(self._file("said").read_bytes())
            sys.stdout.flush()
        if self._file("counts").exists():
            found = json.loads(self._file("counts").read_text(encoding="utf-8"))
            self.counts, self.errors = Counter(found["counts"]), frozenset(found["errors"])

    def _file(self, kind: str) -> Path:
        return self.folder / f"{self.lane.name or 'all'}.{kind}"


def main(arguments: Sequence[str]) -> int:
    """Run the lanes; pytest's exit code: that of the first lane that failed."""
    with prepared(arguments):
        return _run(arguments)


def _run(arguments: Sequence[str]) -> int:
    began = time.monotonic()
    total: Counter[str] = Counter()
    errors: set[str] = set()
    codes: list[int] = []
    for side_by_side in rounds_of(arguments):
        with tempfile.TemporaryDirectory() as folder:
            runs = [Run(lane, Path(folder), shown=not place) for place, lane in enumerate(side_by_side)]
            for run in runs:
                run.start()
            for run in runs:
                run.finish()
            codes += [run.code for run in runs]
            for run in runs:
                total.update(run.counts or {})
                errors |= run.errors
            if all(run.counts is None and run.code == 0 for run in runs):
                return 0  # it was asked for help or the like, and no test
        failed = [code for code in codes if code not in {0, _NOTHING_RAN}]
        if ({"-x", "--exitfirst"} & set(arguments) and failed) or _INTERRUPTED in codes:
            break
    total["error"] = len(errors)
    code = next((each for each in codes if each not in {0, _NOTHING_RAN}), None)
    if code is None:
        code = 0 if 0 in codes else _NOTHING_RAN
    print(closing_line(total, time.monotonic() - began))  # noqa: T201 - what whoever runs the tests reads
    return code


def closing_line(total: Counter[str], seconds: float) -> str:
    """Counts of all lanes: ``4487 passed, 0 failed, 3 skipped in 431 s``."""
    told = [
        f"{total[outcome]} {word}"
        for outcome, word in sorted(_WORDS.items(), key=lambda pair: _order(pair[0]))
        if total[outcome] or outcome in _ALWAYS
    ]
    return f"{', '.join(told)} in {seconds:.0f} s"


def _order(outcome: str) -> tuple[bool, int]:
    return outcome not in _ALWAYS, (_ALWAYS.index(outcome) if outcome in _ALWAYS else 0)


def _waits(path: Path, marked: bool) -> bool:
    folders = set(path.parts)
    return bool(_WAITING_FOLDERS & folders) or (marked and not _COMPUTING_FOLDERS & folders)


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """A lane does not read files in which it has no tests."""
    lane = os.environ.get(_LANE)
    if not lane or not collection_path.name.startswith("test_") or collection_path.suffix != ".py":
        return None
    text = collection_path.read_text(encoding="utf-8", errors="replace")
    if lane == "serial":
        return None if "mark.serial" in text else True
    if lane == "waiting":
        return None if _waits(collection_path, any(f"mark.{name}" in text for name in _WAITING_MARKERS)) else True
    return True if _WAITING_FOLDERS & set(collection_path.parts) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Each test in one lane; the slowest first, so that none is begun when all others are done."""
    lane = os.environ.get(_LANE)
    if not lane or lane == "serial":
        return

    def waits(item: pytest.Item) -> bool:
        return _waits(item.path, any(item.get_closest_marker(name) for name in _WAITING_MARKERS))

    def seconds(item: pytest.Item) -> float:
        """What its marker says: ``slow`` more than ten, ``slow(60)`` about a minute."""
        marker = item.get_closest_marker("slow")
        if marker is None:
            return _SLOW_SECONDS / 2 if item.get_closest_marker("kafka") else 0.0
        return float(marker.args[0]) if marker.args else _SLOW_SECONDS

    others = [item for item in items if waits(item) != (lane == "waiting")]
    config.hook.pytest_deselected(items=others)
    left = set(others)
    items[:] = sorted((item for item in items if item not in left), key=seconds, reverse=True)


def pytest_sessionstart(session: pytest.Session) -> None:
    """In place of a line for each lane there is one for both."""
    reporter: Any = session.config.pluginmanager.get_plugin("terminalreporter")
    if _COUNTS in os.environ and reporter is not None:
        reporter.summary_stats = lambda: None


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Write down how many tests had which outcome; a test counts once, as pytest's own line counts it.

    Errors by name: a file that cannot be collected is an error in every process of both lanes.
    """
    if (to := os.environ.get(_COUNTS)) is not None:
        stats = terminalreporter.stats
        counts = {
            outcome: sum(getattr(each, "count_towards_summary", True) for each in stats.get(outcome, ()))
            for outcome in _WORDS
            if outcome != "error"
        }
        errors = [f"{each.nodeid} {getattr(each, 'when', '')}" for each in stats.get("error", ())]
        Path(to).write_text(json.dumps({"counts": counts, "errors": errors}), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
