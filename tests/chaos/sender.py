"""MoEngage's side of a chaos run: events of every kind, poison among them, and what of them is promised and should arrive."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
from counting import envelope, is_deliverable
from tally import Numbers

from bridge.testing.sender import Sender

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random


class ChaosSender(Sender):
    """``promised``: numbers that were answered 200; ``deliverable``: how many of them AEP should get.

    ``backtracking``: numbers of events that get a text which is hard to match.
    """

    def __init__(
        self,
        auth: tuple[str, str],
        rate: float,
        rng: Random,
        clock: Callable[[], float],
        *,
        sizes: Sequence[int] = (1, 20, 100, 100, 100),
        at_once: int = 8,
    ) -> None:
        super().__init__(auth, rate, rng=rng, clock=clock, sizes=sizes, at_once=at_once)
        self.promised = Numbers()
        self.deliverable = 0
        self.backtracking: set[int] = set()

    def body_of(self, numbers: range) -> bytes:
        """A batch with what cannot be mapped among it."""
        return orjson.dumps(envelope(numbers, self.backtracking))

    def keep(self, numbers: range) -> None:
        """Written down, a byte an event."""
        self.promised.update(numbers)
        self.deliverable += sum(is_deliverable(number) and number not in self.backtracking for number in numbers)
