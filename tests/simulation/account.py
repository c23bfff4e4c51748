"""The truth about every record: what it holds, what must become of it, and what has; whoever breaks the promise is told at once."""

from bisect import bisect_left
from dataclasses import dataclass, field
from enum import Enum

_AFTER_SUSPICION = ("refused_repeatedly", "answer_mismatched")


class BrokenPromiseError(AssertionError):
    """The worker did what it must never do."""


class Fate(Enum):
    """What must become of an event."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    NOTHING = "nothing"


@dataclass(slots=True, eq=False)
class Event:
    """One event. ``suspicions`` counts answers that put a request's failure down to its data; ``expired``: retention took it; ``put_off``:
    its own verdict was to send it again, while others of its request were taken; ``aside``: of a place that was set aside.
    """

    name: str
    fate: Fate
    partition: tuple
    offset: int
    accepted: int = 0
    refused: int = 0
    letters: int = 0
    suspicions: int = 0
    expired: bool = False
    put_off: bool = False
    aside: bool = False
    written: float = 0.0
    sent_at: float = 0.0
    key: bytes | None = None

    @property
    def finished(self):
        """Whether an offset may pass it."""
        return bool(self.accepted or self.letters or self.expired or self.fate is Fate.NOTHING)


@dataclass(slots=True)
class _Ledger:
    offsets: list = field(default_factory=list)
    events: list = field(default_factory=list)
    finished: int = 0
    """How many entries of the beginning are finished."""


class Account:
    """``lost`` counts by partition what retention took unread."""

    def __init__(self, partitions):
        self.events = {}
        self.keep_order = False
        self.damaged = lambda _partition, _offset: False
        self._by_key = {}
        self._told = {partition: [] for partition in partitions}
        self._of = {partition: _Ledger() for partition in partitions}
        self._by_place = {}
        self.expired = dict.fromkeys(partitions, 0)
        self._start = dict.fromkeys(partitions, 0)
        self.repeats = self.delivered = self.stored = 0
        self._open = 0

    def written(self, partition, offset, events):
        """A record lies at an offset; ``events`` are what it holds, none for one that asks for nothing."""
        page = self._of[partition]
        page.offsets.append(offset)
        page.events.append(events)
        for event in events:
            if event.name in self.events:
                raise ValueError(f"two events named {event.name}")
            self.events[event.name] = event
            self._open += not event.finished
            if event.key is not None:
                self._by_key.setdefault(event.key, []).append(event)
        if events:
            self._by_place[partition, offset] = events

    def accepted(self, name, now):
        """The destination has taken an event."""
        event = self.events.get(name)
        if event is None:
            raise BrokenPromiseError(f"the destination was sent {name}, which nobody wrote")
        if event.fate is Fate.NOTHING:
            raise BrokenPromiseError(f"{name} was delivered, and its transaction was never committed")
        if event.fate is Fate.REFUSED:
            raise BrokenPromiseError(f"{name} was delivered, and ought to have been refused")
        if self.keep_order and not event.finished and event.key is not None:
            self._in_order(event)
        self._open -= not event.finished
        self.repeats += event.accepted > 0
        self.delivered += event.accepted == 0
        event.accepted += 1
        event.sent_at = now

    def _in_order(self, event):
        line = self._by_key[event.key]
        while line and (line[0].finished or line[0].fate is not Fate.DELIVERED):
            line.pop(0)
        for before in line:
            if before is event:
                return
            excused = before.finished or before.put_off or before.fate is not Fate.DELIVERED
            if not excused and not self.damaged(before.partition, before.offset):
                raise BrokenPromiseError(f"{event.name} is delivered before {before.name} of the same key")

    def letter(self, partition, offset, name, code):
        """A dead letter is stored; ``name`` is the event's, None when its record is no event."""
        events = self._by_place.get((partition, offset))
        if events is None:
            raise BrokenPromiseError(f"a dead letter tells of {partition} {offset}, where nothing lies")
        meant = [event for event in events if name is None or event.name == name]
        if len(meant) != 1:
            raise BrokenPromiseError(
                f"a dead letter of {partition} {offset} names {name}, and there are {len(meant)} such"
            )
        event = meant[0]
        if event.fate is not Fate.REFUSED and not (code in _AFTER_SUSPICION and event.suspicions >= 8):
            raise BrokenPromiseError(
                f"{event.name} became a dead letter ({code}) and ought to have been {event.fate.value}"
            )
        self._open -= not event.finished
        self.stored += event.letters == 0
        event.letters += 1

    def set_aside(self, partition, first, last):
        """Stored bytes that nobody can read lie in the dead-letter topic, for all offsets that they stand for."""
        for offset in range(first, last + 1):
            if not self.damaged(partition, offset):
                raise BrokenPromiseError(f"{partition} {offset} is set aside as unreadable, and it can be read")
            for event in self._by_place.get((partition, offset), ()):
                self._open -= not event.finished
                event.letters += 1
                event.aside = True

    def retained(self, partition, start):
        """Retention has deleted what lies before ``start``; how many records of it were not finished."""
        page = self._of[partition]
        until = bisect_left(page.offsets, start)
        self._advance(page)
        lost = 0
        for at in range(page.finished, until):
            events = page.events[at]
            lost += any(not event.finished for event in events)
            for event in events:
                self._open -= not event.finished
                event.expired = True
        self.expired[partition] += lost
        self._start[partition] = max(self._start[partition], start)
        return lost

    def between(self, partition, since, until):
        """The events of the records from offset ``since`` to before ``until``."""
        page = self._of[partition]
        places = slice(bisect_left(page.offsets, since), bisect_left(page.offsets, until))
        return [event for events in page.events[places] for event in events]

    def at(self, partition, offset):
        """The events of a record."""
        return self._by_place.get((partition, offset), ())

    def told_expired(self, partition, first, last):
        """A worker has told that these offsets were deleted unread."""
        self._told[partition].append((first, last))

    def was_told(self, event):
        """Whether a worker has told that the event's record was deleted unread."""
        return any(first <= event.offset <= last for first, last in self._told[event.partition])

    def untold(self):
        """Events that retention took, that nobody delivered, and that nobody told of."""
        return [
            event
            for event in self.events.values()
            if event.expired
            and not (event.accepted or event.letters or event.fate is Fate.NOTHING)
            and not self.was_told(event)
        ]

    def aborted(self, entry_events):
        """A transaction is aborted: its events must not arrive, and need not."""
        for event in entry_events:
            self._open -= not event.finished
            event.fate = Fate.NOTHING

    def prefix(self, partition):
        """The first offset that is not finished, or where the next record will lie."""
        page = self._of[partition]
        self._advance(page)
        return page.offsets[page.finished] if page.finished < len(page.offsets) else None

    @staticmethod
    def _advance(page):
        events, at = page.events, page.finished
        while at < len(events) and all(event.finished for event in events[at]):
            at += 1
        page.finished = at

    def may_pass(self, partition, offset, who):
        """An offset is to be committed, or is offered for it: everything before it must be finished."""
        first = self.prefix(partition)
        if first is not None and offset > first:
            events = ", ".join(f"{e.name} ({e.fate.value})" for e in self._by_place.get((partition, first), ()))
            raise BrokenPromiseError(
                f"{who} passes {partition} {first} with offset {offset}, and it is not finished: {events}"
            )

    @property
    def open(self):
        """Events that are not finished."""
        return self._open

    def older_open(self, moment):
        """Events that are not finished and were written before ``moment``."""
        return sum(not e.finished and e.written < moment for e in self.events.values()) if self._open else 0

    def unfinished(self, most=5):
        """Some of them, in words."""
        left = [e for e in self.events.values() if not e.finished]
        return [f"{e.name} at {e.partition} {e.offset} (to be {e.fate.value})" for e in left[:most]]
