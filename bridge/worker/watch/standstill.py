"""Notices a partition that stands still while it has something to do, whatever the others do. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from bridge.kafka.consumer.chunk import Partition


class Standstill:
    """Tells the partitions that have not moved for ``seconds`` although they could; 0 for never."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since: dict[Partition, tuple[Hashable, float]] = {}

    def check(self, now: float, busy: Mapping[Partition, Hashable], *, held: bool) -> dict[Partition, float]:
        """Partition -> seconds without progress.

        ``busy``: those with something to do, each with what changes when it moves; ``held``: nothing can move, for a reason
        that is told elsewhere.
        """
        if held:
            self._since = {}
            return {}
        before, self._since = self._since, {}
        for partition, progress in busy.items():
            known, since = before.get(partition, (progress, now))
            self._since[partition] = progress, since if known == progress else now
        if not self._seconds:
            return {}
        return {partition: now - since for partition, (_, since) in self._since.items() if now - since >= self._seconds}
