"""How long the oldest record of each partition has waited that is not finished, also while it lies in Kafka. Pure.

Of a record that was fetched both clocks count: the time since its Kafka timestamp, which a writer's wrong clock can spoil, and
the monotonic time since it was fetched, which a restart begins anew. The larger one is told. Of records that lie in Kafka and
are not fetched the timestamps are unknown: for them counts how long the partition has had a lag without moving, from the last
look before that on, so that it is never 0 while something waits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.kafka.consumer.chunk import Partition
    from bridge.kafka.consumer.ledger import Ledger

Position = tuple[int, "int | None"]


class Ages:
    """Ask about every second; times are in seconds, ``now`` monotonic and ``wall`` since 1970."""

    def __init__(self, ledger: Ledger, now: float) -> None:
        self._ledger = ledger
        self._looked = now
        self._unfetched: dict[Partition, tuple[Position, float]] = {}

    def at(self, now: float, wall: float, lags: Mapping[Partition, int] | None) -> dict[Partition, float]:
        """Partition -> age; those left out are not known. ``lags``: None while the brokers do not answer."""
        heads, ages = self._ledger.heads(), {}
        before, self._unfetched = self._unfetched, {}
        for partition, position in self._ledger.positions().items():
            head = heads.get(partition)
            if head is not None:
                by_wall = wall - head.oldest if head.oldest > 0 else 0.0
                ages[partition] = max(by_wall, now - head.fetched, 0.0)
                continue
            lag = None if lags is None else lags.get(partition)
            if lag is None:
                if partition in before:
                    self._unfetched[partition] = before[partition]
                continue
            if not lag:
                ages[partition] = 0.0
                continue
            known, since = before.get(partition, (position, self._looked))
            since = since if known == position else self._looked
            self._unfetched[partition] = position, since
            ages[partition] = now - since
        self._looked = now
        return ages
