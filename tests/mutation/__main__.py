"""`python -m mutation` (from tests/): mutate, judge, report; exit 1 when a mutant survives."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import tomllib
from collections import Counter
from pathlib import Path

from mutation.judge import Judged, Verdict, judge_all, preload
from mutation.mutations import Mutant, mutants_of
from mutation.quick import judge_quickly
from mutation.reach import sources_of, tests_worker
from mutation.roles import ROLES, ROOT, Role, fast_test_files, module_path
from mutation.table import write_table
from mutation.tracing import trace

_EQUIVALENTS = Path(__file__).with_name("equivalents.toml")
_MOST_EQUIVALENTS = 0.05


def main() -> int:
    """Run it."""
    options = _options()
    whole = options.only is None and options.again is None
    modules = [module for role in ROLES for module in role.modules if _is_wanted(options.only, role, module)]
    mutants = [mutant for module in modules for mutant in mutants_of(module, _source(module))]
    if options.again is not None:
        survivors = set(json.loads(options.again.read_text(encoding="utf-8"))["survivors"])
        mutants = [mutant for mutant in mutants if mutant.key in survivors]
    equivalents = {
        entry["key"]: entry["reason"]
        for entry in tomllib.loads(_EQUIVALENTS.read_text(encoding="utf-8")).get("equivalent", [])
    }
    _say(f"{len(mutants)} mutants of {len(modules)} modules; {len(equivalents)} equivalents listed")
    os.chdir(ROOT)
    preload()
    scratch = ROOT / ".make"
    scratch.mkdir(exist_ok=True)
    begun = time.monotonic()
    paths = {module_path(module) for module in modules}
    files = [file for file in fast_test_files() if tests_worker(ROOT / file) and paths & sources_of(ROOT / file)]
    every = [module for role in ROLES for module in role.modules]
    found = trace(files, every, scratch / "mutants-trace.json", anew=whole)
    if found.failed:
        _say("these tests fail without any change:", *found.failed)
        if whole:
            return 1
        _say("they are left out")
    _say(f"traced {len(found.seconds)} tests of {len(files)} files in {time.monotonic() - begun:.0f} s")
    work = []
    for mutant in mutants:
        if mutant.key not in equivalents:
            tests = found.tests_for(mutant.module, mutant.line)[: options.tests]
            work.append((mutant, tests, sum(found.seconds[test] for test in tests)))
    progress = _Progress(len(work))
    judged = judge_quickly(work, files, found.seconds, at_once=options.jobs, report=progress)
    done = {each.mutant.key for each in judged}
    left = [each for each in work if each[0].key not in done]
    _say(f"{len(judged)} found by a patch in {time.monotonic() - begun:.0f} s; {len(left)} are judged by an import")
    judged += judge_all(left, at_once=options.jobs, report=progress)
    return _conclude(
        judged,
        mutants,
        equivalents,
        whole=whole,
        seconds=time.monotonic() - begun,
        report=options.report,
    )


def _is_wanted(only: list[str] | None, role: Role, module: str) -> bool:
    return only is None or role.name in only or module in only


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make mutants", description="Change safety-critical lines one at a time; a fast test must fail for each."
    )
    parser.add_argument(
        "--only", metavar="ROLE", action="append", help="a role or module of tests/mutation/roles.py; may be repeated"
    )
    parser.add_argument(
        "--again", type=Path, metavar="REPORT", help="judge only the survivors of this report once more"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="mutants judged at the same time")
    parser.add_argument("--tests", type=int, default=400, help="tests asked of one mutant at most, the quickest first")
    parser.add_argument(
        "--report", type=Path, default=ROOT / ".make" / "mutants.json", help="where the JSON report goes"
    )
    return parser.parse_args()


class _Progress:
    """Says every ten seconds how far it is, and each survivor as it is found."""

    def __init__(self, total: int) -> None:
        self._total, self._done, self._next = total, 0, time.monotonic() + 10
        self._counts: Counter[Verdict] = Counter()

    def __call__(self, judged: Judged) -> None:
        self._done += 1
        self._counts[judged.verdict] += 1
        if judged.verdict in {Verdict.SURVIVED, Verdict.NOT_RUN}:
            _say(
                f"{judged.verdict}: {module_path(judged.mutant.module).relative_to(ROOT)}:{judged.mutant.line} {judged.mutant.key}"
            )
        if time.monotonic() >= self._next or self._done == self._total:
            self._next = time.monotonic() + 10
            _say(
                f"{self._done} of {self._total}: "
                + ", ".join(f"{count} {verdict}" for verdict, count in sorted(self._counts.items()))
            )


def _conclude(
    judged: list[Judged],
    mutants: list[Mutant],
    equivalents: dict[str, str],
    *,
    whole: bool,
    seconds: float,
    report: Path,
) -> int:
    survivors = [found for found in judged if found.verdict in {Verdict.SURVIVED, Verdict.NOT_RUN}]
    unknown = set(equivalents) - {mutant.key for mutant in mutants} if whole else set()
    for key in sorted(unknown):
        _say(f"equivalents.toml names a mutant that does not exist (any more): {key}")
    too_many = len(equivalents) > _MOST_EQUIVALENTS * len(mutants) if whole else False
    if too_many:
        _say(f"{len(equivalents)} equivalents of {len(mutants)} mutants: at most {_MOST_EQUIVALENTS:.0%} may be listed")
    report.write_text(
        json.dumps(
            {
                "mutants": len(mutants),
                "equivalents": len(equivalents),
                "seconds": round(seconds),
                "survivors": [found.mutant.key for found in survivors],
                "judged": [
                    {
                        "key": found.mutant.key,
                        "verdict": found.verdict,
                        "tests": found.tests,
                        "seconds": round(found.seconds, 2),
                    }
                    for found in judged
                ],
            },
            indent=1,
        ),
        encoding="utf-8",
    )
    if whole:
        write_table(report.with_suffix(".md"), judged, mutants, equivalents)
    _say(
        f"{len(judged) - len(survivors)} of {len(judged)} found, {len(survivors)} survivors, in {seconds:.0f} s; report: {report}"
    )
    return 1 if survivors or unknown or too_many else 0


def _source(module: str) -> str:
    return module_path(module).read_text(encoding="utf-8")


def _say(*lines: str) -> None:
    for line in lines:
        print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
