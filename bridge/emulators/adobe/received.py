"""What the emulator has accepted: light enough for millions of events."""

from __future__ import annotations

import hashlib
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping
    from typing import Any

PAGE = 10_000


def fingerprint(event: Mapping[str, Any]) -> str:
    """Sixteen hex digits that are equal for equal JSON, whatever the order of keys."""
    return _digest(event).hex()


def _digest(event: Mapping[str, Any]) -> bytes:
    return hashlib.blake2b(orjson.dumps(event, option=orjson.OPT_SORT_KEYS), digest_size=8).digest()


class Received:
    """Counts, and per event id: how often it came and a fingerprint of its payload; some payloads themselves.

    ``fast`` keeps the counts alone.
    """

    def __init__(self, *, payloads: int = 1_000, fast: bool = False) -> None:
        self._most_payloads = payloads
        self.fast = fast
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.events = 0
        self.bytes = 0
        self.rejected = 0
        self.requests: Counter[str] = Counter()
        self.token_requests: Counter[str] = Counter()
        self.fingerprints: MutableMapping[str, bytes] = {}
        self.repeated: Counter[str] = Counter()
        self.conflicting: set[str] = set()
        self.payloads: dict[str, bytes] = {}

    def add(self, identifier: str, event: Mapping[str, Any]) -> None:
        """Take one accepted event."""
        self.events += 1
        if self.fast:
            return
        digest = _digest(event)
        known = self.fingerprints.setdefault(identifier, digest)
        if known is not digest:
            self.repeated[identifier] += 1
            if known != digest:
                self.conflicting.add(identifier)
        if len(self.payloads) < self._most_payloads:
            self.payloads.setdefault(identifier, orjson.dumps(event))

    def times(self, identifier: str) -> int:
        """How often an event was accepted."""
        return (identifier in self.fingerprints) + self.repeated[identifier]

    def summary(self) -> dict[str, Any]:
        """The counts: ``events`` accepted, of them ``unique`` ids, ``duplicates`` beyond the first, ``conflicts`` of payload."""
        return {
            "events": self.events,
            "unique": self.events if self.fast else len(self.fingerprints),
            "duplicates": self.repeated.total(),
            "conflicts": len(self.conflicting),
            "rejected": self.rejected,
            "bytes": self.bytes,
            "requests": dict(self.requests),
            "token_requests": dict(self.token_requests),
            "fast": self.fast,
        }

    def page(self, offset: int, limit: int) -> dict[str, Any]:
        """``ids``: ``[id, times, fingerprint]`` in order of arrival, and ``next_offset`` while there are more."""
        rows = [
            [identifier, 1 + self.repeated[identifier], digest.hex()]
            for identifier, digest in islice(self.fingerprints.items(), offset, offset + limit)
        ]
        end = offset + len(rows)
        return {"ids": rows, "next_offset": end if end < len(self.fingerprints) else None}
