"""How long to wait after failures in a row. Pure; randomness is handed in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential with full jitter: so that many workers that failed together do not come back together."""

    random: Random
    base: float = 0.5
    cap: float = 30.0

    def delay(self, failures: int) -> float:
        """Seconds to wait after this many failures in a row (1 or more)."""
        most = min(self.cap, self.base * 2.0 ** min(failures - 1, 16))
        # Never quite nothing: a full jitter of 0 would hammer.
        return max(most * 0.05, self.random.uniform(0.0, most))
