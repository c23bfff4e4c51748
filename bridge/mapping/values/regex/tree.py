"""A regex as a tree whose items know what its cost depends on: the characters they may begin with, and how few they take.

Every character beyond ASCII counts as one. A set never lacks a character; it may hold one too many.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from re import _constants as op  # the parser of re is the one that knows the tree
from re import _parser as parser
from typing import Any, Final

_ASCII: Final = frozenset(range(128))
_BEYOND: Final = frozenset({-1})
_ALL: Final = _ASCII | _BEYOND
_EVERYTHING: Final = _ALL | {-2}
"""All characters, and the end of the text."""
REPEATS: Final = (op.MAX_REPEAT, op.MIN_REPEAT)
_LOOKS: Final = (op.ASSERT, op.ASSERT_NOT)
_SINGLE: Final = (op.IN, op.LITERAL, op.NOT_LITERAL, op.ANY)


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a sequence; ``low`` to ``high`` rounds where it is a repetition.

    ``begins``: the characters that it may begin with; ``skippable``: what follows may come at its place.
    """

    code: Any
    inner: tuple[Sequence, ...]
    low: int
    high: int
    begins: frozenset[int]
    skippable: bool
    fewest: int
    at_the_beginning: bool

    def at_its_fewest(self) -> Item:
        """The repetition without the rounds that need not be."""
        return replace(self, high=self.low)


@dataclass(frozen=True, slots=True)
class Sequence:
    """Items in their order.

    ``plain``: it takes what it looks at; nothing in it looks ahead, or is left before it has been matched. ``size`` counts its
    items, those within them included; ``groups`` says whether it holds any group that captures.
    ``repeats_nothing``: a repetition of it holds such a group and may match nothing in a round.
    """

    items: tuple[Item, ...]
    first: frozenset[int]
    skippable: bool
    fewest: int
    single: bool
    plain: bool
    size: int
    groups: bool
    repeats_nothing: bool


def tree_of(pattern: str) -> Sequence:
    """The tree of a (valid, Python) regex without flags that ignore case."""
    return _sequence(parser.parse(pattern))


def _sequence(parsed: Any) -> Sequence:
    items, groups, nothing, plain = [], False, False, True
    for code, argument in parsed:
        item = _item(code, argument)
        items.append(item)
        groups |= any(inner.groups for inner in item.inner) or (code is op.SUBPATTERN and argument[0] is not None)
        nothing |= any(inner.repeats_nothing for inner in item.inner) or (
            code in REPEATS and item.high > 1 and not item.inner[0].fewest and item.inner[0].groups
        )
        plain &= code not in (*_LOOKS, op.ATOMIC_GROUP, op.GROUPREF) and all(inner.plain for inner in item.inner)
        plain &= code is not op.POSSESSIVE_REPEAT or item.inner[0].single
    first: frozenset[int] = frozenset()
    skippable = True
    for item in items:
        first |= item.begins
        if not item.skippable:
            skippable = False
            break
    return Sequence(
        tuple(items),
        first,
        skippable,
        sum(item.fewest for item in items),
        len(items) == 1 and items[0].code in _SINGLE,
        plain,
        len(items) + sum(inner.size for item in items for inner in item.inner),
        groups,
        nothing,
    )


def _item(code: Any, argument: Any) -> Item:
    low, high, begins, skippable, fewest = 1, 1, frozenset[int](), False, 1
    inner = tuple(_sequence(child) for child in _children(code, argument))
    if code in (*REPEATS, op.POSSESSIVE_REPEAT):
        low, high = int(argument[0]), int(argument[1])
        body = inner[0]
        begins, skippable, fewest = body.first, body.skippable or not low, low * body.fewest
    elif code in (op.SUBPATTERN, op.ATOMIC_GROUP):
        begins, skippable, fewest = inner[0].first, inner[0].skippable, inner[0].fewest
    elif code is op.BRANCH:
        begins = frozenset().union(*(option.first for option in inner))
        skippable = any(option.skippable for option in inner)
        fewest = min(option.fewest for option in inner)
    elif code is op.AT:
        skippable, fewest = True, 0
    elif code in _LOOKS:
        # One that is more than a character or two is worked through before the next character is looked at.
        skippable, fewest = _is_short(inner[0]), 0
        begins = frozenset() if skippable else _EVERYTHING
    elif code is op.GROUPREF:
        begins, skippable, fewest = _ALL, True, 0
    else:
        begins = _characters(code, argument)
    beginning = code is op.AT and argument in (op.AT_BEGINNING, op.AT_BEGINNING_STRING)
    return Item(code, inner, low, high, begins, skippable, fewest, beginning)


def _is_short(sequence: Sequence) -> bool:
    return sequence.size <= 12 and all(
        item.high <= 1 and item.code is not op.GROUPREF and all(map(_is_short, item.inner)) for item in sequence.items
    )


def _children(code: Any, argument: Any) -> list[Any]:
    if code in (*REPEATS, op.POSSESSIVE_REPEAT):
        return [argument[2]]
    if code is op.SUBPATTERN:
        return [argument[3]]
    if code is op.BRANCH:
        return list(argument[1])
    if code in _LOOKS:
        return [argument[1]]
    if code is op.ATOMIC_GROUP:
        return [argument]
    return []


def _characters(code: Any, argument: Any) -> frozenset[int]:
    if code is op.LITERAL:
        return frozenset({argument}) if argument < 128 else _BEYOND
    if code is op.NOT_LITERAL:
        return _ALL - {argument}
    return _class(tuple(argument)) if code is op.IN else _ALL


_CATEGORIES: Final = {
    op.CATEGORY_DIGIT: r"\d",
    op.CATEGORY_NOT_DIGIT: r"\D",
    op.CATEGORY_SPACE: r"\s",
    op.CATEGORY_NOT_SPACE: r"\S",
    op.CATEGORY_WORD: r"\w",
    op.CATEGORY_NOT_WORD: r"\W",
}


@lru_cache(maxsize=256)
def _class(items: tuple[Any, ...]) -> frozenset[int]:
    negated = items[0][0] is op.NEGATE
    found: frozenset[int] = frozenset()
    for code, argument in items:
        if code is op.LITERAL:
            found |= {argument} if argument < 128 else _BEYOND
        elif code is op.RANGE:
            low, high = argument
            found |= frozenset(range(low, min(high, 127) + 1)) | (_BEYOND if high > 127 else frozenset())
        elif code is op.CATEGORY:
            regex = re.compile(_CATEGORIES[argument])
            found |= frozenset(n for n in _ASCII if regex.match(chr(n))) | _BEYOND
    return _ALL - (found - _BEYOND) if negated else found
