"""A rate limit that several processes keep together, as it is one organisation's: what one leaves the others may use.

Each looks before it spends, so that two that look at once may send a request each; the time that both have cost is counted, and the
next one waits for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.delivery.pacing import RateLimit

if TYPE_CHECKING:
    from bridge.delivery.pace_board import Account


class SharedRate(RateLimit):
    """A :class:`RateLimit` whose state lies at ``place`` among the times of an account; units are those at the part of all that live."""

    def __init__(self, rate: float, account: Account, place: int) -> None:
        super().__init__(rate)
        self._account = account
        self._place = place

    def wait(self, now: float) -> float:
        """See :class:`RateLimit`."""
        if not self._rate:
            return 0.0
        with self._account.held() as times:
            self._free_at = times[self._place]
        return super().wait(now)

    def spend(self, units: float, now: float) -> None:
        """See :class:`RateLimit`."""
        if not self._rate:
            return
        with self._account.held() as times:
            self._free_at = times[self._place]
            super().spend(units, now)
            times[self._place] = self._free_at
