"""When a request that uses some of each budget may leave, and who else waits for a pause that the destination asked for.

Budgets count in windows (:mod:`bridge.delivery.window_budget`), by account and not by process (:mod:`bridge.delivery.pace_board`).
Synchronous; the caller brings the time in seconds of the system's monotonic clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.delivery.window_budget import WindowBudget

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bridge.delivery.pace_board import Account
    from bridge.model.delivery_policy import DeliveryPolicy

_SHARE_SECONDS = 1.0


def windows(policy: DeliveryPolicy, most_elements: int) -> tuple[WindowBudget, ...]:
    """The budgets of a policy; a request has at most ``most_elements``."""
    return tuple(
        WindowBudget(each.name, each.units, each.seconds, 1.0 if each.weigh is None else float(most_elements))
        for each in policy.budgets
    )


class Pace:
    """The budgets of one account. ``share`` is this process's part of them; what it is given here is for all on this machine."""

    def __init__(self, budgets: Sequence[WindowBudget], account: Account, share: Callable[[], float]) -> None:
        self.budgets = tuple(budgets)
        self._account = account
        self._share = share
        self._together = 0.0
        self._share_until = 0.0

    def reserve(self, weights: Sequence[float], now: float) -> tuple[float, str]:
        """Reserve these units for a request: 0 seconds where it may be sent now; else how long it waits, for which budget, and nothing is reserved."""
        self._note(now)
        with self._account.held() as times:
            waits = [(times[len(self.budgets)] - now, "pause")]
            for budget, units, free_at in zip(self.budgets, weights, times, strict=False):
                if units:
                    waits.append((budget.wait(free_at, now), budget.name))
            if (longest := max(waits))[0] > 0:
                return longest
            for at, (budget, units) in enumerate(zip(self.budgets, weights, strict=True)):
                times[at] = budget.free_at_after(times[at], units, self._together, now)
        return 0.0, ""

    def pause(self, until: float) -> None:
        """The destination asks for less: nobody of this account sends before then."""
        with self._account.held() as times:
            times[len(self.budgets)] = max(times[len(self.budgets)], until)

    def paused_until(self) -> float:
        """When the pause ends that anybody was asked for."""
        with self._account.held() as times:
            return times[len(self.budgets)]

    def together(self, now: float) -> float:
        """The part of all processes of the account on this machine that live, above 0 and at most 1."""
        self._note(now)
        return self._together

    def tick(self, now: float) -> None:
        """Say that this process lives: call it every second or so."""
        self._share_until = 0.0
        self._note(now)

    def _note(self, now: float) -> None:
        if now >= self._share_until:
            self._together = self._account.share(self._share(), now)
            self._share_until = now + _SHARE_SECONDS
