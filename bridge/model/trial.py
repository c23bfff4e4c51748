"""What came of trying a destination before anything is delivered."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Trial:
    """Whether it went well, in words fit for a person, and what to do where it did not."""

    ok: bool
    words: str
    todo: str = ""
