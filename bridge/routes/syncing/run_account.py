"""What one run has done: counted as it goes, kept in the state topic as the route's history, and as the claim that one run is under way."""

from __future__ import annotations

import os
import platform
import secrets
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable

RUNNING: Final = "running"
ALIVE_SECONDS: Final = 30.0
"""A run that has not told for this many seconds that it lives has died."""
_COUNTERS: Final = ("findings", "refused", "left_out", "invalid")


@dataclass(slots=True)
class RunAccount:
    """One run of ``route``; times in UTC. ``end`` is ``running``, ``done``, ``stopped`` or ``failed`` (``error`` says why).

    ``findings``: rows by what they were to the run; ``invalid``: rows that cannot be sent, by rule; ``refused`` and ``left_out``:
    rows that were sent, by code and rule. ``unaccounted``: rows of which Kafka has deleted the record before it was delivered.
    """

    run: str
    route: str
    mode: str
    started: datetime
    host: str = ""
    pid: int = 0
    beat: datetime | None = None
    ended: datetime | None = None
    end: str = RUNNING
    error: str = ""
    full: bool = False
    limit: int | None = None
    read: int = 0
    without_cursor: int = 0
    findings: Counter[str] = field(default_factory=Counter)
    invalid: Counter[str] = field(default_factory=Counter)
    vanished: int = 0
    held_back: int = 0
    sent: int = 0
    under_way_before: int = 0
    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    unaccounted: int = 0

    @property
    def is_clean(self) -> bool:
        """Whether every row that was met is where it belongs."""
        return (
            self.end == "done"
            and not self.refused.total()
            and not self.invalid.total()
            and not self.held_back
            and not self.unaccounted
        )

    @property
    def seconds(self) -> float:
        """How long it took, or has taken until it was heard of last."""
        return ((self.ended or self.beat or self.started) - self.started).total_seconds()

    def is_alive(self, now: datetime, *, is_process: Callable[[int], bool]) -> bool:
        """Whether it may still be running."""
        if self.end != RUNNING:
            return False
        if self.host == platform.node() and not is_process(self.pid):
            return False
        return now - (self.beat or self.started) < timedelta(seconds=ALIVE_SECONDS)

    def as_json(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            name: {str(key): count for key, count in value.items()} if isinstance(value, Counter) else value
            for name in self.__slots__
            if (value := getattr(self, name)) is not None
        } | {"seconds": round(self.seconds, 3)}

    def to_bytes(self) -> bytes:
        """As it is stored."""
        return orjson.dumps(self.as_json())

    @classmethod
    def from_bytes(cls, stored: bytes) -> RunAccount:
        """Of what was stored; ``ValueError`` for anything else."""
        document = orjson.loads(stored)
        if not isinstance(document, dict):
            raise ValueError("an account is an object")  # noqa: TRY004 - one error for whatever is none
        known: dict[str, Any] = {name: document[name] for name in cls.__slots__ if name in document}
        try:
            for name in ("started", "beat", "ended"):
                if name in known:
                    known[name] = datetime.fromisoformat(known[name])
            for name in _COUNTERS:
                known[name] = Counter(known.get(name, {}))
            return cls(**known)
        except TypeError as error:
            raise ValueError(str(error)) from None


def begin_account(route: str, mode: str, *, full: bool, limit: int | None) -> RunAccount:
    """The account of a run that begins now, in this process."""
    now = datetime.now(UTC)
    run = f"{now:%Y%m%dT%H%M%S.%f}-{secrets.token_hex(2)}"
    return RunAccount(run, route, mode, now, host=platform.node(), pid=os.getpid(), beat=now, full=full, limit=limit)


def is_process(pid: int) -> bool:
    """Whether there is a process of this number here."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
