"""The state of one assigned partition while events are under way: what they build on, and what waits to be stored. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bridge.kafka.consumer.chunk import Chunk, Partition
    from bridge.model.accepted_state import Change
    from bridge.model.verdicts import Rejected
    from bridge.worker.accepted_state.fenced_state import FencedState


@dataclass(slots=True, eq=False)
class Unfinished:
    """An event that changes the state, until all its elements have a verdict.

    ``left`` elements have none yet. ``held`` are accepted; they count as finished once the change is stored, or will never be.
    ``final``: the change already tells of its refusal. ``builds``: the working state holds its change.
    """

    shelf: Shelf
    change: Change
    left: int = 0
    held: int = 0
    refused: bool = False
    final: bool = False
    builds: bool = False


@dataclass(frozen=True, slots=True)
class Ending:
    """What is to happen once a change is stored: some events of the chunk are finished, or a dead letter is written."""

    chunk: Chunk
    events: int = 0
    letter: tuple[int, Rejected, int] | None = None
    event: Unfinished | None = None


@dataclass(slots=True)
class Due:
    """A value that is to be stored, and what happens then."""

    value: bytes | None
    endings: list[Ending] = field(default_factory=list)


@dataclass(slots=True)
class _Working:
    value: bytes
    events: int


@dataclass(slots=True, eq=False)
class Shelf:
    """``place`` is its partition and ``generation`` that of an assignment; both say nothing where state is only written, ``state`` is None.

    ``ready``: restored, and ours. ``due``: what is to be stored, by key; ``storing``: what is being stored currently.
    ``outdated``: records of owners before that are to be deleted, as something newer is stored.
    """

    place: Partition | None
    generation: int
    state: FencedState | None
    ready: bool = False
    due: dict[bytes, Due] = field(default_factory=dict)
    storing: dict[bytes, Due] = field(default_factory=dict)
    outdated: list[tuple[bytes, bytes | None]] = field(default_factory=list)
    working: dict[bytes, _Working] = field(default_factory=dict)

    @property
    def partition(self) -> int | None:
        """Number of its partition."""
        return None if self.place is None else self.place[1]

    def recall(self, key: bytes) -> bytes | None:
        """The state of a key with what is under way."""
        working = self.working.get(key)
        if working is not None:
            return working.value
        return None if self.state is None else self.state.value(key)

    def advance(self, event: Unfinished) -> None:
        """Later events of the key build on this one, as long as any of them is under way."""
        value = event.change.value
        if self.state is None or value is None:
            return
        event.builds = True
        working = self.working.get(event.change.key)
        if working is None:
            self.working[event.change.key] = _Working(value, 1)
        else:
            working.value, working.events = value, working.events + 1

    def settle(self, event: Unfinished) -> None:
        """The event has come to its end: with the last one under way what is stored is all that counts."""
        if not event.builds:
            return
        event.builds = False
        working = self.working[event.change.key]
        working.events -= 1
        if not working.events:
            del self.working[event.change.key]

    def put(self, key: bytes, value: bytes | None, ending: Ending) -> None:
        """Have a value stored; a later one of the same key takes its place, and both endings come with that."""
        due = self.due.get(key)
        if due is None:
            due = self.due[key] = Due(value)
        due.value = value
        due.endings.append(ending)

    def is_stored(self, key: bytes, value: bytes | None) -> bool:
        """Whether this very value lies in the log, and nothing else of the key is on its way there."""
        if self.state is None or key in self.due or key in self.storing:
            return False
        return value is not None and self.state.is_stored(key, value)

    def keeps(self, chunk: Chunk) -> bool:
        """Whether something of the chunk waits to be stored."""
        dues = (due for some in (self.due, self.storing) for due in some.values())
        return any(ending.chunk is chunk for due in dues for ending in due.endings)

    def begin_storing(self) -> dict[bytes, Due]:
        """All that is due."""
        self.storing, self.due = self.due, {}
        return self.storing

    def put_back(self) -> None:
        """What was being stored is due again, but for closed chunks; what has become due since is newer."""
        for key, due in self.storing.items():
            newer = self.due.get(key)
            if newer is None:
                self.due[key] = due
            else:
                newer.endings[:0] = due.endings
        self.storing = {}
        self.forget_closed()

    def forget_closed(self) -> None:
        """Drop what is due for chunks of an assignment that is over alone: their next owner finds it out, and may have stored newer."""
        for due in self.due.values():
            due.endings = [ending for ending in due.endings if not ending.chunk.closed]
        self.due = {key: due for key, due in self.due.items() if due.endings}
