"""The same message of a library at most once in a number of seconds, with a count of what was left out meanwhile.

A client whose brokers are away says so with every attempt, some thirty times a second: what matters would drown in it.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

SECONDS = 10.0
USUAL_SECONDS = 30.0
"""What belongs to an ordinary start is no error before it has been said for this many seconds."""
_USUAL = ("Group Coordinator Request failed", "Marking the coordinator dead")
"""A fresh cluster makes its offsets topic at the first question for a coordinator, and refuses that one and the next ones."""
_MOST = 1_000
"""Messages that are remembered at once; a library that puts values into its templates must not fill the memory."""


class Damper:
    """Decides what is shown, by ``clock`` (monotonic seconds). Pure; remembers ``most`` messages, those shown last."""

    def __init__(self, seconds: float, clock: Callable[[], float], *, most: int = _MOST) -> None:
        self._seconds = seconds
        self._clock = clock
        self._most = most
        # In the order of their last showing, as each is put in anew then.
        self._shown: dict[Hashable, tuple[float, int]] = {}

    def suppressed_since(self, message: Hashable) -> int | None:
        """The number of equal messages suppressed since the last one that was shown; None when this one is to be suppressed."""
        now = self._clock()
        shown = self._shown.get(message)
        if shown is not None:
            at, count = shown
            if now - at < self._seconds:
                self._shown[message] = at, count + 1
                return None
            del self._shown[message]
        elif len(self._shown) >= self._most:
            del self._shown[next(iter(self._shown))]
        self._shown[message] = now, 0
        return 0 if shown is None else shown[1]


class LibraryDamper(logging.Filter):
    """A handler's filter: damps records of the named loggers and of those below them; all others pass.

    What makes two records the same is logger, level, template and type of exception, not the values in it. A record that
    stands for others has their count as ``left_out``.
    """

    def __init__(self, damper: Damper, libraries: frozenset[str]) -> None:
        super().__init__()
        self._damper = damper
        self._libraries = libraries
        # The Kafka client logs from a thread of its own.
        self._lock = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is shown."""
        if record.name.partition(".")[0] not in self._libraries:
            return True
        failure = record.exc_info[0] if record.exc_info else None
        with self._lock:
            count = self._damper.suppressed_since((record.name, record.levelno, str(record.msg), failure))
        if count:
            record.left_out = count
        return count is not None


class UsualAtStart(logging.Filter):
    """A handler's filter: holds back what a library calls an error in the ordinary course of a start, until it lasts.

    The worker itself says that it is no member of its group meanwhile.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self._clock = clock
        self._seen: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is shown."""
        message = str(record.msg)
        if record.name.partition(".")[0] != "aiokafka" or not message.startswith(_USUAL):
            return True
        now = self._clock()
        with self._lock:
            first, last = self._seen.get(message, (now, now))
            # A pause of that length ends it: the next one is another start.
            first = now if now - last >= USUAL_SECONDS else first
            self._seen[message] = first, now
        return now - first >= USUAL_SECONDS


class ServicesOfOurs(logging.Filter):
    """A handler's filter: leaves out what mode says in the name of our own modules, below a warning.

    A service logs its start and stop under the module that its class stands in, so that the level of ``mode`` has no hold on it.
    Our own lines carry fields and are no plain text.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is shown."""
        of_ours = record.name == "bridge" or record.name.startswith("bridge.")
        return not (of_ours and isinstance(record.msg, str) and record.levelno < logging.WARNING)
