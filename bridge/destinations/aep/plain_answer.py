"""Whether the bytes of an answer plainly say that every event was taken, as nearly all do, without parsing each item.

The usual 207 is a list of ``{"xactionId":"<stem>-<n>"}`` numbered by position and nothing else. Cut at what all items have in
common, its pieces must be the numbers in order; what is left, with one item in the list's place, is parsed and judged. A
"no" means only that the answer must be read item by item.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

_FIRST = re.compile(rb'\{"xactionId":"[^"\\]*[-:](?=0"\})')
_KEY = b"xactionId"

_numbers: list[bytes] = []
"""``0"},``, ``1"},`` …: what lies between two items, as far as requests went."""


def says_all_accepted(body: bytes, count: int) -> bool:
    """Whether the answer holds exactly ``count`` transactions, numbered from 0, and no item says more than that."""
    found = _FIRST.search(body)
    if found is None:
        return False
    pieces = body.split(found.group())
    end = b'%d"}' % (count - 1)
    if len(pieces) != count + 1 or pieces[1:-1] != _between(count - 1) or not pieces[-1].startswith(end):
        return False
    around = pieces[0], pieces[-1][len(end) :]
    # Nothing else may be, or be read as, an item of the list.
    if any(_KEY in piece or b"\\" in piece for piece in around):
        return False
    document = _loads(b'%b%b0"}%b' % (around[0], found.group(), around[1]))
    return isinstance(document, dict) and document.get("responses") == _loads(b'[%b0"}]' % found.group())


def _between(count: int) -> list[bytes]:
    _numbers.extend(b'%d"},' % number for number in range(len(_numbers), count))
    return _numbers[:count]


def _loads(document: bytes) -> Any:
    try:
        return orjson.loads(document)
    except orjson.JSONDecodeError:
        return None
