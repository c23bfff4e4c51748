"""How many events more are asked for when everything that is here fails, since only others can show whose fault it is. Pure.

A destination that is away and a worker full of events that it can never take look alike from within. What is not here yet tells
them apart: taken, it is evidence against what fails. During an outage it would only fill the memory, so that what is asked for in vain
is asked for again after ever longer times; as ever more at once, so that many bad events in a row are soon passed.
"""

from __future__ import annotations

_LONGEST = 900.0
"""Seconds at most between two rounds in vain."""
_FORGOTTEN = 60.0
"""Seconds without need of evidence, after which the search begins anew with a single event."""
_DOUBLINGS = 16


class Search:
    """Rounds of asking for more events; times in seconds."""

    def __init__(self) -> None:
        self._doublings = 0
        self._in_vain = 0
        self._next = 0.0
        self._asked = 0.0
        self._asking = False

    def is_time(self, now: float) -> bool:
        """Whether to ask now, if there is need."""
        return now >= self._next

    def ask(self, now: float, *, ahead: bool) -> int:
        """How many events to ask for now, until some are found; ``ahead``: of a partition that is far ahead already, hence as few as will do."""
        if now - max(self._asked, self._next) > _FORGOTTEN:
            self._doublings = self._in_vain = 0
        self._asked = now
        self._asking = True
        return 1 << min(self._in_vain if ahead else self._doublings, _DOUBLINGS)

    def found(self, now: float) -> None:
        """More events are here: when they were asked for, that was one round."""
        if self._asking:
            self._asking = False
            self._doublings += 1
            self._in_vain += 1
            self._next = now + min(2.0 ** min(self._in_vain, _DOUBLINGS), _LONGEST)

    def accepted(self, now: float) -> None:
        """Events were accepted the first time that they were sent: more may be asked for at once."""
        self._in_vain = 0
        self._next = min(self._next, now)
