"""Whom proxies saw, by ``X-Forwarded-For`` or, from proxies that write no such header, by ``Forwarded`` (RFC 7239)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_ELEMENT: Final = re.compile(r'(?:"[^"]*"|[^",])+')
_PAIR: Final = re.compile(r'(?:"[^"]*"|[^";])+')
_NOBODY: Final = "unknown"
"""RFC 7239's word for an address that is not told."""


def hops(x_forwarded_for: Sequence[str], forwarded: Sequence[str]) -> str:
    """The addresses of both headers' lines with commas between, the nearest proxy's word last.

    A proxy may add a line of its own below the client's instead of lengthening that. ``Forwarded`` counts only where there is
    no ``X-Forwarded-For``: a proxy that writes one of them passes on the other as the client wrote it.
    """
    return ",".join(x_forwarded_for or _of_elements(",".join(forwarded)))


def _of_elements(header: str) -> list[str]:
    if "\\" in header or header.count('"') % 2:
        # With half a quotation, or an escaped mark, a client could hide in his own words what a proxy writes behind them.
        return [_NOBODY]
    return [_of_pairs(element) for element in _ELEMENT.findall(header) if element.strip()]


def _of_pairs(element: str) -> str:
    # What looks like a pair within quotation marks is the client's own word: proxies pass on the name of the host as he wrote it.
    pairs = (pair.partition("=") for pair in _PAIR.findall(element))
    found = [value.strip().strip('"') for name, _, value in pairs if name.strip().lower() == "for"]
    return (found[0] if len(found) == 1 else "") or _NOBODY
