"""How a kind of source posts to the receiver, as far as its answers and paths depend on the sender."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Posting:
    """A sender that posts.

    ``sender`` names it in answers; ``path`` is where the route ``default``, or the only one, takes its posts, and each other
    route does below it.
    """

    sender: str
    path: str
