"""How many steps a backtracking engine may take in the worst case, as a function of the text's length.

``re`` tries one way after another and cannot be interrupted: ``(a+)+b`` against forty a's stops a process for good, and
``(.*,){11}P`` against a line of three hundred characters. :func:`steps` is an upper bound, computed from the tree of the
regex: for every item the work of one try, and the *ends* where a try may leave it and what follows may begin. A repetition
whose rounds have one end each costs what its rounds cost; one whose rounds have two ends costs two to the power of its rounds.
"""

from __future__ import annotations

import math
from re import _constants as op
from typing import TYPE_CHECKING, Final

from bridge.mapping.values.regex.tree import REPEATS, Item, Sequence

if TYPE_CHECKING:
    from collections.abc import Sequence as Items

_END: Final = frozenset({-2})
"""What follows the whole regex: no character."""
_LENGTHS: Final = (
    10,
    20,
    30,
    50,
    70,
    100,
    140,
    200,
    300,
    500,
    800,
    1_200,
    1_700,
    2_500,
    3_500,
    5_000,
    7_000,
    10_000,
    14_000,
)
Cost = tuple[float, float]
"""Ends that a try may have from one start (those after which the next character fits what follows), and its steps."""


def longest_within(tree: Sequence, budget: float, most: int, *, anywhere: bool) -> int:
    """A length of text, at most ``most``, up to which a match takes at most ``budget`` steps; 0 when there is none."""
    lengths = (0, *_LENGTHS, most)
    low, high = 0, len(lengths)
    if steps(tree, most, anywhere=anywhere) <= budget:
        return most
    while high - low > 1:
        middle = (low + high) // 2
        fits = steps(tree, lengths[middle], anywhere=anywhere) <= budget
        low, high = (middle, high) if fits else (low, middle)
    return lengths[low]


def steps(tree: Sequence, length: int, *, anywhere: bool) -> float:
    """Most steps of a match on a text of this length; infinite when it is beyond counting.

    ``anywhere``: it is searched from each position on, unless the regex can only stand at the beginning.
    """
    items = list(tree.items)
    if not anywhere or (items and items[0].at_the_beginning):
        return _sequence(items, _END, length)[1]
    once = 0.0
    if items and items[-1].code in REPEATS and items[-1].inner[0].single:
        # Where the last item has its fewest, the whole has matched: only then is the rest taken, and the search is over.
        items[-1] = items[-1].at_its_fewest()
        once = float(length)
    return once + (length + 1) * _sequence(items, _END, length)[1]


def _sequence(items: Items[Item], follow: frozenset[int], length: int) -> Cost:
    follows = [follow]
    for item in reversed(items):
        follows.append(item.begins | follows[-1] if item.skippable else item.begins)
    ends, work = 1.0, 1.0
    for item, after in zip(items, reversed(follows[:-1]), strict=True):
        item_ends, item_work = _item(item, after, length)
        work += ends * item_work
        ends *= item_ends
    return ends, work


def _item(item: Item, follow: frozenset[int], length: int) -> Cost:
    code = item.code
    if code in REPEATS:
        return _repeat(item, follow, length)
    if code is op.SUBPATTERN:
        return _sequence(item.inner[0].items, follow, length)
    if code is op.BRANCH:
        return _branch(item, follow, length)
    if code is op.POSSESSIVE_REPEAT:
        body = item.inner[0]
        ends, work = _sequence(body.items, body.first | follow, length)
        return 1.0, _all_rounds(_rounds(item, length), body, ends, work, length)
    if code is op.ATOMIC_GROUP:
        return 1.0, _sequence(item.inner[0].items, follow, length)[1]
    if code in (op.ASSERT, op.ASSERT_NOT):
        return 1.0, _sequence(item.inner[0].items, _END, length)[1]
    if code is op.GROUPREF:
        return 1.0, 1.0 + length
    return 1.0, 1.0


def _branch(item: Item, follow: frozenset[int], length: int) -> Cost:
    costs = [_sequence(option.items, follow, length) for option in item.inner]
    work = sum(cost[1] for cost in costs)
    firsts = [option.first | follow if option.skippable else option.first for option in item.inner]
    if sum(map(len, firsts)) == len(frozenset().union(*firsts)):
        return max(cost[0] for cost in costs), work  # the next character decides
    return sum(cost[0] for cost in costs), work


def _repeat(item: Item, follow: frozenset[int], length: int) -> Cost:
    body, rounds = item.inner[0], _rounds(item, length)
    ends, work = _sequence(body.items, body.first | follow, length)
    if ends <= 1.0:
        # Where a round cannot begin with what follows, the next character decides between one more round and the end.
        decided = body.fewest > 0 and body.first.isdisjoint(follow)
        leaves = 1.0 if decided or item.low == rounds else max(1.0, rounds - min(item.low, rounds) + 1.0)
        return leaves, _all_rounds(rounds, body, ends, work, length)
    if math.isinf(ends):
        return math.inf, math.inf
    try:
        tries = float((ends ** (rounds + 1) - 1) / (ends - 1))
    except OverflowError:
        return math.inf, math.inf
    return tries, 1.0 + tries * work


def _rounds(item: Item, length: int) -> int:
    """The most rounds that a repetition may take: each takes some of the text, and one that takes none is the last."""
    return min(item.high, length // max(1, item.inner[0].fewest) + 1)


def _all_rounds(rounds: int, body: Sequence, ends: float, work: float, length: int) -> float:
    """Steps of all rounds of a repetition together, each of which takes ``work`` at most and is left in one way."""
    if ends <= 1.0 and body.plain:
        # Each character that is looked at is taken, or nothing further can match: once forwards and once backwards.
        return min(1.0 + rounds * work, 4.0 * (length + 1) * (1 + body.size))
    return 1.0 + rounds * work
