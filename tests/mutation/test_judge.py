"""A child's end is read as what became of its mutant, with the name of the test that it was at."""

import os
import signal
import time
from pathlib import Path

import pytest

from mutation import judge
from mutation.judge import Verdict, in_child, judge_all
from mutation.mutations import mutants_of

pytestmark = pytest.mark.clock

(MUTANT,) = mutants_of("m", "LIMIT = 5\n")
SECONDS = {"first": 0.0, "second": 0.0}


def _judge(run, tests=("first", "second"), **options):
    """What becomes of one mutant whose child runs ``run``, which is handed the way to say at which test it is."""
    told = []
    start = lambda _mutant, _tests, at: in_child(lambda: run(at))  # noqa: E731
    (judged,) = judge_all([(MUTANT, tests)], SECONDS, at_once=2, report=told.append, start=start, **options)
    assert told == [judged]
    return judged


def _at_second(at, end):
    at("first")
    at("second")
    return end()


def test_the_test_that_fails_is_named():
    """Not the one before it, although its name is longer or shorter."""
    judged = _judge(lambda at: _at_second(at, lambda: 1))
    assert (judged.verdict, judged.found_by, judged.is_found, judged.tests) == (Verdict.KILLED, "second", True, 2)


def test_a_mutant_that_every_test_passes_with_has_survived():
    """And no test is named."""
    judged = _judge(lambda at: _at_second(at, lambda: 0))
    assert (judged.verdict, judged.found_by, judged.is_found) == (Verdict.SURVIVED, "", False)


def test_a_mutant_whose_line_no_test_runs_is_not_found():
    """Nothing is started for it."""
    judged = _judge(lambda _at: pytest.fail("started"), tests=())
    assert (judged.verdict, judged.is_found) == (Verdict.NOT_RUN, False)


def test_a_test_that_waits_for_what_never_comes_has_found_its_mutant(monkeypatch):
    """It sleeps for longer than any test that passes."""
    monkeypatch.setattr(judge, "_IDLE_SECONDS", 0.5)
    judged = _judge(lambda at: _at_second(at, lambda: time.sleep(60)))
    assert (judged.verdict, judged.found_by, judged.is_found) == (Verdict.TIMED_OUT, "second", True)


def test_a_test_that_works_is_not_taken_for_one_that_waits(monkeypatch):
    """However little the machine gives it: only what it sleeps counts."""
    monkeypatch.setattr(judge, "_IDLE_SECONDS", 0.5)

    def work():
        until = time.process_time() + 1.5
        while time.process_time() < until:
            sum(range(10_000))
        return 0

    assert _judge(lambda at: _at_second(at, work)).verdict is Verdict.SURVIVED


def test_a_test_that_works_without_an_end_has_found_its_mutant(monkeypatch):
    """It takes longer than any test that passes, by far."""
    monkeypatch.setattr(judge, "_SPARE_SECONDS", 1.0)

    def work():
        while True:
            sum(range(10_000))

    judged = _judge(lambda at: _at_second(at, work))
    assert (judged.verdict, judged.found_by) == (Verdict.TIMED_OUT, "second")


def test_time_in_which_others_have_the_machine_finds_nothing(monkeypatch):
    """A test that gets no processor for seconds is not slow, and does not wait either."""
    monkeypatch.setattr(judge, "_SPARE_SECONDS", 0.5)
    monkeypatch.setattr(judge, "_IDLE_SECONDS", 0.5)

    def stopped():
        stat = Path(f"/proc/{os.getpid()}/stat")
        if os.fork() == 0:
            while stat.read_text().rpartition(") ")[2][0] != "T":
                time.sleep(0.01)
            time.sleep(2)
            os.kill(os.getppid(), signal.SIGCONT)
            os._exit(0)
        # Its child is not waited for: that is a sleep like any other.
        os.kill(os.getpid(), signal.SIGSTOP)
        return 0

    assert _judge(lambda at: _at_second(at, stopped)).verdict is Verdict.SURVIVED
