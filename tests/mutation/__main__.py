"""`make mutants`: mutate, judge, write what was found; exit 1 when a mutant survives."""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mutation.judge import Judged, Verdict, judge_all, preload
from mutation.quick import judge_quickly
from mutation.reach import sources_of, tests_worker
from mutation.results import (
    Stage,
    changed_since,
    code_of,
    equivalents,
    found_before,
    mutants_of_role,
    not_judged,
    read,
    write,
)
from mutation.roles import LONG, ROLES, ROOT, Role, fast_test_files, module_path
from mutation.tracing import trace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mutation.mutations import Mutant
    from mutation.tracing import Trace

_MOST_EQUIVALENTS = 0.05
_QUICK_SECONDS = 1.0
"""Tests that take longer are asked last, of the few mutants that no other test finds."""


def main() -> int:
    """Run it."""
    options = _options()
    if options.stale:
        return _say_stale()
    roles = [role for role in ROLES if options.only is None or role.name in options.only]
    unknown = set(options.only or ()) - {role.name for role in roles}
    if unknown:
        _say(f"no such role: {', '.join(sorted(unknown))}; there are {', '.join(role.name for role in ROLES)}")
        return 2
    modules = [module for role in roles for module in role.modules]
    code = code_of(modules)
    mutants = {role.name: mutants_of_role(role) for role in roles}
    same = equivalents()
    _say(f"{sum(map(len, mutants.values()))} mutants of {len(modules)} modules; {len(same)} equivalents listed")
    os.chdir(ROOT)
    os.environ["HYPOTHESIS_PROFILE"] = "mutants"
    preload()
    scratch = ROOT / ".make"
    scratch.mkdir(exist_ok=True)
    begun = time.monotonic()
    paths = {module_path(module) for module in modules}
    memory = _Memory(scratch / "mutants-found.json", roles)
    known = {test.partition("::")[0] for test in memory.found.values()} - LONG
    files = [
        file
        for file in sorted({*fast_test_files(modules), *(file for file in known if (ROOT / file).is_file())})
        if tests_worker(ROOT / file) and paths & sources_of(ROOT / file)
    ]
    every = [module for role in ROLES for module in role.modules]
    found = trace(files, every, scratch / "mutants-trace.json", anew=options.only is None)
    if found.failed:
        _say("these tests fail without any change:", *found.failed)
        return 1
    _say(f"traced {len(found.seconds)} tests of {len(files)} files in {time.monotonic() - begun:.0f} s")
    work = [
        (mutant, _in_order(mutant, found, memory.found.get(mutant.key), options.tests))
        for each in mutants.values()
        for mutant in each
        if mutant.key not in same
    ]
    progress = _Progress(len(work), memory)
    quick = [(mutant, [test for test in tests if found.seconds[test] <= _QUICK_SECONDS]) for mutant, tests in work]
    quickly = judge_quickly(quick, files, found.seconds, at_once=options.jobs, report=progress)
    done = {judged.mutant.key for judged in quickly}
    left = [each for each in work if each[0].key not in done]
    _say(f"{len(done)} found by a patch in {time.monotonic() - begun:.0f} s; {len(left)} are judged by an import")
    slowly = judge_all(left, found.seconds, at_once=options.jobs, report=progress)
    memory.keep()
    if code != code_of(modules):
        _say(
            "the modules have changed while they were judged: nothing is written; run it again, on a copy to work on meanwhile"
        )
        return 1
    stages = [*(Stage(each, by_patch=True) for each in quickly), *(Stage(each, by_patch=False) for each in slowly)]
    now = datetime.now(UTC).date().isoformat()
    for role in roles:
        write(role, mutants[role.name], same, stages, date=now, commit=_commit())
    return _conclude(quickly + slowly, mutants, same, whole=options.only is None, seconds=time.monotonic() - begun)


def _in_order(mutant: Mutant, found: Trace, before: str | None, most: int) -> list[str]:
    """The tests that a mutant is shown to: first the one that found it before, then the quick ones."""
    tests = found.tests_for(mutant.module, mutant.line)[:most]
    return [before, *(test for test in tests if test != before)] if before in found.seconds else tests


