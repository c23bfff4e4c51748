"""Runs the tests in two lanes, and counts both in one closing line: ``python tests/support/lanes.py [ARGUMENTS OF PYTEST]``.

What is independent runs in parallel (pytest-xdist); what carries the marker ``serial``, because it measures time, processor or
memory, runs afterwards, alone. Arguments go to both lanes. With ``-n 0``, ``-s``, ``--pdb`` or ``--collect-only`` there is one
lane, in one process. It is also the plugin by which each lane writes down its counts.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

_COUNTS = "TEST_LANE_COUNTS"
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


def workers() -> int:
    """How many tests run at once: one more than there are processors, as most of them wait for others."""
    return len(os.sched_getaffinity(0)) + 1 if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1) + 1


def lanes_of(arguments: Sequence[str]) -> list[list[str]]:
    """The arguments of each lane: two of them, or one where the arguments ask for one process.

    A marker expression of the caller's holds in both lanes.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("-m", dest="markers", default="")
    parser.add_argument("-n", "--numprocesses", dest="at_once", default=str(workers()))
    asked, rest = parser.parse_known_args(list(arguments))
    if asked.at_once == "0" or _ONE_PROCESS & set(rest):
        return [[*rest, *(["-m", asked.markers] if asked.markers else [])]]
    also = f"({asked.markers}) and " if asked.markers else ""
    return [
        ["-n", asked.at_once, "--dist", "loadgroup", "-m", f"{also}not serial", *rest],
        ["-m", f"{also}serial", *rest],
    ]


def main(arguments: Sequence[str]) -> int:
    """Run the lanes; pytest's exit code: that of the first lane that failed."""
    began = time.monotonic()
    total: Counter[str] = Counter()
    errors: set[str] = set()
    codes: list[int] = []
    for lane in lanes_of(arguments):
        with tempfile.TemporaryDirectory() as folder:
            counts = Path(folder, "counts.json")
            path = os.pathsep.join(filter(None, [str(Path(__file__).parent), os.environ.get("PYTHONPATH")]))
            environment = os.environ | {_COUNTS: str(counts), "PYTHONPATH": path}
            done = subprocess.run([sys.executable, "-m", "pytest", "-p", "lanes", *lane], env=environment, check=False)
            codes.append(done.returncode)
            if counts.exists():
                found = json.loads(counts.read_text(encoding="utf-8"))
                total.update(found["counts"])
                errors |= set(found["errors"])
            elif done.returncode == 0:
                return 0  # it was asked for help or the like, and no test
        stop = {"-x", "--exitfirst"} & set(arguments) and done.returncode not in {0, _NOTHING_RAN}
        if stop or done.returncode == _INTERRUPTED:
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
