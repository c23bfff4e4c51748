"""When a route's tasks have succeeded last, or since when they wait for it, as the state topic keeps it for the next leader.

A lead may be short, shorter than a task's first pause: so what is waited for is kept as a moment, and not begun anew with each lead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
import structlog

from bridge.model.errors import KafkaError, LeadLost

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.model.ports import StateStore
    from bridge.telemetry.metrics import Metrics

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RunNote:
    """Seconds since 1970. ``succeeded``: when the last successful run ended, None where none is known. ``since``: from when on the first one is waited for."""

    succeeded: float | None
    since: float

    def to_bytes(self) -> bytes:
        """As it is stored."""
        if self.succeeded is None:
            return orjson.dumps({"waiting_since": round(self.since, 3)})
        return orjson.dumps({"succeeded": round(self.succeeded, 3)})

    @classmethod
    def from_bytes(cls, stored: bytes, now: float) -> RunNote:
        """What was stored; ``ValueError`` for what is none. A clock that was ahead must not put a run off for long."""
        held: Any = orjson.loads(stored)
        if not isinstance(held, dict) or not held.keys() & {"succeeded", "waiting_since"}:
            raise ValueError("neither a success nor a wait")
        times = {name: held[name] for name in ("succeeded", "waiting_since") if name in held}
        if not all(type(time) in (int, float) for time in times.values()):
            raise ValueError("not a time")
        succeeded = times.get("succeeded")
        since = min(float(times.get("waiting_since", now)), now)
        return cls(None if succeeded is None else min(float(succeeded), now), since)


class RunNotes:
    """Of the tasks of one group, over all leads of this process. ``wall``: seconds since 1970."""

    def __init__(self, group: str, metrics: Metrics, wall: Callable[[], float]) -> None:
        self._group = group
        self._metrics = metrics
        self._wall = wall
        self._waiting: dict[str, float] = {}
        self._unstored: set[str] = set()

    async def recall(self, task: str, state: StateStore) -> RunNote:
        """What is known of a task; what is stored and cannot be used is told, and counts as nothing."""
        now = self._wall()
        note = RunNote(None, self._waiting.setdefault(task, now))
        try:
            stored = (await state.read()).get(self._key(task))
            if stored:
                note = RunNote.from_bytes(stored, now)
                self._waiting[task] = note.since
                return note
        except KafkaError as error:
            # It must not be written over: it may say more.
            self._tell(task, str(error), error.hint)
            return note
        except ValueError as error:
            self._tell(task, f"what is stored is not a note of this version ({error})", None)
        await self._store(task, note, state)
        return note

    async def succeeded(self, task: str, state: StateStore, now: float) -> None:
        """A run has succeeded."""
        self._waiting[task] = now
        await self._store(task, RunNote(now, now), state)

    async def _store(self, task: str, note: RunNote, state: StateStore) -> None:
        try:
            await state.write({self._key(task): note.to_bytes()})
        except LeadLost:
            pass  # whoever leads now runs the task early, and knows no worse
        except KafkaError as error:
            if task not in self._unstored:
                self._unstored.add(task)
                _log.warning(
                    "leader_task_not_noted",
                    detail="The state topic cannot be written; a worker that takes the lead runs the task early.",
                    task=task,
                    why=str(error),
                    hint=error.hint,
                )
        else:
            self._unstored.discard(task)

    def _tell(self, task: str, why: str, hint: str | None) -> None:
        self._metrics.leader_notes_lost.labels(task).inc()
        _log.warning(
            "leader_task_note_lost",
            detail="When the task has succeeded last is not known; it counts as one that never has.",
            task=task,
            why=why,
            hint=hint,
        )

    def _key(self, task: str) -> bytes:
        return f"leader/{self._group}/{task}".encode()
