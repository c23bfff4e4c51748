"""Runs the tests in three lanes, and counts all in one closing line: ``python tests/support/lanes.py [ARGUMENTS OF PYTEST]``.

What waits for processes, brokers and the clock runs in several processes (pytest-xdist), the longest first; afterwards, alone, what
carries the marker ``serial``, because it measures time or load. Beside both, on whatever they leave of the processors, runs what
computes. Which test belongs to which lane ``lane_membership.py`` knows, a plugin of pytest.

Arguments go to each lane. With ``-n 0``, ``-s``, ``--pdb`` or ``--collect-only`` there is one lane, in one process. Where all tests are
asked for, what some of them need and takes long to make is made beside them (``preparing.py``).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lane_membership import COUNTS, LANE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).resolve().parents[2]
_MOST_AT_ONCE = 8
"""So many run at once in a lane at the most: each has a range of ports of its own (bridge.testing.processes), and a Kafka."""
_PORT_RANGE = "TESTING_PORT_RANGE"
_PATIENCE = "TEST_LANE_NICE"
_PATIENT = 10
"""How nice what runs beside the others is (man 7 sched): a tenth of what one of theirs has who wants as much."""
_PATIENT_SECONDS = 1_200
"""So long a test beside the others may take: most of it it stands still."""
_NOTHING_RAN = 5
_INTERRUPTED = 2
_LOOK_SECONDS = 0.1
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
    return min(2 * processors(), _MOST_AT_ONCE)


def lanes_of(arguments: Sequence[str]) -> tuple[list[Lane], list[Lane]]:
    """The lanes that run one after the other, and those that run beside them from the beginning, and yield to them.

    A single lane where the arguments ask for one process. A marker expression of the caller's holds in each; ``-n`` is the number of
    processes that wait.
    """
    asked, rest = _parsed(arguments)
    if asked.at_once == "0" or _ONE_PROCESS & set(rest):
        return [Lane("", [*rest, *(["-m", asked.markers] if asked.markers else [])])], []
    also = f"({asked.markers}) and " if asked.markers else ""
    parallel = ["--dist", "loadgroup", "--maxschedchunk", "1", "-m", f"{also}not serial", *rest]
    return [
        Lane("waiting", ["-n", asked.at_once, *parallel]),
        Lane("serial", ["-m", f"{also}serial", *rest]),
    ], [Lane("computing", ["-n", str(min(processors(), _MOST_AT_ONCE)), *parallel])]


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


class Run:
    """A lane under way. ``shown``: it says what it says at once; else into a file, until it is asked for.

    ``code`` is None until it has ended; ``told_to_end``: that it ended is no doing of its own.
    """

    def __init__(self, lane: Lane, folder: Path, *, shown: bool, patient: bool = False) -> None:
        self.lane, self._folder = lane, folder
        self.code: int | None = None
        self.counts: Counter[str] | None = None
        self.errors: frozenset[str] = frozenset()
        self.told_to_end = False
        self.seconds = self.processor_seconds = 0.0
        self._shown, self._said, self._began = shown, 0, time.monotonic()
        path = os.pathsep.join(filter(None, [str(Path(__file__).parent), os.environ.get("PYTHONPATH")]))
        environment = os.environ | {COUNTS: str(self._file("counts")), LANE: lane.name, "PYTHONPATH": path}
        # Hundreds of processes start from the same sources: compiled once, and never beside them.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        environment.setdefault("PYTHONPYCACHEPREFIX", str(ROOT / ".make" / "pycache"))
        if lane.name in {"waiting", "computing"}:
            environment.setdefault("TESTING_FORK", "1")  # bridge.testing.forking; a measurement has interpreters
        if patient:
            environment.setdefault(_PORT_RANGE, str(_MOST_AT_ONCE))
            environment.setdefault("PYTEST_TIMEOUT", str(_PATIENT_SECONDS))
        command = [sys.executable, "-m", "pytest", "-p", "lane_membership", "-p", "reading_order", *lane.arguments]
        with self._file("said").open("wb") as said:
            self._child = subprocess.Popen(
                command,
                env=environment,
                stdout=None if shown else said,
                stderr=None if shown else said,
                # One that has the terminal for itself may be typed at; the others are told by this process when to end.
                start_new_session=bool(lane.name),
            )
        if patient:
            yield_to_others(self._child.pid, int(os.environ.get(_PATIENCE, _PATIENT)))

    def ended(self) -> bool:
        """Whether it has; then its counts are there."""
        if self.code is None:
            pid, status, used = os.wait4(self._child.pid, os.WNOHANG)
            if pid:
                self._child.returncode = self.code = os.waitstatus_to_exitcode(status)
                self.seconds = time.monotonic() - self._began
                self.processor_seconds = used.ru_utime + used.ru_stime
                if self._file("counts").exists():
                    found = json.loads(self._file("counts").read_text(encoding="utf-8"))
                    self.counts, self.errors = Counter(found["counts"]), frozenset(found["errors"])
        return self.code is not None

    @property
    def failed(self) -> bool:
        """Whether it has ended with an error of its own."""
        return not self.told_to_end and self.code not in {None, 0, _NOTHING_RAN}

    def end(self, number: int) -> None:
        """A signal for it and for its processes, as ctrl-C sends one."""
        if self.code is None:
            self.told_to_end = True
            with contextlib.suppress(ProcessLookupError):
                if self.lane.name:
                    os.killpg(self._child.pid, number)
                else:
                    self._child.send_signal(number)

    def say(self) -> None:
        """Show what it has said since it was last asked."""
        if self._shown:
            return
        with self._file("said").open("rb") as said:
            said.seek(self._said)
            news = said.read()
        self._said += len(news)
        sys.stdout.flush()
        sys.stdout.buffer.write(news)
        sys.stdout.flush()

    def _file(self, kind: str) -> Path:
        return self._folder / f"{self.lane.name or 'all'}.{kind}"


def yield_to_others(pid: int, nice: int) -> None:
    """A process, and what it will start, goes behind others, also where the kernel shares out processors by session first."""
    os.setpriority(os.PRIO_PROCESS, pid, nice)
    with contextlib.suppress(OSError):  # a kernel without it, or a container that may not
        Path(f"/proc/{pid}/autogroup").write_text(str(nice), encoding="utf-8")


class Course:
    """All lanes of one call, from the first start to the last end."""

    def __init__(self, arguments: Sequence[str], folder: Path) -> None:
        self._first_ends_all = bool({"-x", "--exitfirst"} & set(arguments))
        self._folder = folder
        self._lanes, beside = lanes_of(arguments)
        self._beside = [Run(lane, folder, shown=False, patient=True) for lane in beside]
        self.runs = [*self._beside]

    def go(self) -> None:
        """Run them; ctrl-C and SIGTERM end all, and a failure where that was asked for."""
        try:
            for lane in self._lanes:
                run = Run(lane, self._folder, shown=True)
                self.runs.append(run)
                if not lane.name:
                    signal.signal(
                        signal.SIGINT, signal.SIG_IGN
                    )  # the terminal sends it to both, and it is for the debugger
                while not run.ended():
                    self._look()
                for each in self._beside:
                    if each.ended():
                        each.say()
                if run.code == _INTERRUPTED or (self._first_ends_all and any(each.failed for each in self.runs)):
                    break
            for run in self._beside:
                while not run.ended():
                    self._look()
                    run.say()
                run.say()
        except KeyboardInterrupt:
            self._end_all(signal.SIGINT)
            self._wait_all()

    def _wait_all(self) -> None:
        try:
            for run in self.runs:
                while not run.ended():
                    time.sleep(_LOOK_SECONDS)
                run.say()
        except KeyboardInterrupt:  # again: somebody is in a hurry
            self._end_all(signal.SIGKILL)
            for run in self.runs:
                while not run.ended():
                    time.sleep(_LOOK_SECONDS)

    def _look(self) -> None:
        time.sleep(_LOOK_SECONDS)
        if self._first_ends_all and any(run.ended() and run.failed for run in self.runs):
            self._end_all(signal.SIGINT)

    def _end_all(self, number: int) -> None:
        for run in self.runs:
            if not run.told_to_end or number == signal.SIGKILL:
                run.end(number)


def exit_code(runs: Sequence[Run]) -> int:
    """Pytest's: that of the first lane that failed by itself, that of an interruption, or that nothing ran."""
    codes = [run.code for run in runs]
    failed = next((run.code for run in runs if run.failed), None)
    if failed is not None:
        return failed
    if any(run.told_to_end for run in runs):
        return _INTERRUPTED
    return 0 if 0 in codes else _NOTHING_RAN


def main(arguments: Sequence[str]) -> int:
    """Run the lanes; pytest's exit code."""
    began = time.monotonic()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Also where a shell has its jobs in the background ignore ctrl-C: the lanes would inherit that.
        signal.signal(number, signal.default_int_handler)
    with tempfile.TemporaryDirectory() as folder, prepared(arguments):
        course = Course(arguments, Path(folder))
        course.go()
    runs = course.runs
    code = exit_code(runs)
    if all(run.counts is None for run in runs) and code == 0:
        return code  # it was asked for help or the like, and no test
    total: Counter[str] = Counter()
    for run in runs:
        total.update(run.counts or {})
    total["error"] = len(frozenset().union(*(run.errors for run in runs)))
    for run in runs:
        if run.lane.name:
            print(f"{run.lane.name}: {run.seconds:.0f} s, {run.processor_seconds:.0f} s of processor time")  # noqa: T201 - as below
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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
