"""What a destination is told of the rows of a mapping set, and what it says of them: values between ``Rules`` and ``lint``."""

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
class Complaint:
    """What is wrong with a row (0: with the whole set), a code of lint's, and a better destination where there is one."""

    row: int
    code: str
    message: str
    severity: Literal["error", "warning"] = "error"
    fix: str | None = None
