"""One dead letter for many equal refusals of one body or record: what is refused must not grow beyond what came.

A few kilobytes can hold a hundred thousand items that are no events. A letter each, every one in its envelope, would be
gigabytes; the body as it came says the same.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

MOST_EQUAL = 20
"""So many refusals of one body with the same code get a letter each; more of them get one letter together."""
_T = TypeVar("_T")


def gather(
    refusals: Sequence[_T], code: Callable[[_T], Hashable], *, most: int = MOST_EQUAL
) -> tuple[list[_T], list[tuple[_T, int]]]:
    """Those that get a letter each, in order; and the first of each code that is too frequent, with how often it came."""
    if len(refusals) <= most:
        return list(refusals), []
    counts = Counter(map(code, refusals))
    alone: list[_T] = []
    together: dict[Hashable, tuple[_T, int]] = {}
    for refusal in refusals:
        its = code(refusal)
        if counts[its] <= most:
            alone.append(refusal)
        elif its not in together:
            together[its] = (refusal, counts[its])
    return alone, list(together.values())
