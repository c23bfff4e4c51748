"""A worker process that is one of a group: what it tells its parent, and how it notices that the parent is gone.

Its stdin is a pipe that the parent holds open and never writes to: its end is the parent's end, on every system and
however the parent was killed. On its stdout it tells two words, each a line: where its telemetry listens, and that it has joined.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from typing import Final

    from bridge.runtime.deadline import StopBudget

_log = structlog.get_logger(__name__)
LISTENING: Final = b"listening"
JOINED: Final = b"joined"


class GroupMember:
    """This process as number ``number`` of a group; ``budget`` is what it has for its end."""

    def __init__(self, number: int, budget: StopBudget) -> None:
        self.number = number
        self._budget = budget

    def watch_parent(self) -> None:
        """From now on end as on SIGTERM when the parent is gone, and by force when that takes too long."""
        # Ctrl-C reaches the whole group; until the worker takes signals the parent's SIGTERM is what counts.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        threading.Thread(target=self._watch, name="parent", daemon=True).start()

    def _watch(self) -> None:
        with contextlib.suppress(OSError):
            while os.read(0, 1_024):
                pass
        _log.warning("parent_gone", detail="The parent process is gone; this one drains and ends.")
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(self._budget.killed)
        os._exit(1)

    @staticmethod
    def listening(port: int) -> None:
        """Telemetry listens on this port."""
        _tell(b"%b %d" % (LISTENING, port))

    @staticmethod
    def joined() -> None:
        """The process is a member of the consumer group."""
        _tell(JOINED)


def _tell(words: bytes) -> None:
    # A parent that is gone is noticed by its other pipe.
    with contextlib.suppress(OSError):
        os.write(1, words + b"\n")
