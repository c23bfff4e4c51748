"""Requests that wait to be sent, for the first time or again: which one is next, and when. Pure.

Two disciplines of one form. Unordered: whatever is due. By lane: a lane has one request under way at most, what failed goes
back to its front, no request holds two events of one key, and only other keys pass what waits to be sent again: events of a key
never overtake each other.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from bridge.delivery.batching import without

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from bridge.delivery.batching import Batch, Batcher, RequestLimits
    from bridge.delivery.ordering import KeyedBatcher

Owner = TypeVar("Owner")


@dataclass(slots=True, eq=False)
class Shipment(Generic[Owner]):
    """A batch and what has happened to it so far.

    ``tries`` counts sendings that failed, ``failed`` those of exactly these events, ``passed`` those while others were taken,
    ``strikes`` those that speak against its data (see :mod:`bridge.delivery.blame`), ``successes`` and ``recovered`` how all
    requests had fared when it last failed, for ``reason``. It failed first at ``since``; ``told``: an operator has been told.
    """

    batch: Batch[Owner]
    due: float = 0.0
    tries: int = 0
    failed: int = 0
    mismatches: int = 0
    strikes: int = 0
    passed: int = 0
    successes: int = 0
    recovered: int = 0
    since: float = 0.0
    reason: str = ""
    told: bool = False


class Waiting(Protocol[Owner]):
    """What :class:`~bridge.delivery.delivery.Delivery` asks of either discipline."""

    def add(self, owner: Owner, items: Sequence[bytes], tags: Sequence[int], now: float) -> None:
        """Take an owner's encoded events, with a tag each where order matters."""
        ...

    def next(self, now: float, *, force: bool, fresh: bool | None) -> Shipment[Owner] | None:
        """The next shipment to send now; ``force`` takes batches that still linger.

        ``fresh`` prefers untried ones, lingering or not (True), or failed ones (False); None: by turns, so that neither keeps the other
        waiting.
        """
        ...

    def due(self, now: float) -> float | None:
        """Seconds until :meth:`next` gives something; None when nothing waits for the time."""
        ...

    def put_back(self, shipments: Sequence[Shipment[Owner]]) -> None:
        """Wait again, in this order."""
        ...

    def landed(self, shipment: Shipment[Owner]) -> None:
        """The shipment is no longer under way."""
        ...

    def forget(self, gone: Callable[[Owner], bool]) -> None:
        """Drop the events of owners that are gone."""
        ...

    def again(self) -> Iterable[Shipment[Owner]]:
        """What waits to be sent once more."""
        ...

    def fresh(self) -> Iterable[Batch[Owner]]:
        """What has not been sent yet."""
        ...

    @property
    def has_free(self) -> bool:
        """Whether some of what has not been sent yet need not wait for what failed."""
        ...

    def __len__(self) -> int:
        """Events inside, those too that others stand for."""
        ...


class Unordered(Generic[Owner]):
    """Any shipment that is due, and fresh batches."""

    def __init__(self, batcher: Batcher[Owner]) -> None:
        self._batcher = batcher
        self._heap: list[tuple[float, int, Shipment[Owner]]] = []
        self._number = count()
        self._events = 0
        self._fresh_next = False

    def add(self, owner: Owner, items: Sequence[bytes], _tags: Sequence[int], now: float) -> None:
        """See :class:`Waiting`."""
        self._batcher.add(owner, items, now)

    def next(self, now: float, *, force: bool = False, fresh: bool | None = None) -> Shipment[Owner] | None:
        """See :class:`Waiting`."""
        first = self._fresh_next if fresh is None else fresh
        if first and (batch := self._batcher.next_batch(now, force=force or fresh is True)) is not None:
            self._fresh_next = False
            return Shipment(batch)
        if self._heap and self._heap[0][0] <= now:
            self._fresh_next = True
            shipment = heapq.heappop(self._heap)[2]
            self._events -= shipment.batch.events
            return shipment
        batch = self._batcher.next_batch(now, force=force)
        return None if batch is None else Shipment(batch)

    def due(self, now: float) -> float | None:
        """See :class:`Waiting`."""
        return _least([self._batcher.due(now), self._heap[0][0] - now if self._heap else None])

    def put_back(self, shipments: Sequence[Shipment[Owner]]) -> None:
        """See :class:`Waiting`."""
        for shipment in shipments:
            self._events += shipment.batch.events
            heapq.heappush(self._heap, (shipment.due, next(self._number), shipment))

    def landed(self, shipment: Shipment[Owner]) -> None:
        """See :class:`Waiting`."""

    def forget(self, gone: Callable[[Owner], bool]) -> None:
        """See :class:`Waiting`."""
        self._batcher.forget(gone)
        left = _alive([shipment for _, _, shipment in sorted(self._heap)], gone, self._batcher.limits)
        self._heap.clear()
        self._events = 0
        self.put_back(left)

    def again(self) -> Iterable[Shipment[Owner]]:
        """See :class:`Waiting`."""
        return (shipment for _, _, shipment in self._heap)

    def fresh(self) -> Iterable[Batch[Owner]]:
        """See :class:`Waiting`."""
        return self._batcher.batches()

    def __len__(self) -> int:
        """Events inside."""
        return self._events + self._batcher.events

    @property
    def has_free(self) -> bool:
        """See :class:`Waiting`."""
        return self._batcher.events > 0 or any(not shipment.tries for _, _, shipment in self._heap)


