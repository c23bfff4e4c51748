"""A first judgement of every mutant, much quicker than :mod:`mutation.judge`: all tests are collected once, in one process.

Each mutant then costs a fork, a patch (:mod:`mutation.patching`) and the tests up to the one that fails. What no test fails for
here is not called a survivor yet: the slow judge, which imports the changed module, has the last word.
"""

from __future__ import annotations

import importlib
import multiprocessing
import signal
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.runner import runtestprotocol

from mutation.judge import Judged, Verdict, in_child, judge_all
from mutation.mutations import compile_mutant
from mutation.patching import patch
from mutation.roles import ROOT, module_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mutation.judge import At, Work
    from mutation.mutations import Mutant

_SPARE_SECONDS, _SLOWER = 2.0, 4.0
"""A test that takes so much longer than usual, of the processor's time, does not end."""


def judge_quickly(
    work: Sequence[Work],
    files: Sequence[str],
    seconds: Mapping[str, float],
    *,
    at_once: int,
    report: Callable[[Judged], None],
) -> list[Judged]:
    """Those of the mutants that a test of these files fails for, or does not end with; ``report`` is called with each.

    ``seconds``: what each test usually takes.
    """
    receiving, sending = multiprocessing.Pipe(duplex=False)
    judge = _Judge(work, seconds, at_once, sending)
    process = multiprocessing.get_context("fork").Process(target=_session, args=(files, judge))
    process.start()
    sending.close()
    by_key = {mutant.key: mutant for mutant, _ in work}
    found: list[Judged] = []
    while (told := _next(receiving)) is not None:
        if isinstance(told, list):
            found = [each for each in found if each.found_by not in told]
            continue
        key, verdict, *rest = told
        judged = Judged(by_key[key], Verdict(verdict), *rest)
        if judged.is_found:
            found.append(judged)
            report(judged)
    process.join()
    if process.exitcode:
        raise RuntimeError(f"the quick judge ended with {process.exitcode}")
    return found


def _next(receiving: Any) -> Any:
    try:
        return receiving.recv()
    except EOFError:
        return None


def _session(files: Sequence[str], judge: _Judge) -> None:
    quiet = ["-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning", "--rootdir", str(ROOT)]
    pytest.main([*quiet, *files], plugins=[judge])


class _Judge:
    """A pytest plugin that runs mutants instead of tests."""

    def __init__(self, work: Sequence[Work], seconds: Mapping[str, float], at_once: int, sending: Any) -> None:
        self._work = work
        self._at_once = at_once
        self._seconds = seconds
        self._sending = sending
        self._items: dict[str, pytest.Item] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self._items = {item.nodeid: item for item in session.items}
        judged = judge_all(
            self._work,
            self._seconds,
            at_once=self._at_once,
            report=self._tell,
            start=lambda mutant, tests, at: in_child(lambda: self._run(mutant, tests, at)),
        )
        self._sending.send(self._unsound(judged))
        return True

    def _unsound(self, judged: Sequence[Judged]) -> list[str]:
        """Of the tests that found a mutant those that fail with the modules' own code, put in the same way: they have found nothing."""
        tests = sorted({each.found_by for each in judged if each.is_found})
        modules = sorted({mutant.module for mutant, _ in self._work})
        # None of the mutants is made: each of these children runs one test.
        asked = judge_all(
            [(self._work[0][0], [test]) for test in tests],
            self._seconds,
            at_once=self._at_once,
            report=lambda _: None,
            start=lambda _mutant, tests, at: in_child(lambda: self._run_unchanged(modules, tests, at)),
        )
        return [each.found_by for each in asked if each.is_found]

    def _run_unchanged(self, modules: Sequence[str], tests: Sequence[str], at: At) -> int:
        for module in modules:
            path = module_path(module)
            source = path.read_text(encoding="utf-8")
            patch(importlib.import_module(module), compile(source, str(path), "exec", dont_inherit=True))
        return self._failed(tests, at)

    def _run(self, mutant: Mutant, tests: Sequence[str], at: At) -> int:
        path = module_path(mutant.module)
        code = compile_mutant(mutant, path.read_text(encoding="utf-8"), str(path))
        try:
            changed = patch(importlib.import_module(mutant.module), code)
        except Exception:  # noqa: BLE001 - it cannot even be imported, of which the other judge says by which test
            return 0
        if not changed:
            return 0  # only an import makes the change
        return self._failed(tests, at)

    def _failed(self, tests: Sequence[str], at: At) -> int:
        items = [self._items[test] for test in tests if test in self._items]
        for item, following in zip(items, [*items[1:], None], strict=True):
            at(item.nodeid)
            # A loop without an end need not run for as long as all tests take; by the processor's time, whatever else runs here.
            signal.setitimer(signal.ITIMER_PROF, _SPARE_SECONDS + _SLOWER * self._seconds.get(item.nodeid, 0.0))
            if any(report.failed for report in runtestprotocol(item, log=False, nextitem=following)):
                return 1
        return 0

    def _tell(self, judged: Judged) -> None:
        self._sending.send((judged.mutant.key, str(judged.verdict), judged.tests, judged.seconds, judged.found_by))
