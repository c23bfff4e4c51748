"""The memory that processes of one account share, while one of them stands still."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from bridge.delivery.pace_board import Board

_HOLDER = """
import fcntl, sys
fcntl.lockf(int(sys.argv[1]), fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def test_who_was_stopped_while_holding_the_lock_holds_up_nobody() -> None:
    """The others wait for it once, for a tenth of a second, go on without the lock, and heed it again afterwards."""
    board = Board.create()
    account = board.account("W", 1)
    command = [sys.executable, "-S", "-c", _HOLDER, str(board.descriptor)]
    with subprocess.Popen(
        command, pass_fds=[board.descriptor], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        began, spent = time.monotonic(), time.thread_time()
        with account.held() as times:
            times[0] = 5.0
        assert time.monotonic() - began >= 0.1
        began = time.monotonic()
        for _ in range(1_000):
            assert account.share(0.5, 100.0) == 0.5
        assert time.monotonic() - began < 50, "each waited anew"
        assert time.thread_time() - spent < 1
        holder.communicate("")
    with account.held() as times:
        assert times[0] == pytest.approx(5.0)
    assert not board._holder_stands_still
