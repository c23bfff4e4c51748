"""What a fault is, and when which one strikes; the faults themselves register here from the modules of their lanes.

Three lanes run side by side, so that faults of AEP, of processes and of brokers overlap at random; within a lane one fault
follows the other. The schedule is a pure function of the seed.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from stage import Stage


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault; ``seconds`` are the bounds of its length. ``spares``: workers and receiver live on, and no event
    is gone from Kafka. ``brief``: it takes part in the short run. ``once``: it costs so much that a run has it once.
    """

    name: str
    lane: str
    seconds: tuple[float, float]
    inject: Callable[[Stage, Planned], Awaitable[None]]
    spares: bool
    brief: bool
    once: bool


@dataclass(frozen=True, slots=True)
class Planned:
    """One fault of a schedule: ``at`` and ``seconds`` from the beginning; ``dice`` decides what is left to chance."""

    at: float
    kind: str
    lane: str
    seconds: float
    dice: int

    @property
    def rng(self) -> random.Random:
        """Its own chances, the same in every run of the seed."""
        return random.Random(self.dice)


KINDS: dict[str, Kind] = {}
LANES = ("aep", "process", "broker")


def fault(
    lane: str, shortest: float, longest: float, *, spares: bool = True, brief: bool = True, once: bool = False
) -> Callable[[Any], Any]:
    """Register a fault under its function's name."""

    def register(inject: Any) -> Any:
        KINDS[inject.__name__] = Kind(inject.__name__, lane, (shortest, longest), inject, spares, brief, once)
        return inject

    return register


def schedule(
    seed: int,
    seconds: float | None,
    *,
    gaps: tuple[float, float],
    pace: float = 1.0,
    only: Collection[str] = (),
) -> list[Planned]:
    """What happens when: each lane deals its kinds like a deck of cards, shuffled anew when all were dealt.

    Without ``seconds`` every brief kind has one turn. ``pace`` draws lengths nearer to (below 1) their shortest. ``only``
    these kinds are dealt, brief or not, when any are named.
    """
    rng = random.Random(seed)
    planned: list[Planned] = []
    for lane in LANES:
        wanted = set(only) or {name for name, kind in KINDS.items() if kind.brief or seconds is not None}
        deck = sorted(name for name, kind in KINDS.items() if kind.lane == lane and name in wanted)
        at, hand = rng.uniform(*gaps), rng.sample(deck, len(deck))
        while hand:
            name = hand.pop()
            shortest, longest = KINDS[name].seconds
            lasts = rng.uniform(shortest, shortest + (longest - shortest) * pace)
            if seconds is not None and at + lasts > seconds:
                break
            planned.append(Planned(round(at, 2), name, lane, round(lasts, 2), rng.randrange(2**32)))
            at += lasts + rng.uniform(*gaps)
            if not hand and seconds is not None:
                deck = [name for name in deck if not KINDS[name].once]
                hand = rng.sample(deck, len(deck))
    return sorted(planned, key=lambda each: each.at)


def steady(seed: int, seconds: float, *, every: float, at_least: int = 2) -> list[Planned]:
    """One fault ``every`` so many seconds, of the kinds that every process survives, dealt as by :func:`schedule`.

    The last one leaves as much time behind it as there is between two.
    """
    rng = random.Random(seed)
    deck = sorted(name for name, kind in KINDS.items() if kind.spares)
    count = max(at_least, int(seconds / every) - 1)
    planned: list[Planned] = []
    hand: list[str] = []
    for turn in range(1, count + 1):
        hand = hand or rng.sample(deck, len(deck))
        name = hand.pop()
        lasts = rng.uniform(*KINDS[name].seconds)
        planned.append(Planned(round(turn * every, 2), name, KINDS[name].lane, round(lasts, 2), rng.randrange(2**32)))
    return planned
