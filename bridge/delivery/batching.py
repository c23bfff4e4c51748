"""Requests as full as they may be: filled by encoded bytes, by count and by age. Pure; the caller brings the time.

``frame + sum(len(item)) + separator * (n - 1)`` is a request's size (:class:`bridge.model.ports.Destination`), so a request
is filled by arithmetic and an event is encoded once. Where events keep the order of their keys :mod:`bridge.delivery.ordering` fills.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, Generic, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bridge.model.delivery_policy import DeliveryPolicy
    from bridge.model.ports import Destination

Owner = TypeVar("Owner")


@dataclass(frozen=True, slots=True)
class Run(Generic[Owner]):
    """``count`` events of one owner, from its event ``start`` on."""

    owner: Owner
    start: int
    count: int


@dataclass(slots=True, eq=False)
class Batch(Generic[Owner]):
    """Encoded events of one request and whose they are; ``size`` is the request body's in bytes.

    ``tags`` stand for the events' keys, one each, where order by key is kept; else there are none. ``folded``: by position of an
    item, the other events that it stands for, as owners and places; they share its verdict.
    """

    lane: int
    size: int
    opened: float
    items: list[bytes] = field(default_factory=list)
    runs: list[Run[Owner]] = field(default_factory=list)
    tags: list[int] = field(default_factory=list)
    folded: dict[int, list[tuple[Owner, int]]] = field(default_factory=dict)

    def owners(self) -> list[tuple[Owner, int]]:
        """For each item, its owner and its place there; only for answers that tell events apart."""
        return [(run.owner, run.start + i) for run in self.runs for i in range(run.count)]

    def every_owner(self) -> Iterator[Owner]:
        """Whose events they are, those of folded ones too; an owner may come several times."""
        yield from (run.owner for run in self.runs)
        yield from (owner for others in self.folded.values() for owner, _ in others)

    @property
    def events(self) -> int:
        """How many events the items stand for."""
        return len(self.items) + sum(map(len, self.folded.values()))


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """What a request may hold; ``linger`` in seconds."""

    max_bytes: int
    max_events: int
    frame: int
    separator: int
    linger: float

    @classmethod
    def of(cls, policy: DeliveryPolicy, destination: Destination) -> Self:
        """What the policy asks for, within what the destination takes."""
        return cls(
            max_bytes=min(policy.batch_bytes, destination.max_request_bytes),
            max_events=min(policy.batch_events, destination.max_request_events),
            frame=destination.frame_bytes,
            separator=destination.separator_bytes,
            linger=policy.linger,
        )


def choose(batch: Batch[Owner], chosen: Sequence[int], limits: RequestLimits) -> Batch[Owner]:
    """A batch of only these items (ascending positions), for a retry of some or for a half."""
    owners = batch.owners()
    made: Batch[Owner] = Batch(batch.lane, 0, batch.opened)
    for position in chosen:
        owner, place = owners[position]
        append_run(made.runs, owner, place)
        if position in batch.folded:
            made.folded[len(made.items)] = batch.folded[position]
        made.items.append(batch.items[position])
        if batch.tags:
            made.tags.append(batch.tags[position])
    made.size = limits.frame + sum(map(len, made.items)) + limits.separator * max(0, len(made.items) - 1)
    return made


def halves(batch: Batch[Owner], limits: RequestLimits) -> tuple[Batch[Owner], Batch[Owner]]:
    """The batch cut in two, in order; for two items or more."""
    return cut(batch, len(batch.items) // 2, limits)


def cut(batch: Batch[Owner], at: int, limits: RequestLimits) -> tuple[Batch[Owner], Batch[Owner]]:
    """Its first ``at`` items, and the others."""
    return choose(batch, range(at), limits), choose(batch, range(at, len(batch.items)), limits)


def without(batch: Batch[Owner], gone: Callable[[Owner], bool], limits: RequestLimits) -> Batch[Owner] | None:
    """The batch less the events of owners that are gone; None when nothing is left."""
    if not any(map(gone, batch.every_owner())):
        return batch
    # An item that stands for several events leaves for those whose owners are still there.
    kept = [
        position
        for position, (owner, _) in enumerate(batch.owners())
        if not (gone(owner) and all(gone(other) for other, _ in batch.folded.get(position, ())))
    ]
    return choose(batch, kept, limits) if kept else None


def append_run(runs: list[Run[Owner]], owner: Owner, place: int) -> None:
    """Add one event of an owner to the runs of a batch."""
    if runs and runs[-1].owner is owner and runs[-1].start + runs[-1].count == place:
        runs[-1] = Run(owner, runs[-1].start, runs[-1].count + 1)
    else:
        runs.append(Run(owner, place, 1))


class Batcher(Generic[Owner]):
    """Collects encoded events into batches within ``limits``. ``events`` counts those inside."""

    def __init__(self, limits: RequestLimits) -> None:
        self.limits = limits
        self._full: deque[Batch[Owner]] = deque()
        self._filling: Batch[Owner] | None = None
        self.events = 0

    def add(self, owner: Owner, items: Sequence[bytes], now: float) -> None:
        """Take all encoded events of one owner."""
        limits = self.limits
        ends = list(accumulate(map(len, items), initial=0))
        count, start = len(items), 0
        while start < count:
            batch = self._open(now)
            held = len(batch.items)
            # Size after k more items: size + (ends[start+k] - ends[start]) + separator * (k, less one when it was empty).
            room = limits.max_bytes - batch.size + ends[start] + (0 if held else limits.separator)
            most = min(count, start + limits.max_events - held)
            stop = start + _fitting(ends, start, most, room, limits.separator)
            if stop == start and held:
                self._close()
                continue
            stop = max(stop, start + 1)  # alone over the limit: the destination's own answer decides
            batch.items.extend(items[start:stop])
            batch.runs.append(Run(owner, start, stop - start))
            joints = stop - start if held else stop - start - 1
            batch.size += ends[stop] - ends[start] + limits.separator * joints
            start = stop
            if start < count or len(batch.items) >= limits.max_events:
                self._close()
        self.events += count

    def next_batch(self, now: float, *, force: bool = False) -> Batch[Owner] | None:
        """The next full batch, or the one being filled when it has lingered long enough (or ``force``)."""
        if not self._full:
            filling = self._filling
            if filling is None or not (force or now - filling.opened >= self.limits.linger):
                return None
            self._close()
        batch = self._full.popleft()
        self.events -= len(batch.items)
        return batch

    def due(self, now: float) -> float | None:
        """Seconds until :meth:`next_batch` gives something; None when there is nothing."""
        if self._full:
            return 0.0
        filling = self._filling
        return None if filling is None else max(0.0, filling.opened + self.limits.linger - now)

    def forget(self, gone: Callable[[Owner], bool]) -> None:
        """Drop the events of owners that are gone."""
        self._full = deque(alive for batch in self._full if (alive := without(batch, gone, self.limits)) is not None)
        if self._filling is not None:
            self._filling = without(self._filling, gone, self.limits)
        self.events = sum(batch.events for batch in self.batches())

    def batches(self) -> Iterator[Batch[Owner]]:
        """Every batch inside."""
        yield from self._full
        if self._filling is not None:
            yield self._filling

    def _open(self, now: float) -> Batch[Owner]:
        batch = self._filling
        if batch is None:
            batch = self._filling = Batch(0, self.limits.frame, now)
        return batch

    def _close(self) -> None:
        batch = self._filling
        if batch is not None:
            self._full.append(batch)
            self._filling = None


def _fitting(ends: Sequence[int], start: int, most: int, room: int, separator: int) -> int:
    """How many items from ``start`` fit: the largest k with ends[start + k] + separator * k <= room."""
    return bisect_right(range(1, most - start + 1), room, key=lambda k: ends[start + k] + separator * k)
