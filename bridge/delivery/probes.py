"""What to send as a probe to a destination that is away or refuses us. Pure."""

from __future__ import annotations

_SMALL_PROBE = 3


class Probes:
    """In turn something that failed and something new, so that one bad request cannot pass for an outage.

    Of what is new in turn all and a single event: where many requests hold a bad event, hardly one is taken whole.
    """

    def __init__(self) -> None:
        self._count = 0

    def next(self) -> tuple[bool, bool]:
        """Whether the next one is something new, and of that a single event."""
        self._count += 1
        return self._count % 2 == 1, self._count % 4 == _SMALL_PROBE
