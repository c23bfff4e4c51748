"""The name that somebody meant who wrote another one."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that ``name`` was probably meant to be."""
    names = list(known)
    folded = {one.lower().replace("_", ""): one for one in names}
    same = folded.get(name.lower().replace("_", ""))
    if same is not None:
        return same
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.7)
    return close[0] if close else None
