"""What is known of each partition's log, so that it can be told what went with it when its topic is deleted. Pure.

Nobody can ask a log that is gone how far it went: its end is what the last look has seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bridge.kafka.topic_identity import ABSENT

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from bridge.kafka.consumer.chunk import Partition


@dataclass(slots=True)
class KnownLog:
    """A log as it was last seen: its topic's ``identity`` (None: not known), where it ends, and how far it is finished."""

    identity: bytes | None
    end: int
    finished: int


class DeletedLogs:
    """Remembers the logs of the partitions that this worker has, or had until its last assignment."""

    def __init__(self) -> None:
        self._known: dict[Partition, KnownLog] = {}
        self._former: set[bytes] = set()

    def topics(self) -> set[str]:
        """Topics of the logs that are remembered."""
        return {topic for topic, _ in self._known}

    def seen(self, partition: Partition, identity: bytes | None, *, end: int, finished: int) -> bool:
        """A partition of ours ends there; it is finished so far at least. Whether it is certainly of the topic that is known."""
        identity = None if identity in self._former else identity  # of a broker that does not know of the new one yet
        known = self._known.get(partition)
        if known is None:
            self._known[partition] = KnownLog(identity, end, finished)
            return bool(identity)
        if self._is_another(known, identity) or (known.identity and not identity):
            return False  # of which nothing is to be told yet, or it may be another
        known.identity = known.identity or identity
        known.end, known.finished = max(known.end, end), max(known.finished, finished)
        return bool(identity)

    def finished(self, offsets: Mapping[Partition, int]) -> None:
        """So far they are finished, whether or not the group could store it."""
        for partition, offset in offsets.items():
            if (known := self._known.get(partition)) is not None:
                known.finished = max(known.finished, offset)

    def made_again(self, identities: Mapping[str, bytes | None], assigned: Collection[Partition]) -> list[Partition]:
        """Which of the assigned partitions belong to another topic of the same name than when they were seen last."""
        return [
            partition
            for partition, known in self._known.items()
            if partition in assigned and self._is_another(known, identities.get(partition[0]))
        ]

    def gone(
        self, identities: Mapping[str, bytes | None], assigned: Collection[Partition]
    ) -> dict[Partition, KnownLog]:
        """The logs that we had until the last assignment, and that are gone with their topic. Those of others are forgotten."""
        found = {}
        for partition, known in list(self._known.items()):
            identity = identities.get(partition[0])
            if partition in assigned or identity is None:
                continue
            if identity == ABSENT or self._is_another(known, identity):
                found[partition] = known
            else:
                del self._known[partition]
        for partition in found:
            self.forget(partition)
        return found

    def is_new(self, partition: Partition, identity: bytes | None) -> bool:
        """Whether this is certainly none of the topics that the partition was seen to be of."""
        known = self._known.get(partition)
        return bool(identity) and identity not in self._former and (known is None or known.identity != identity)

    def is_still(self, partition: Partition, identity: bytes | None) -> bool:
        """Whether no other topic had come by then, as far as brokers tell: those that give no identities never do."""
        known = self._known.get(partition)
        return known is None or known.identity is None or identity in {known.identity, ABSENT}

    def replace(self, partition: Partition, identity: bytes | None, offset: int) -> KnownLog | None:
        """Another topic of the name has come, whose log begins there: what was known of the one before.

        The new one is known from now on: the next may come before anybody has seen where this one ends.
        """
        before = self.forget(partition)
        self._known[partition] = KnownLog(identity, offset, offset)
        return before

    def cut(self, partition: Partition, offset: int) -> KnownLog | None:
        """The log of the same topic goes on from there, and what lay behind is gone: what was known of it before."""
        before = self._known.get(partition)
        if before is not None:
            self._known[partition] = KnownLog(before.identity, offset, offset)
        return before

    def forget(self, partition: Partition) -> KnownLog | None:
        """This log is no more: what was known of it."""
        known = self._known.pop(partition, None)
        if known is not None and known.identity is not None:
            self._former.add(known.identity)
        return known

    def _is_another(self, known: KnownLog, identity: bytes | None) -> bool:
        if not identity or known.identity is None or identity == known.identity:
            return False
        return identity not in self._former
