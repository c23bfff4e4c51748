"""A worker's part of the rate limits, which are the organisation's and not the worker's. Pure.

Counted in partitions: every partition of the topic has one owner in the group, so the parts of all workers come to exactly
one, and each knows its own at once from its assignment, without asking anybody how many the others are. In a rebalance all
give up their partitions before any gets new ones, so the sum is never above one either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Share:
    """``setting``: a number of workers have equal parts, or by partitions (``auto``): ``assigned`` of ``partitions``.

    ``partitions`` gives None while the topic is not known. ``routes``: number of routes, this one's included, that send to the
    organisation; each has an equal part, which its workers share.
    """

    setting: int | Literal["auto"]
    assigned: Callable[[], int]
    partitions: Callable[[], int | None]
    routes: int = 1

    def __call__(self) -> float:
        """This worker's part, above 0 and at most 1."""
        if self.setting != "auto":
            return 1.0 / (self.setting * self.routes)
        # Without an assignment nothing is delivered; then, as before the topic is known, only a nonsense must be avoided.
        mine = max(1, self.assigned())
        return mine / (max(mine, self.partitions() or 0) * self.routes)