class ByLane(Generic[Owner]):
    """One shipment of a lane under way; the lanes take turns."""

    def __init__(self, batcher: KeyedBatcher[Owner]) -> None:
        self._batcher = batcher
        self._back: list[deque[Shipment[Owner]]] = [deque() for _ in range(batcher.lanes)]
        self._under_way: set[int] = set()
        self._fresh_next: set[int] = set()
        self._turn = 0

    def add(self, owner: Owner, items: Sequence[bytes], tags: Sequence[int], now: float) -> None:
        """See :class:`Waiting`."""
        self._batcher.add(owner, items, tags, now)

    def next(self, now: float, *, force: bool = False, fresh: bool | None = None) -> Shipment[Owner] | None:
        """See :class:`Waiting`."""
        looks = [True, None] if fresh else [fresh]
        for look in looks:
            for lane in self._turns():
                shipment = self._of(lane, now, force=force or fresh is True, fresh=look)
                if shipment is not None:
                    self._under_way.add(lane)
                    self._turn = (lane + 1) % len(self._back)
                    return shipment
        return None

    def _turns(self) -> Iterator[int]:
        lanes = len(self._back)
        return (lane % lanes for lane in range(self._turn, self._turn + lanes) if lane % lanes not in self._under_way)

    def _of(self, lane: int, now: float, *, force: bool, fresh: bool | None) -> Shipment[Owner] | None:
        back = self._back[lane]
        if not back:
            batch = self._batcher.next_batch(now, lane, force=force)
            return None if batch is None else Shipment(batch)
        if fresh is None and lane in self._fresh_next:
            self._fresh_next.discard(lane)
            if (shipment := self._past(lane, now, force=force)) is not None:
                return shipment
        may = [
            shipment
            for shipment in _first_of_their_keys(back)
            if shipment.due <= now and not (fresh and shipment.tries)
        ]
        if may:
            # The one that has waited longest: else what fails anew would keep it from ever being tried again.
            shipment = min(may, key=lambda each: each.due)
            back.remove(shipment)
            self._fresh_next.add(lane)
            return shipment
        return self._past(lane, now, force=force)

    def _past(self, lane: int, now: float, *, force: bool) -> Shipment[Owner] | None:
        """What cannot be delivered holds up its keys, and no other."""
        batch = self._batcher.next_batch_past(now, lane, _tags(self._back[lane]), force=force)
        return None if batch is None else Shipment(batch)

    def due(self, now: float) -> float | None:
        """See :class:`Waiting`."""
        waits: list[float | None] = []
        for lane in self._turns():
            if back := self._back[lane]:
                waits += [shipment.due - now for shipment in _first_of_their_keys(back)]
                waits.append(self._batcher.due_past(now, lane, _tags(back)))
            else:
                waits.append(self._batcher.due(now, lane))
        return _least(waits)

    def put_back(self, shipments: Sequence[Shipment[Owner]]) -> None:
        """See :class:`Waiting`."""
        for shipment in reversed(shipments):
            self._back[shipment.batch.lane].appendleft(shipment)

    def landed(self, shipment: Shipment[Owner]) -> None:
        """See :class:`Waiting`."""
        self._under_way.discard(shipment.batch.lane)

    def forget(self, gone: Callable[[Owner], bool]) -> None:
        """See :class:`Waiting`."""
        self._batcher.forget(gone)
        self._back = [deque(_alive(back, gone, self._batcher.limits)) for back in self._back]

    def again(self) -> Iterable[Shipment[Owner]]:
        """See :class:`Waiting`."""
        return (shipment for lane in self._back for shipment in lane)

    def fresh(self) -> Iterable[Batch[Owner]]:
        """See :class:`Waiting`."""
        return self._batcher.batches()

    def __len__(self) -> int:
        """Events inside."""
        return self._batcher.events + sum(each.batch.events for lane in self._back for each in lane)

    @property
    def has_free(self) -> bool:
        """See :class:`Waiting`. Of a lane that is under way it is not known: its request may be what waits."""
        free = self._batcher.due_past
        return any(
            free(0.0, lane, _tags(back)) is not None or any(not each.tries for each in _first_of_their_keys(back))
            for lane in self._turns()
            for back in [self._back[lane]]
        )


def _first_of_their_keys(shipments: Iterable[Shipment[Owner]]) -> Iterator[Shipment[Owner]]:
    """Those that no earlier one of the same key is before."""
    before: set[int] = set()
    for shipment in shipments:
        if before.isdisjoint(shipment.batch.tags):
            yield shipment
        before.update(shipment.batch.tags)


def _alive(
    shipments: Iterable[Shipment[Owner]], gone: Callable[[Owner], bool], limits: RequestLimits
) -> list[Shipment[Owner]]:
    """Those that have events of owners that are not gone, without the others."""
    left = []
    for shipment in shipments:
        alive = without(shipment.batch, gone, limits)
        if alive is not None:
            shipment.batch = alive
            left.append(shipment)
    return left


def _tags(shipments: Iterable[Shipment[Owner]]) -> set[int]:
    return {tag for shipment in shipments for tag in shipment.batch.tags}


def _least(waits: Iterable[float | None]) -> float | None:
    some = [max(0.0, wait) for wait in waits if wait is not None]
    return min(some) if some else None
