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
HANG = 're.fullmatch("(a+)+b", "a" * 60)'


def start(seconds: float, body: str) -> subprocess.Popen[str]:
    """A process that has entered the switch and does ``body``."""
    command = [sys.executable, "-c", PROGRAM.format(seconds=seconds, body=body)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    return process


def test_a_process_whose_lock_is_held_for_good_ends_and_says_where() -> None:
    """A match that never ends: SIGTERM is not heard, and the process is gone all the same, with the line on stderr."""
    process = start(2, HANG)
    began = time.monotonic()
    time.sleep(0.8)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 1
    assert 1 < time.monotonic() - began < 8
    assert "fullmatch" in said
    assert "aaaa" not in said


def test_a_process_whose_loop_turns_is_left_alone() -> None:
    """Waiting is no hang, however long, and long work in pieces is none either."""
    process = start(1, "await asyncio.sleep(2.5); [time.sleep(0.4) or await asyncio.sleep(0.3) for _ in range(4)]")
    out, said = process.communicate(timeout=20)
    assert (process.returncode, out, said) == (0, "ended\n", "")


@pytest.mark.parametrize("body", ["time.sleep(1.5)", "pass"])
def test_nothing_happens_when_it_is_off_or_left(body: str) -> None:
    """0 is never, and behind the switch the process may do as it likes."""
    process = start(0, body) if body != "pass" else start(1, "pass\n    time.sleep(2)")
    out, said = process.communicate(timeout=20)
    assert (process.returncode, out, said) == (0, "ended\n", "")


def test_a_shorter_bound_holds_until_the_loop_turns_again() -> None:
    """What is tried alone gets less time than everything else."""
    process = start(30, f"switch.put_off(1); {HANG}")
    began = time.monotonic()
    process.communicate(timeout=20)
    assert process.returncode == 1
    assert time.monotonic() - began < 10
