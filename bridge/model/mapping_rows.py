"""What source and destination are told of the rows of a mapping set, and what they say of them: values between ``Rules`` and ``lint``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

EVERY = "[*]"
"""The step of a destination that stands for an element of a list, whatever its index."""


@dataclass(frozen=True, slots=True)
class Written:
    """One row: its line, the steps of its destination (names, and ``[*]`` for elements), and its rule for nulls where it has one."""

    row: int
    steps: tuple[str, ...]
    nulls: str | None = None


@dataclass(frozen=True, slots=True)
class SourceRead:
    """A path that a row reads: the row's line, the path's steps, its position in the cell, and the steps of the row's destination."""

    row: int
    steps: tuple[str, ...]
    position: int
    destination: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Complaint:
    """What is wrong with a row (0: with the whole set), a code of lint's, and a better source or destination where there is one.

    ``position``: in the source's cell, where it is about a part of that.
    """

    row: int
    code: str
    message: str
    severity: Literal["error", "warning"] = "error"
    fix: str | None = None
    position: int | None = None
