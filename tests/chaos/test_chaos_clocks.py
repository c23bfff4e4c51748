"""The wall clock jumps."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid

import pytest
from clocks import Clock, can_jump

from bridge.testing.processes import eventually
from bridge.testing.rig import Rig

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.skipif(not can_jump(), reason="libfaketime cannot be loaded into a process here"),
]

_DAY = 86_400


@pytest.mark.parametrize("off", [_DAY, -8 * _DAY])
def test_a_wrong_clock_changes_nothing(kafka, topic, tmp_path, request, off):
    """A day ahead, a week and a day behind: what is posted is confirmed and arrives, throttling by date ends in time, and
    it stays so while the clock jumps back. Topics are those that the bridge makes.
    """
    clocks = {name: Clock(tmp_path / name) for name in ("receiver", "worker")}
    for clock in clocks.values():
        request.addfinalizer(clock.close)
    own = {"BRIDGE_KAFKA__CREATE_TOPICS": "true", "BRIDGE_KAFKA__PARTITIONS": "6"}
    with Rig(kafka, topic, tmp_path, **own) as rig:
        rig.topic = f"clock.{uuid.uuid4().hex}"
        for clock in clocks.values():
            clock.jump(off)
        receiver = rig.receiver(**clocks["receiver"].environment())
        worker = rig.worker(**clocks["worker"].environment())
        for name, process in (("receiver", receiver), ("worker", worker)):
            clocks[name].used_by(process.pid)
        rig.post_numbers(range(300))
        rig.wait_drained(30)
        rig.emulator.control(fail={"status": 429, "retry_after": 3, "retry_after_date": True, "count": 1})
        began = time.monotonic()
        rig.post_numbers(range(300, 600))
        eventually(lambda: len(rig.emulator.accepted()) == 600, within=15, what="the pause ends by AEP's clock")
        assert time.monotonic() - began > 1.5
        for clock in clocks.values():
            clock.jump(0)
        rig.emulator.control(revoke_tokens=True)
        rig.post_numbers(range(600, 900))
        rig.wait_drained(30)
        account = rig.account()
    assert len(account.accepted) == 900
    assert (account.letters, account.duplicates) == ([], 0)


def test_only_the_wall_clock_of_the_child_jumps(tmp_path):
    """It is off by what it is told, at once; the monotonic clock and the times of files are everybody's."""
    clock = Clock(tmp_path / "clock")
    (tmp_path / "file").touch()
    code = (
        "import os, sys, time\n"
        "for _ in sys.stdin:\n"
        "    print(time.time(), time.monotonic(), os.stat('file').st_mtime, flush=True)"
    )
    command, env = [sys.executable, "-S", "-u", "-c", code], os.environ | clock.environment()
    with subprocess.Popen(
        command, env=env, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        clock.used_by(child.pid)
        for off in (0, _DAY, -_DAY, 5, 0):
            clock.jump(off)
            before = time.time(), time.monotonic()
            child.stdin.write("\n")
            child.stdin.flush()
            wall, monotonic, touched = map(float, child.stdout.readline().split())
            assert before[0] - 2 <= wall - off <= time.time() + 2
            assert before[1] - 2 <= monotonic <= time.monotonic() + 2
            assert touched == pytest.approx((tmp_path / "file").stat().st_mtime, abs=0.01)
        child.stdin.close()
    clock.close()


_TWO_BUSY_THREADS = """
import threading, time
done = [0, 0]
def count(mine):
    while time.process_time() < 0.4:
        done[mine] += sum(range(100)) > 0
threads = [threading.Thread(target=count, args=(mine,)) for mine in (0, 1)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(sum(done))
"""


def test_threads_share_the_interpreter_as_ever(tmp_path):
    """With its own clock a child gets about as much done in as much CPU time, with two threads that want it all."""
    clock = Clock(tmp_path / "clock")

    def done(**more):
        command = [sys.executable, "-S", "-c", _TWO_BUSY_THREADS]
        return int(subprocess.run(command, env=os.environ | more, capture_output=True, text=True, check=True).stdout)

    # In turns, as what else the machine does slows down both.
    pairs = [(done(**clock.environment()), done()) for _ in range(3)]
    assert sum(own for own, _ in pairs) > sum(plain for _, plain in pairs) / 2