def _say_stale() -> int:
    """Name the mutants of each role that have not been judged, and the modules that have changed since; 1 when there are any."""
    fresh = True
    for role in ROLES:
        if (keys := not_judged(role)) or (changed := changed_since(role)):
            fresh = False
            what = f"{len(keys)} mutants not judged" if keys else f"{', '.join(changed)} changed since it was judged"
            _say(f"{role.name}: {what}; make mutants ARGS=\"--only '{role.name}'\"", *(f"  {key}" for key in keys))
    if fresh:
        _say("every mutant of today's code has been judged")
    return int(not fresh)


def _commit() -> str:
    run = subprocess.run(["git", "rev-parse", "--short=10", "HEAD"], check=False, capture_output=True, text=True)
    return run.stdout.strip()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make mutants",
        description="Change safety-critical lines one at a time; a fast test must fail for each. What is found is written to "
        "tests/mutation/results, from which `make generated` makes the table of docs/reliability.md.",
        epilog="examples: make mutants    make mutants ARGS=\"--only ledger --only 'flow control'\"    make mutants ARGS=--stale",
    )
    parser.add_argument(
        "--only", metavar="ROLE", action="append", help="a role of tests/mutation/roles.py; may be repeated"
    )
    parser.add_argument("--stale", action="store_true", help="only say which of today's mutants have not been judged")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="mutants judged at the same time")
    parser.add_argument("--tests", type=int, default=400, help="tests asked of one mutant at most, the quickest first")
    return parser.parse_args()


class _Memory:
    """Which test found which mutant, in the results and in a run that was stopped; written as the run goes on."""

    def __init__(self, path: Path, roles: Sequence[Role]) -> None:
        self._path = path
        self.found: dict[str, str] = {}
        for role in roles:
            self.found |= found_before(read(role))
        if path.exists():
            self.found |= json.loads(path.read_text(encoding="utf-8"))

    def keep(self) -> None:
        """Write it."""
        self._path.write_text(json.dumps(self.found), encoding="utf-8")


class _Progress:
    """Says every ten seconds how far it is, and each survivor as it is found."""

    def __init__(self, total: int, memory: _Memory) -> None:
        self._total, self._done, self._next = total, 0, time.monotonic() + 10
        self._counts: Counter[Verdict] = Counter()
        self._memory = memory

    def __call__(self, judged: Judged) -> None:
        self._done += 1
        self._counts[judged.verdict] += 1
        if judged.is_found:
            self._memory.found[judged.mutant.key] = judged.found_by
        else:
            where = f"{module_path(judged.mutant.module).relative_to(ROOT)}:{judged.mutant.line}"
            _say(f"{judged.verdict}: {where} {judged.mutant.key}")
        if time.monotonic() >= self._next or self._done == self._total:
            self._next = time.monotonic() + 10
            self._memory.keep()
            counts = ", ".join(f"{count} {verdict}" for verdict, count in sorted(self._counts.items()))
            _say(f"{self._done} of {self._total}: {counts}")


def _conclude(
    judged: Sequence[Judged],
    mutants: Mapping[str, Sequence[Mutant]],
    same: Mapping[str, str],
    *,
    whole: bool,
    seconds: float,
) -> int:
    survivors = sum(not found.is_found for found in judged)
    count = sum(map(len, mutants.values()))
    unknown = set(same) - {mutant.key for each in mutants.values() for mutant in each} if whole else set()
    for key in sorted(unknown):
        _say(f"equivalents.toml names a mutant that does not exist (any more): {key}")
    too_many = whole and len(same) > _MOST_EQUIVALENTS * count
    if too_many:
        _say(f"{len(same)} equivalents of {count} mutants: at most {_MOST_EQUIVALENTS:.0%} may be listed")
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    processor = sum(each.ru_utime + each.ru_stime for each in used)
    _say(
        f"{len(judged) - survivors} of {len(judged)} found; {seconds:.0f} s, {processor:.0f} s of processor time",
        f"Survivors: {survivors or 'none'}",
        "tests/mutation/results is written; `make generated` puts it into docs/reliability.md",
    )
    return 1 if survivors or unknown or too_many else 0


def _say(*lines: str) -> None:
    for line in lines:
        print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
