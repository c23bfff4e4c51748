"""A kind of fault: how it begins and ends, how long it may last, and what shows that workers have met it."""

from dataclasses import dataclass

LONG = (1.0, 3.0, 8.0, 20.0, 60.0)
SHORT = (0.2, 1.0, 3.0, 8.0)


@dataclass(frozen=True, slots=True)
class Fault:
    """``begin(world, draw)`` makes it, and gives what ends it; ``lasts`` are the seconds it may last.

    ``shows`` are the counters that rise when workers meet it; ``again`` are the seconds after which what is over at once is
    made once more while they have not. ``where(world)``: it is planned in each world of which that is true, and in no other.
    """

    name: str
    weight: float
    begin: object
    lasts: tuple = SHORT
    shows: tuple = ()
    again: float | None = None
    where: object = None
