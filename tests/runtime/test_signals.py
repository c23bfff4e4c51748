"""What signals mean to a process, and how long its end may take."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bridge.runtime.deadline import CLOSE_CLIENT_SECONDS, LEAVE_SECONDS, Deadline, StopBudget
from bridge.runtime.signals import StopSignals, run_until_stopped

pytestmark = pytest.mark.clock


def _handler(**more):
    begun, left = [], []
    signals = StopSignals(begun.append, lambda: bool(begun), leave=left.append, **more)
    return signals, begun, left


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_asks_for_an_end_and_the_second_is_one(number):
    """Whichever they are: the exit code is 128 and the number of the second, told in one line with what is left."""
    signals, begun, left = _handler(hurry=lambda: {"events_left": 3})
    signals(signal.SIGTERM)
    assert (begun, left) == (["SIGTERM"], [])
    with capture_logs() as logs:
        signals(number)
    assert (begun, left) == (["SIGTERM"], [128 + number])
    assert [(line["event"], line["events_left"]) for line in logs] == [("leaving_at_once", 3)]


def test_a_child_leaves_haste_to_its_parent():
    """A terminal signals every process of a group: the second signal of a child changes nothing."""
    signals, begun, left = _handler(has_parent=True)
    for _ in range(3):
        signals(signal.SIGINT)
    assert (begun, left) == (["SIGINT"], [])


def test_a_signal_during_an_end_that_has_begun_is_a_second_one():
    """A command that already stops over an error of its own ends with the first signal it gets."""
    left = []
    StopSignals(lambda _name: pytest.fail("it has begun"), lambda: True, leave=left.append)(signal.SIGTERM)
    assert left == [128 + signal.SIGTERM]


def test_one_module_takes_signals_from_the_loop():
    """Whoever needs an end by signal asks it: else a second signal would mean something else there."""
    bridge = Path(__file__).parents[2] / "bridge"
    takers = [path for path in bridge.rglob("*.py") if "add_signal_handler(" in path.read_text(encoding="utf-8")]
    assert [str(path.relative_to(bridge)) for path in takers] == ["runtime/signals.py"]


def test_a_command_that_plays_others_ends_with_a_second_signal():
    """As every command does, should its end take long."""
    program = """
        import asyncio, os, signal
        from bridge.cli.emulating import told_to_stop
        async def main():
            stop = told_to_stop()
            os.kill(os.getpid(), signal.SIGTERM)
            await stop.wait()
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(60)
        asyncio.run(main())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 128 + signal.SIGINT, done.stderr


def test_a_real_process_ends_with_128_and_the_number():
    """Told twice, a command that would not end is gone, with the second signal's code."""
    program = """
        import asyncio, os, signal
        from bridge.runtime.signals import run_until_stopped
        async def main(stop):
            os.kill(os.getpid(), signal.SIGTERM)
            await stop.wait()
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(60)
        run_until_stopped(main)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], timeout=30, check=False, capture_output=True
    )
    assert done.returncode == 128 + signal.SIGINT, done.stderr


def test_a_command_that_finishes_gives_its_exit_code():
    """One signal, and what ``main`` returns."""

    async def main(stop):
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(stop.wait(), 5)
        return 7

    assert run_until_stopped(main) == 7


def test_a_deadline_is_what_is_left_of_it():
    """Each step takes what the ones before it left, never less than nothing; an earlier one leaves room for the next step."""
    now = [100.0]
    deadline = Deadline.after(lambda: now[0], 20.0)
    assert (deadline.left, deadline.earlier(2.0).left) == (20.0, 18.0)
    now[0] += 19.0
    assert (deadline.left, deadline.earlier(2.0).left) == (1.0, 0.0)
    now[0] += 19.0
    assert deadline.left == 0.0


@pytest.mark.parametrize("seconds", [0.0, 1.0, 4.0, 20.0, 300.0])
def test_each_step_of_an_end_lies_within_the_next(seconds):
    """Whatever the drain: finished before it is cut off, cut off before it is killed, its client closed before the app is left."""
    budget = StopBudget(seconds)
    assert 0 <= budget.commit <= min(2.0, seconds / 4)
    assert CLOSE_CLIENT_SECONDS < LEAVE_SECONDS
    assert seconds + LEAVE_SECONDS < budget.cut_off < budget.killed
