"""How a kind of source posts to the receiver, as far as its answers and paths depend on the sender."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Posting:
    """A sender that posts.

    ``sender`` names it in answers; ``path`` is where the route ``default``, or the only one, takes its posts, and each other
    route does below it. ``by_name_only``: every route has its name in its path. ``below``: what clients append to a route's
    path. ``throttles``: whether 429 may be an answer, since the sender comes back after it; else 503 stands for it.
    ``rehearses``: whether ``?dry_run=true`` is answered with what would be stored, and nothing is.
    ``confirm_seconds``: the longest that the sender waits for an answer, where that is less than what the settings give Kafka.
    """

    sender: str
    path: str
    below: tuple[str, ...] = ()
    by_name_only: bool = False
    throttles: bool = True
    rehearses: bool = False
    confirm_seconds: float | None = None
