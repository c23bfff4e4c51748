"""The formats that text may have where none is stated, tried in the documented order (data-prep/data-handling, Dates).

Every one of the formats can only match texts of a handful of shapes (digits as 9, letters as a), so a text's shape
names the formats worth trying: the result is that of trying all of them in order.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from bridge.mapping.values.dates.parsing import MAX_TEXT, parser
from bridge.mapping.values.dates.pattern import Field, Literal, tokenize
from bridge.mapping.values.dates.rfc3339 import parse_rfc3339
from bridge.mapping.values.failures import FunctionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

FALLBACK_FORMATS = (
    "yyyy-MM-dd HH:mm:ssZ",
    "yyyy-MM-dd HH:mm:ss.SSSZ",
    "yyyy-MM-dd HH:mm:ss.SSS",
    "yyyy-MM-dd'T'HH:mm:ss.SSSX",
    "yyyy-MM-dd'T'HH:mm:ss'Z'",
    "yyyy-MM-dd",
    "yyyy/MM/dd",
    "yyyy.MM.dd",
    "yyyy-MMM-dd",
    "yyyyMMdd",
    "MM-dd-yyyy",
    "MMddyyyy",
    "M/dd/yyyy",
    "dd.M.yyyy",
    "M/dd/yyyy hh:mm:ss a",
    "dd.M.yyyy hh:mm:ss a",
    "dd.MMM.yyyy",
    "dd-MMM-yyyy",
    # The samples of data-prep/functions read these three as well.
    "yyyy-MM-dd HH:mm",
    "yyyy-MM-dd HH:mm:ss",
    "yyyy-MM-dd'T'HH:mm:ss.SSS",
)
NO_FORMAT = (
    f"the text fits none of the {len(FALLBACK_FORMATS)} date formats that are tried without a pattern, nor RFC 3339"
)

_SHAPE = str.maketrans(
    "012345678ABCDEFGHIJKLMNOPQRSTUVWXYZbcdefghijklmnopqrstuvwxyz-",
    "999999999" + "a" * 51 + "+",
)  # both signs of an offset share a shape, and so do the hyphens of dates

_FIELD_SHAPES = {"M": ("9", "99"), "MMM": ("aaa",), "a": ("aa",), "X": ("a", "+99", "+9999"), "Z": ("+9999",)}


def _shapes(pattern: str) -> Iterable[str]:
    choices: list[tuple[str, ...]] = []
    for token in tokenize(pattern):
        if isinstance(token, Literal):
            choices.append((token.text.translate(_SHAPE),))
        elif isinstance(token, Field):
            letters = token.letter * token.width
            choices.append(_FIELD_SHAPES.get(letters, ("9" * token.width,)))
    return ("".join(parts) for parts in product(*choices))


def _by_shape() -> dict[str, tuple[Callable[[str], datetime], ...]]:
    known: dict[str, tuple[Callable[[str], datetime], ...]] = {}
    for pattern in FALLBACK_FORMATS:
        for shape in _shapes(pattern):
            known[shape] = (*known.get(shape, ()), parser(pattern))
    return known


_CANDIDATES = _by_shape()


def parse_date(text: str) -> datetime:
    """Read ``text`` by the first documented format that fits it whole, else as RFC 3339; :class:`FunctionError` when none does."""
    if len(text) <= MAX_TEXT:
        for parse in _CANDIDATES.get(text.translate(_SHAPE), ()):
            try:
                return parse(text)
            except FunctionError:
                continue
        if (found := parse_rfc3339(text)) is not None:
            return found
    raise FunctionError(NO_FORMAT)
