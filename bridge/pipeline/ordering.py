"""Requests by lane for events that must keep the order of their keys. Pure; the caller brings the time.

The answer to a request may postpone any one of its events and accept the others, so two events of one key never share a
request: each goes into the first request with room *behind* the one that holds its predecessor. A lane sends one request
at a time (:class:`bridge.pipeline.waiting.ByLane`), hence an event leaves only when all earlier ones of its key are settled.
A key that comes often costs a request each time; the events of other keys fill those up.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from bridge.pipeline.batching import Batch, append_run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bridge.pipeline.batching import Limits

Owner = TypeVar("Owner")


@dataclass(slots=True, eq=False)
class _Request(Generic[Owner]):
    """One request that is being filled, and the tags of its events."""

    batch: Batch[Owner]
    tags: list[int] = field(default_factory=list)
    full: bool = False


class _Lane(Generic[Owner]):
    """Requests of one lane in the order they will leave; ``first`` is the number of the front one."""

    def __init__(self) -> None:
        self.requests: deque[_Request[Owner]] = deque()
        self.first = 0
        self.newest: dict[int, int] = {}
        self._open = 0

    def after(self, tag: int) -> int:
        """Number of the first request that may hold an event of the tag and has room, as far as is known."""
        newest = self.newest.get(tag)
        while self._open - self.first < len(self.requests) and self.requests[self._open - self.first].full:
            self._open += 1
        if newest is None:
            return self._open
        return max(self._open, newest if tag < 0 else newest + 1)

    def pop(self) -> Batch[Owner]:
        """The front request leaves."""
        request = self.requests.popleft()
        for tag in request.tags:
            if self.newest.get(tag) == self.first:
                del self.newest[tag]
        self.first += 1
        self._open = max(self._open, self.first)
        return request.batch


class KeyedBatcher(Generic[Owner]):
    """Collects encoded events into requests by lane; ``events`` counts those inside.

    A tag of 0 or more stands for a key (two keys with one tag are only kept in order more than need be); a tag below 0
    for events without a key: they keep their order of arrival but may share a request.
    """

    def __init__(self, limits: Limits, lanes: int) -> None:
        self._limits = limits
        self._lanes: list[_Lane[Owner]] = [_Lane() for _ in range(lanes)]
        self.lanes = lanes
        self.events = 0

    def add(self, owner: Owner, items: Sequence[bytes], tags: Sequence[int], now: float) -> None:
        """Take the encoded events of one owner, each with its tag."""
        for place, (item, tag) in enumerate(zip(items, tags, strict=True)):
            number = tag % self.lanes
            lane = self._lanes[number]
            at = lane.after(tag)
            while not self._fits(lane, at, len(item)):
                at += 1
            if at - lane.first == len(lane.requests):
                lane.requests.append(_Request(Batch(number, self._limits.frame, now)))
            request = lane.requests[at - lane.first]
            batch = request.batch
            batch.size += len(item) + (self._limits.separator if batch.items else 0)
            batch.items.append(item)
            append_run(batch.runs, owner, place)
            request.tags.append(tag)
            request.full = len(batch.items) >= self._limits.max_events
            lane.newest[tag] = at
        self.events += len(items)

    def take(self, now: float, lane: int, *, force: bool = False) -> Batch[Owner] | None:
        """The lane's front request when it is full, has lingered long enough, or ``force``."""
        line = self._lanes[lane]
        if not line.requests or not (force or self._wait(line.requests[0], now) <= 0):
            return None
        batch = line.pop()
        self.events -= len(batch.items)
        return batch

    def batches(self) -> Iterator[Batch[Owner]]:
        """Every request inside."""
        return (request.batch for lane in self._lanes for request in lane.requests)

    def due(self, now: float, lane: int) -> float | None:
        """Seconds until :meth:`take` gives something; None when the lane is empty."""
        requests = self._lanes[lane].requests
        return max(0.0, self._wait(requests[0], now)) if requests else None

    def _wait(self, request: _Request[Owner], now: float) -> float:
        return 0.0 if request.full else request.batch.opened + self._limits.linger - now

    def _fits(self, lane: _Lane[Owner], at: int, size: int) -> bool:
        """Whether request ``at`` takes an item of so many bytes; one that does not is full from then on."""
        if at - lane.first == len(lane.requests):
            return True
        request = lane.requests[at - lane.first]
        if not request.full and request.batch.size + self._limits.separator + size > self._limits.max_bytes:
            request.full = True
        return not request.full
