"""Refuses regular expressions that can take exponential time, before they ever see an event.

``re`` backtracks and cannot be interrupted, so ``(a+)+b`` against forty a's stops a worker for good. What makes time
explode is a repetition whose body can itself stretch over the same text in several ways. This looks for exactly that:
an unbounded (or very large) repetition whose body holds another one with nothing firm between the rounds.
"""

from __future__ import annotations

import re
from re import _constants as op  # the parser of re is the one that knows the tree
from re import _parser as parser
from typing import Any

from bridge.mapping.failures import FunctionError

MANY = 24
"""A bounded repetition above this counts as unbounded: 2^24 rounds take seconds."""
_ASCII = frozenset(range(128))
_ALL = _ASCII | {-1}  # -1 stands for every other character

REPEATS = (op.MAX_REPEAT, op.MIN_REPEAT)


def refuse_explosive(shown: str, translated: str) -> None:
    """Raise :class:`FunctionError` when the (valid, Python) regex can backtrack exponentially."""
    if _explosive(parser.parse(translated)):
        raise FunctionError(
            f"regular expression {shown!r}: a repetition within a repetition can take for ever",
            hint="make the inner one possessive (a++), or separate the rounds by a character it cannot match",
        )


def _explosive(tree: Any) -> bool:
    for code, argument in tree:
        if code in REPEATS:
            _, high, body = argument
            if high > MANY and _ambiguous(body):
                return True
        if any(_explosive(child) for child in _children(code, argument)):
            return True
    return False


def _children(code: Any, argument: Any) -> list[Any]:
    if code in REPEATS or code is op.POSSESSIVE_REPEAT:
        return [argument[2]]
    if code is op.SUBPATTERN:
        return [argument[3]]
    if code is op.BRANCH:
        return list(argument[1])
    if code in (op.ASSERT, op.ASSERT_NOT):
        return [argument[1]]
    if code is op.ATOMIC_GROUP:
        return [argument]
    return []


def _ambiguous(body: Any) -> bool:
    """Whether a round of the outer repetition can be cut from the same text in more than one way."""
    for path in paths(body):
        for place, item in enumerate(path):
            if not _variable(*item):
                continue
            inner = characters([item])
            firm = [other for other in path[:place] + path[place + 1 :] if fewest([other]) > 0]
            if not any(characters([other]).isdisjoint(inner) for other in firm):
                return True
    return any(_overlap(options) for options in _branches(body))


def _variable(code: Any, argument: Any) -> bool:
    """Whether an item can take more or less of the same text."""
    if code in REPEATS and argument[0] != argument[1]:
        return True
    if code is op.BRANCH:
        return True  # only those that may match nothing are left unopened in a path
    if code in (op.POSSESSIVE_REPEAT, op.ATOMIC_GROUP, op.ASSERT, op.ASSERT_NOT):
        return False
    return any(_variable(*item) for child in _children(code, argument) for item in child)


def _branches(body: Any) -> list[list[Any]]:
    """The alternatives of a body, in groups or not."""
    found = []
    for code, argument in body:
        if code is op.BRANCH:
            found.append(argument[1])
        elif code is op.SUBPATTERN:
            found += _branches(argument[3])
    return found


def _overlap(options: list[Any]) -> bool:
    """Alternatives that can begin with the same character may be chosen in several ways in every round."""
    if sum(1 for option in options if not fewest(option)) > 1:
        return True
    seen: set[int] = set()
    for option in options:
        first = _first(option)
        if not first.isdisjoint(seen):
            return True
        seen |= first
    return False


def paths(body: Any) -> list[list[Any]]:
    """The body's alternatives as flat sequences, groups opened."""
    found: list[list[Any]] = [[]]
    for code, argument in body:
        if code is op.SUBPATTERN:
            inner = paths(argument[3])
        elif code is op.BRANCH and all(fewest(option) for option in argument[1]):
            inner = [path for option in argument[1] for path in paths(option)]
        else:
            inner = [[(code, argument)]]
        found = [path + more for path in found for more in inner]
        if len(found) > 200:
            raise FunctionError("the regular expression has too many alternatives within a repetition")
    return found


def _first(sequence: Any) -> frozenset[int]:
    found: frozenset[int] = frozenset()
    for item in sequence:
        found |= characters([item])
        if fewest([item]) > 0:
            break
    return found


def fewest(sequence: Any) -> int:
    """The fewest characters that a match of the sequence takes."""
    return sum(_fewest_of(code, argument) for code, argument in sequence)


def _fewest_of(code: Any, argument: Any) -> int:
    if code in (op.AT, op.ASSERT, op.ASSERT_NOT, op.GROUPREF):
        return 0
    if code in REPEATS or code is op.POSSESSIVE_REPEAT:
        return int(argument[0]) * fewest(argument[2])
    if code is op.SUBPATTERN:
        return fewest(argument[3])
    if code is op.ATOMIC_GROUP:
        return fewest(argument)
    if code is op.BRANCH:
        return min(fewest(option) for option in argument[1])
    return 1


def characters(sequence: Any) -> frozenset[int]:
    """Every character that may take part in a match of the sequence."""
    found: frozenset[int] = frozenset()
    for code, argument in sequence:
        if code is op.LITERAL:
            found |= _with_cases(argument)
        elif code is op.NOT_LITERAL:
            found |= _ALL - {argument}
        elif code is op.IN:
            found |= _class(argument)
        elif code in (op.ANY, op.GROUPREF, op.GROUPREF_EXISTS):
            found |= _ALL
        else:
            for child in _children(code, argument):
                if code not in (op.ASSERT, op.ASSERT_NOT):
                    found |= characters(child)
    return found


def _with_cases(number: int) -> frozenset[int]:
    """A character in both cases: flags are not followed, so every letter counts as either."""
    if number >= 128:
        return frozenset({-1})
    text = chr(number)
    return frozenset(map(ord, {text, text.lower(), text.upper()}))


_CATEGORIES = {
    op.CATEGORY_DIGIT: r"\d",
    op.CATEGORY_NOT_DIGIT: r"\D",
    op.CATEGORY_SPACE: r"\s",
    op.CATEGORY_NOT_SPACE: r"\S",
    op.CATEGORY_WORD: r"\w",
    op.CATEGORY_NOT_WORD: r"\W",
}


def _class(items: Any) -> frozenset[int]:
    negated = items[0][0] is op.NEGATE
    found: frozenset[int] = frozenset()
    for code, argument in items:
        if code is op.LITERAL:
            found |= frozenset({argument if argument < 128 else -1})
        elif code is op.RANGE:
            low, high = argument
            found |= frozenset(range(low, min(high, 127) + 1)) | (frozenset({-1}) if high > 127 else frozenset())
        elif code is op.CATEGORY:
            regex = re.compile(_CATEGORIES[argument])
            found |= frozenset(n for n in _ASCII if regex.match(chr(n))) | {-1}
    return _ALL - (found - {-1}) if negated else found
