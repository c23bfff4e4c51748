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
    process = multiprocessing.get_context("fork").Process(
        target=_session, args=(work, files, seconds, at_once, sending)
    )
    process.start()
    sending.close()
    by_key = {mutant.key: mutant for mutant, _ in work}
    found = []
    while (told := _next(receiving)) is not None:
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


def _session(
    work: Sequence[Work], files: Sequence[str], seconds: Mapping[str, float], at_once: int, sending: Any
) -> None:
    quiet = ["-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning", "--rootdir", str(ROOT)]
    pytest.main([*quiet, *files], plugins=[_Judge(work, seconds, at_once, sending)])


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
        sound = self._sound()
        judge_all(
            [(mutant, tests) for mutant, tests in self._work if mutant.module in sound],
            self._seconds,
            at_once=self._at_once,
            report=self._tell,
            start=lambda mutant, tests, at: in_child(lambda: self._run(mutant, tests, at)),
        )
        return True

    def _sound(self) -> set[str]:
        """Modules whose own code, put in the same way, fails no test: of others nothing may be judged by a patch."""
        modules = sorted({mutant.module for mutant, _ in self._work})
        every = {test for _, tests in self._work for test in tests}
        if self._is_sound(modules, [test for test in self._items if test in every]):
            return set(modules)
        tests = {
            module: {test for mutant, tests in self._work if mutant.module == module for test in tests}
            for module in modules
        }
        return {module for module in modules if self._is_sound([module], sorted(tests[module]))}

    def _is_sound(self, modules: Sequence[str], tests: Sequence[str]) -> bool:
        def run(at: At) -> int:
            for module in modules:
                path = module_path(module)
                patch(importlib.import_module(module), compile(path.read_text(encoding="utf-8"), str(path), "exec"))
            return self._failed(tests, at)

        mutant = next(mutant for mutant, _ in self._work if mutant.module == modules[0])
        (judged,) = judge_all(
            [(mutant, tests)],
            self._seconds,
            at_once=1,
            report=lambda _: None,
            start=lambda _mutant, _tests, at: in_child(lambda: run(at)),
        )
        return judged.verdict is Verdict.SURVIVED

    def _run(self, mutant: Mutant, tests: Sequence[str], at: At) -> int:
        path = module_path(mutant.module)
        patch(
            importlib.import_module(mutant.module), compile_mutant(mutant, path.read_text(encoding="utf-8"), str(path))
        )
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
