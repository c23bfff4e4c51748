"""The dead-man's switch in real processes: it ends what holds the interpreter's lock, and nothing else."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.clock

PROGRAM = """
import asyncio, re, signal, sys, time
from bridge.runtime.dead_man import DeadMansSwitch

async def main():
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: sys.exit(7))
    async with DeadMansSwitch({seconds}) as switch:
        print("begun", flush=True)
        await asyncio.sleep(0.3)
        {body}
    print("ended", flush=True)

asyncio.run(main())
"""
HANG = 'print("hangs", flush=True); re.fullmatch("(a+)+b", "a" * 60)'
"""Between the word and the match the loop does not turn, so that no signal is heard from the word on."""


def start(seconds: float, body: str) -> subprocess.Popen[str]:
    """A process that has entered the switch and does ``body``."""
    command = [sys.executable, "-c", PROGRAM.format(seconds=seconds, body=body)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    return process


def test_a_process_whose_lock_is_held_for_good_ends_and_says_where() -> None:
    """A match that never ends: SIGTERM is not heard, and the process is gone all the same, with the line on stderr."""
    began = time.monotonic()
    process = start(2, HANG)
    assert process.stdout is not None
    assert process.stdout.readline() == "hangs\n"
    hung = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 1
    assert time.monotonic() - began >= 2
    assert time.monotonic() - hung < 8
    assert "fullmatch" in said
    assert "aaaa" not in said


def test_a_process_whose_loop_turns_is_left_alone() -> None:
    """Waiting is no hang, however long, and long work in pieces is none either."""
    # The switch goes by the machine's clock, and so may a process that gets no processor for as long: the bound is far above a piece.
    process = start(4, "await asyncio.sleep(4.5); [time.sleep(0.5) or await asyncio.sleep(0.1) for _ in range(8)]")
    out, said = process.communicate(timeout=20)
    assert (process.returncode, out, said) == (0, "ended\n", "")


@pytest.mark.parametrize("body", ["time.sleep(1.5)", "pass"])
def test_nothing_happens_when_it_is_off_or_left(body: str) -> None:
    """0 is never, and behind the switch the process may do as it likes."""
    process = start(0, body) if body != "pass" else start(4, "pass\n    time.sleep(5)")
    out, said = process.communicate(timeout=20)
    assert (process.returncode, out, said) == (0, "ended\n", "")


def test_a_shorter_bound_holds_until_the_loop_turns_again() -> None:
    """What is tried alone gets less time than everything else."""
    process = start(30, f"switch.put_off(1); {HANG}")
    assert process.stdout is not None
    assert process.stdout.readline() == "hangs\n"
    began = time.monotonic()
    process.communicate(timeout=20)
    assert process.returncode == 1
    assert time.monotonic() - began < 10
