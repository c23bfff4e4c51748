"""A first judgement of every mutant, much quicker than :mod:`mutation.judge`: all tests are collected once, in one process.

Each mutant then costs a fork, a patch (:mod:`mutation.patching`) and the tests up to the one that fails. What no test fails for
here is not called a survivor yet: the slow judge, which imports the changed module, has the last word.
"""

from __future__ import annotations

import importlib
import json
import multiprocessing
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.runner import runtestprotocol

from mutation.judge import Judged, Verdict, in_child, judge_all
from mutation.mutations import compile_mutant
from mutation.patching import patch
from mutation.roles import ROOT, module_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

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
    sound: Sound,
) -> list[Judged]:
    """Those of the mutants that a test of these files fails for, or does not end with; ``report`` is called with each.

    ``seconds``: what each test usually takes. ``sound``: which modules may be judged by a patch, as far as that is known.
    """
    receiving, sending = multiprocessing.Pipe(duplex=False)
    judge = _Judge(work, seconds, at_once, sending, sound=sound)
    process = multiprocessing.get_context("fork").Process(target=_session, args=(files, judge))
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


def _session(files: Sequence[str], judge: _Judge) -> None:
    quiet = ["-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning", "--rootdir", str(ROOT)]
    pytest.main([*quiet, *files], plugins=[judge])


@dataclass(frozen=True, slots=True)
class Sound:
    """Modules of which a patch with their own code fails no test, kept in ``path`` for tests and sources of this ``digest``."""

    path: Path
    digest: str

    def read(self) -> set[str] | None:
        """None when it has to be found out."""
        kept = json.loads(self.path.read_text(encoding="utf-8")) if self.path.exists() else {}
        return set(kept["modules"]) if kept.get("digest") == self.digest else None

    def write(self, modules: Iterable[str]) -> None:
        """Keep it."""
        self.path.write_text(json.dumps({"digest": self.digest, "modules": sorted(modules)}), encoding="utf-8")


class _Judge:
    """A pytest plugin that runs mutants instead of tests."""

    def __init__(
        self, work: Sequence[Work], seconds: Mapping[str, float], at_once: int, sending: Any, *, sound: Sound
    ) -> None:
        self._known = sound
        self._work = work
        self._at_once = at_once
        self._seconds = seconds
        self._sending = sending
        self._items: dict[str, pytest.Item] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self._items = {item.nodeid: item for item in session.items}
        if (sound := self._known.read()) is None:
            sound = self._sound()
            self._known.write(sound)
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
                patch(
                    importlib.import_module(module),
                    compile(path.read_text(encoding="utf-8"), str(path), "exec", dont_inherit=True),
                )
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
