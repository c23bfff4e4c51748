"""Requests by lane for events that must keep the order of their keys. Pure; the caller brings the time.

The answer to a request may postpone any one of its events and accept the others, so two events of one key never share a
request: each goes into the first request with room *behind* the one that holds its predecessor. A lane sends one request
at a time (:class:`bridge.delivery.waiting.ByLane`), hence an event leaves only when all earlier ones of its key are settled.
Where the destination says how, an event is folded into one of its key that still waits: both have their verdict together.
A key that comes often costs a request each time; the events of other keys fill those up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Generic, TypeVar

from bridge.delivery.batching import Batch, append_run, choose, without

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence

    from bridge.delivery.batching import RequestLimits

Owner = TypeVar("Owner")
Fold = Callable[[bytes, bytes], bytes | None]
"""One encoded event that does what two of a key do, one after the other; None where there is none."""
_LOOKED_THROUGH = 64
"""Most requests that are looked through for events that may pass: those of other keys fill up the first."""


@dataclass(slots=True, eq=False)
class _Request(Generic[Owner]):
    """One request that is being filled."""

    batch: Batch[Owner]
    full: bool = False


class _Lane(Generic[Owner]):
    """Requests of the lane of this ``number`` in the order they will leave; ``first`` is the number of the front one."""

    def __init__(self, number: int) -> None:
        self.number = number
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
        self.forget(request.batch.tags, self.first)
        self.first += 1
        self._open = max(self._open, self.first)
        return request.batch

    def forget(self, tags: Sequence[int], number: int) -> None:
        """Events with these tags have left request ``number``."""
        for tag in tags:
            if self.newest.get(tag) == number:
                del self.newest[tag]

    def drop_empty(self) -> None:
        """Have a request in front that holds something."""
        while self.requests and not self.requests[0].batch.items:
            self.pop()


class KeyedBatcher(Generic[Owner]):
    """Collects encoded events into requests by lane, within ``limits``; ``events`` counts those inside, folded ones too.

    A tag of 0 or more stands for a key (two keys with one tag are only kept in order more than need be); a tag below 0
    for events without a key: they keep their order of arrival but may share a request.
    """

    def __init__(self, limits: RequestLimits, lanes: int, *, fold: Fold | None = None) -> None:
        self.limits = limits
        self._fold = fold
        self._lanes: list[_Lane[Owner]] = [_Lane(number) for number in range(lanes)]
        self.lanes = lanes
        self.events = 0

    def add(self, owner: Owner, items: Sequence[bytes], tags: Sequence[int], now: float) -> None:
        """Take the encoded events of one owner, each with its tag."""
        for place, (item, tag) in enumerate(zip(items, tags, strict=True)):
            lane = self._lanes[tag % self.lanes]
            if self._fold is not None and self._folds(lane, (owner, place), item, tag):
                continue
            self._put(lane, now, (owner, place), item, tag)
            self.events += 1

    def _put(self, lane: _Lane[Owner], opened: float, whose: tuple[Owner, int], item: bytes, tag: int) -> Batch[Owner]:
        """Put the item into the lane's first request that may have it, or into a new one; gives the batch that it is the last of."""
        at = lane.after(tag)
        while not self._fits(lane, at, len(item)):
            at += 1
        if at - lane.first == len(lane.requests):
            lane.requests.append(_Request(Batch(lane.number, self.limits.frame, opened)))
        request = lane.requests[at - lane.first]
        batch = request.batch
        batch.size += len(item) + (self.limits.separator if batch.items else 0)
        batch.items.append(item)
        append_run(batch.runs, *whose)
        batch.tags.append(tag)
        request.full = len(batch.items) >= self.limits.max_events
        lane.newest[tag] = at
        return batch

    def forget(self, gone: Callable[[Owner], bool]) -> None:
        """Drop the events of owners that are gone and fill requests anew: what is left of a key need not wait for a request of theirs."""
        for number, lane in enumerate(self._lanes):
            anew = self._lanes[number] = _Lane[Owner](number)
            for request in lane.requests:
                alive = without(request.batch, gone, self.limits)
                if alive is not None:
                    self._put_all(anew, alive)
        self.events = sum(batch.events for batch in self.batches())

    def _put_all(self, lane: _Lane[Owner], batch: Batch[Owner]) -> None:
        for position, whose in enumerate(batch.owners()):
            into = self._put(lane, batch.opened, whose, batch.items[position], batch.tags[position])
            if position in batch.folded:
                into.folded[len(into.items) - 1] = batch.folded[position]

    def _folds(self, lane: _Lane[Owner], whose: tuple[Owner, int], item: bytes, tag: int) -> bool:
        """Whether the item could be folded into the newest one of its tag that waits, in the room that its request has."""
        newest = lane.newest.get(tag)
        if newest is None or tag < 0 or self._fold is None:
            return False
        batch = lane.requests[newest - lane.first].batch
        position = batch.tags.index(tag)
        before = batch.items[position]
        folded = self._fold(before, item)
        if folded is None or batch.size + len(folded) - len(before) > self.limits.max_bytes:
            return False
        batch.items[position] = folded
        batch.size += len(folded) - len(before)
        batch.folded.setdefault(position, []).append(whose)
        self.events += 1
        return True

    def next_batch(self, now: float, lane: int, *, force: bool = False) -> Batch[Owner] | None:
        """The lane's front request when it is full, has lingered long enough, or ``force``."""
        line = self._lanes[lane]
        line.drop_empty()
        if not line.requests or not (force or self._wait(line.requests[0], now) <= 0):
            return None
        batch = line.pop()
        self.events -= batch.events
        return batch

    def next_batch_past(
        self, now: float, lane: int, waiting: Container[int], *, force: bool = False
    ) -> Batch[Owner] | None:
        """As :meth:`next_batch`, of the first request that has events whose tags are not ``waiting``: those alone."""
        line, found = self._lanes[lane], self._first_free(lane, waiting)
        if found is None or not (force or self._wait(found[1], now) <= 0):
            return None
        number, request, free = found
        chosen, batch = set(free), request.batch
        request.batch = choose(batch, [at for at in range(len(batch.tags)) if at not in chosen], self.limits)
        taken = choose(batch, free, self.limits)
        line.forget(taken.tags, number)
        self.events -= taken.events
        return taken

    def due_past(self, now: float, lane: int, waiting: Container[int]) -> float | None:
        """Seconds until :meth:`next_batch_past` gives something; None when there is nothing for it."""
        found = self._first_free(lane, waiting)
        return None if found is None else max(0.0, self._wait(found[1], now))

    def _first_free(self, lane: int, waiting: Container[int]) -> tuple[int, _Request[Owner], list[int]] | None:
        """Number, request and positions of the first events that nothing of their tag is before.

        Requests before it have nothing but what waits, so that whatever they hold of a tag keeps it from being free here too.
        """
        line = self._lanes[lane]
        for number, request in enumerate(islice(line.requests, _LOOKED_THROUGH), line.first):
            tags = request.batch.tags
            free = [at for at, tag in enumerate(tags) if tag not in waiting]
            if free:
                return number, request, free
        return None

    def batches(self) -> Iterator[Batch[Owner]]:
        """Every request inside."""
        return (request.batch for lane in self._lanes for request in lane.requests)

    def due(self, now: float, lane: int) -> float | None:
        """Seconds until :meth:`next_batch` gives something; None when the lane is empty."""
        self._lanes[lane].drop_empty()
        requests = self._lanes[lane].requests
        return max(0.0, self._wait(requests[0], now)) if requests else None

    def _wait(self, request: _Request[Owner], now: float) -> float:
        return 0.0 if request.full else request.batch.opened + self.limits.linger - now

    def _fits(self, lane: _Lane[Owner], at: int, size: int) -> bool:
        """Whether request ``at`` has room for ``size`` bytes; one that has not is full from then on."""
        if at - lane.first == len(lane.requests):
            return True
        request = lane.requests[at - lane.first]
        if not request.full and request.batch.size + self.limits.separator + size > self.limits.max_bytes:
            request.full = True
        return not request.full
