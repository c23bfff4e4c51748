"""How long a regular expression may work on a text: what :mod:`bridge.mapping.regex_guard` lets through takes polynomial time.

``a*a*a*b`` against n a's tries every way to share them out, n³ / 6 of them, and ``re`` cannot be interrupted. A repetition
whose end is not fixed by what follows multiplies the work by the places where it may end: by those where the text that
follows it stands (``.*utm=``), otherwise by the length of the text.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from itertools import takewhile
from re import _constants as op  # the parser of re is the one that knows the tree
from re import _parser as parser
from typing import Any, Final, NamedTuple

from bridge.mapping.failures import FunctionError
from bridge.mapping.regex_guard import MANY, REPEATS, characters, fewest, paths

MAX_SUBJECT: Final = 20_000
_STEPS: Final = 200_000_000
"""Backtracking steps that one match may take in the worst case: a few seconds."""


class _Way(NamedTuple):
    """One way through a regex: factors of its work. ``lengths`` times the text's length, then how often each of ``runs`` occurs."""

    lengths: int
    runs: tuple[str, ...]


def subject(text: str, regex: re.Pattern[str], *, anywhere: bool = True) -> str:
    """The text, where the regex may be run on it. ``anywhere``: a match is searched at every position."""
    if takes_too_long(text, regex, anywhere=anywhere):
        raise FunctionError(f"a text of {len(text)} characters can take this regular expression for ever")
    return text


def takes_too_long(text: str, regex: re.Pattern[str], *, anywhere: bool = True) -> bool:
    """Whether the regex could work on the text for more than some seconds."""
    length = len(text)
    harmless, ways = _plan(regex, anywhere)
    return length > MAX_SUBJECT or (length > harmless and any(_steps(way, text, length) > _STEPS for way in ways))


def _steps(way: _Way, text: str, length: int) -> float:
    places = math.prod(text.count(run) + 1 for run in way.runs)
    return float(places * length**way.lengths / math.factorial(way.lengths))


@lru_cache(maxsize=1024)
def _plan(regex: re.Pattern[str], anywhere: bool) -> tuple[int, list[_Way]]:
    """The length up to which no text can take long, and the ways to look at beyond it."""
    tree = parser.parse(regex.pattern, regex.flags)
    try:
        found = paths(tree)
    except FunctionError:
        found = [list(tree)]
    ways = [_way(path, anywhere=anywhere, spelled=not regex.flags & re.IGNORECASE) for path in found]
    degree = max((way.lengths + len(way.runs) for way in ways), default=0)
    return MAX_SUBJECT if degree < 2 else int(_STEPS ** (1 / degree)), ways


def _way(path: list[Any], *, anywhere: bool, spelled: bool) -> _Way:
    if anywhere:  # what may match nothing at the end never fails, and so is never tried again
        path = list(path)
        while path and path[-1][0] in REPEATS and not path[-1][1][0]:
            path.pop()
    stretching = [place for place, (code, argument) in enumerate(path) if code in REPEATS and argument[1] > MANY]
    if not stretching:
        return _Way(1, ())
    nexts = [path[place + 1 :] for place in stretching if _open(path[place], path[place + 1 :])]
    fixed = path[0][0] is op.AT and path[0][1] is not op.AT_BOUNDARY
    if anywhere and not fixed:
        nexts.append(path)
    runs = [_run(after) if spelled else "" for after in nexts]
    return _Way(1 + runs.count(""), tuple(run for run in runs if run))


def _run(items: list[Any]) -> str:
    """The text that has to stand here, as far as it is spelled out."""
    letters = (chr(argument) if code is op.LITERAL else None for code, argument in items)
    return "".join(takewhile(lambda letter: letter is not None, letters))  # type: ignore[arg-type]


def _open(item: Any, after: list[Any]) -> bool:
    """Whether a repetition may end in several places: what comes next could have been part of it."""
    own = characters([item])
    for other in after:
        if other[0] in (op.AT, op.ASSERT, op.ASSERT_NOT):
            continue
        if not characters([other]).isdisjoint(own):
            return True
        if fewest([other]):
            return False
    return False
