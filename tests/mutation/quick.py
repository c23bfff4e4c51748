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

    from mutation.judge import Work
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
    by_key = {mutant.key: mutant for mutant, _, _ in work}
    found = []
    while (told := _next(receiving)) is not None:
        key, verdict, tests, seconds = told
        judged = Judged(by_key[key], Verdict(verdict), tests, seconds)
        if judged.verdict in {Verdict.KILLED, Verdict.TIMED_OUT}:
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
            [(mutant, tests, seconds) for mutant, tests, seconds in self._work if mutant.module in sound],
            at_once=self._at_once,
            report=self._tell,
            start=lambda mutant, tests: in_child(lambda: self._run(mutant, _own_first(mutant, tests))),
        )
        return True

    def _sound(self) -> set[str]:
        """Modules whose own code, put in the same way, fails no test: of others nothing may be judged by a patch."""
        first = {mutant.module: (mutant, tests, seconds) for mutant, tests, seconds in self._work}
        judged = judge_all(
            list(first.values()),
            at_once=self._at_once,
            report=lambda _: None,
            start=lambda mutant, tests: in_child(lambda: self._run(mutant, tests, changed=False)),
        )
        return {each.mutant.module for each in judged if each.verdict is Verdict.SURVIVED}

    def _run(self, mutant: Mutant, tests: Sequence[str], *, changed: bool = True) -> int:
        path = module_path(mutant.module)
        source = path.read_text(encoding="utf-8")
        code = compile_mutant(mutant, source, str(path)) if changed else compile(source, str(path), "exec")
        patch(importlib.import_module(mutant.module), code)
        items = [self._items[test] for test in tests if test in self._items]
        for item, following in zip(items, [*items[1:], None], strict=True):
            # A loop without an end need not run for as long as all tests take; by the processor's time, whatever else runs here.
            signal.setitimer(signal.ITIMER_PROF, _SPARE_SECONDS + _SLOWER * self._seconds.get(item.nodeid, 0.0))
            if any(report.failed for report in runtestprotocol(item, log=False, nextitem=following)):
                return 1
        return 0

    def _tell(self, judged: Judged) -> None:
        self._sending.send((judged.mutant.key, str(judged.verdict), judged.tests, judged.seconds))


def _own_first(mutant: Mutant, tests: Sequence[str]) -> list[str]:
    own = f"/test_{mutant.module.rpartition('.')[2]}.py"
    return sorted(tests, key=lambda test: own not in test)
