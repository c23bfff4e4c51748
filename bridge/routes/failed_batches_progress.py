"""How far failed batches have been fetched, as the state topic keeps it for the next leader. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable

_MOST: Final = 5_000
"""Batches that are remembered one by one; the value must stay small enough for a record of Kafka."""


@dataclass(slots=True)
class Progress:
    """Times are milliseconds since 1970.

    ``since``: batches created before are done; 0 where nothing is known. ``done``: batches after it that are done, with the time
    of their creation. ``read_of``: of a batch that is being read, how many of its records are stored.
    """

    since: int = 0
    done: dict[str, int] = field(default_factory=dict)
    read_of: dict[str, int] = field(default_factory=dict)

    def looks_from(self, now: int, back: int) -> int:
        """Batches created from here on are looked at."""
        return self.since or now - back

    def finish(self, batch: str, created: int) -> None:
        """A batch is done."""
        self.done[batch] = created
        self.read_of.pop(batch, None)
        if len(self.done) > _MOST:
            # The oldest are covered by their time: batches are listed long after they are made, but not that long.
            by_age = sorted(self.done.items(), key=lambda one: one[1])
            self.since = max(self.since, by_age[len(by_age) - _MOST][1])
            self.done = {one: made for one, made in by_age if made >= self.since}

    def move(self, now: int, back: int, most: int, pending: Iterable[int]) -> bool:
        """Leave behind what lies further ``back`` than that and before all that is ``pending`` (for ``most`` at most).

        Whether it is worth to be stored: some progress is forgotten otherwise, and found again.
        """
        since = max(min([now - back, *(one for one in pending if one > now - most)]), self.since)
        worth = not self.since or since - self.since >= back // 24
        if worth:
            self.since = since
            self.done = {one: made for one, made in self.done.items() if made >= since}
        return worth

    def to_bytes(self) -> bytes:
        """As it is stored."""
        return orjson.dumps({"since": self.since, "done": self.done, "read": self.read_of})

    @classmethod
    def from_bytes(cls, stored: bytes | None) -> Progress:
        """What was stored, nothing where nothing was; ``ValueError`` for what is not ours."""
        try:
            held: dict[str, Any] = orjson.loads(stored or b"{}")
            return cls(int(held.get("since", 0)), _counts(held.get("done")), _counts(held.get("read")))
        except (TypeError, AttributeError) as error:
            raise ValueError("not the progress of failed batches") from error


def _counts(held: Any) -> dict[str, int]:
    return {str(name): int(value) for name, value in (held or {}).items()}
