"""Fixed windows in which the emulator counts what it takes, as MoEngage does: a minute each, from a phase nobody knows."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

KEPT: Final = 240
"""Windows that are remembered."""
SECONDS: Final = 60.0


@dataclass(slots=True)
class Window:
    """What came in one window: taken by kind, and requests that were refused for their number."""

    number: int
    used: dict[str, int] = field(default_factory=dict)
    refused: int = 0


class Windows:
    """``phase``: seconds by which windows begin after a full minute of the clock that is handed in."""

    def __init__(self, phase: float, seconds: float = SECONDS) -> None:
        self.phase = phase
        self.seconds = seconds
        self._recent: deque[Window] = deque(maxlen=KEPT)

    def admit(self, units: Mapping[str, int], limits: Mapping[str, int], now: float) -> str | None:
        """Take the units, or name the kind whose limit they would break; a limit of 0 is none. Nothing is taken then."""
        window = self._window(now)
        for kind, limit in limits.items():
            if limit and units.get(kind, 0) and window.used.get(kind, 0) + units[kind] > limit:
                window.refused += 1
                return kind
        for kind, count in units.items():
            window.used[kind] = window.used.get(kind, 0) + count
        return None

    def left(self, now: float) -> float:
        """Seconds until the window ends."""
        return self.seconds - (now - self.phase) % self.seconds

    def used(self, kind: str, now: float) -> int:
        """Units of a kind in the window that runs."""
        return self._window(now).used.get(kind, 0)

    def shown(self) -> list[dict[str, Any]]:
        """Every window that is remembered, the oldest first."""
        return [{"window": one.number, **one.used, "refused": one.refused} for one in self._recent]

    def clear(self) -> None:
        """Forget all windows but for the phase."""
        self._recent.clear()

    def _window(self, now: float) -> Window:
        number = int((now - self.phase) // self.seconds)
        if not self._recent or self._recent[-1].number != number:
            self._recent.append(Window(number))
        return self._recent[-1]
