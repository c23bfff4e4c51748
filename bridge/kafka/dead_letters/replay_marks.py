"""What was replayed: remembered in Kafka itself, by the offsets of the replays' consumer groups.

Each filter has a group (``GROUP.replay`` for all letters, ``GROUP.replay.HASH`` for a filter). Its committed offset says how
far that filter has gone, and the metadata beside the offset which filter it was, how many letters were sent, and which ones
were left: so a letter below the offset that fits the filter has been sent. Nothing is written into the dead-letter topic.
Kafka forgets a group that nobody uses after ``offsets.retention.minutes`` (7 days by default).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import orjson
from aiokafka import TopicPartition

from bridge.kafka.dead_letters.stored_letters import Filter, Stored
from bridge.kafka.group_offsets import group_offsets, groups_named
from bridge.kafka.topics import admin, ensure_topics
from bridge.model.dead_letter import Form

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bridge.model.ports import Decoder
    from bridge.settings import KafkaSettings

MAX_REPLAYS = 3
"""Most replays of one letter, unless another number is given."""
_LONGEST = 3_500
"""Bytes of metadata; Kafka keeps 4,096 (offset.metadata.max.bytes)."""


def why_kept(stored: Stored, max_replays: int) -> str | None:
    """Why a letter stays whatever is asked for; None when it may be sent."""
    if stored.letter.form == Form.TRUNCATED or stored.letter.truncated_from is not None:
        return "truncated"
    if stored.letter.form not in (Form.EVENT, Form.XDM):
        return f"of the form {stored.letter.form}"
    return "replayed already as often as is allowed" if stored.letter.replays >= max_replays else None


@dataclass(frozen=True, slots=True)
class Mark:
    """How far one filter has gone in a partition: every letter before ``upto`` that fits was sent, but those ``left``."""

    partition: int
    upto: int
    wanted: Filter
    max_replays: int = MAX_REPLAYS
    sent: int = 0
    left: tuple[int, ...] = ()

    def covers(self, stored: Stored, decoder: Decoder | None = None) -> bool:
        """Whether this letter was sent; ``decoder`` as for :meth:`Filter.fits`."""
        return (
            stored.partition == self.partition
            and stored.offset < self.upto
            and self.wanted.fits(stored.letter, decoder)
            and why_kept(stored, self.max_replays) is None
            and stored.offset not in self.left
        )

    def moved(self, upto: int, *, sent: int, left: Sequence[int]) -> Mark:
        """Further on, with ``sent`` more of them sent and those left."""
        return replace(self, upto=upto, sent=self.sent + sent, left=(*self.left, *left))

    def to_metadata(self) -> str:
        """What is committed beside the offset; of too many that were left the oldest go."""
        left = list(self.left)
        while True:
            told = {"filter": self.wanted.to_dict(), "max_replays": self.max_replays, "sent": self.sent, "left": left}
            text = orjson.dumps(told).decode()
            if len(text.encode()) <= _LONGEST or not left:
                return text
            left = left[len(left) // 2 + 1 :]

    @classmethod
    def from_metadata(cls, partition: int, upto: int, text: str, *, unfiltered: bool) -> Self | None:
        """What an offset with this metadata says; None where it does not. Earlier versions committed none."""
        if not text:
            return cls(partition, upto, Filter()) if unfiltered else None
        try:
            told = orjson.loads(text)
            return cls(
                partition,
                upto,
                Filter.from_dict(told["filter"]),
                int(told["max_replays"]),
                int(told["sent"]),
                tuple(map(int, told["left"])),
            )
        except (ValueError, TypeError, KeyError):
            return None


class Marks:
    """All that is known of what was replayed; ``decoder`` reads letters for filters by the event's code."""

    def __init__(self, marks: Iterable[Mark], decoder: Decoder | None = None) -> None:
        self._decoder = decoder
        self._by_partition: dict[int, list[Mark]] = defaultdict(list)
        for mark in marks:
            self._by_partition[mark.partition].append(mark)

    def replayed(self, stored: Stored) -> bool:
        """Whether a letter has been sent by any replay."""
        return any(mark.covers(stored, self._decoder) for mark in self._by_partition.get(stored.partition, ()))

    def of(self, partition: int, wanted: Filter, max_replays: int) -> Mark | None:
        """How far this filter has gone in a partition."""
        for mark in self._by_partition.get(partition, ()):
            if (mark.wanted, mark.max_replays) == (wanted, max_replays):
                return mark
        return None


def group_of(kafka: KafkaSettings, wanted: Filter, max_replays: int) -> str:
    """The group that remembers a filter's progress."""
    often = "" if max_replays == MAX_REPLAYS else f".{max_replays}"
    return f"{kafka.group}.replay{wanted.name}{often}"


async def load_marks(kafka: KafkaSettings, decoder: Decoder, asked: tuple[Filter, int] | None = None) -> Marks:
    """Ask the brokers for the groups of all replays; ``KafkaError`` when they cannot be asked.

    ``asked``: a filter, and how often its letters go round at most, whose group is asked whether or not it is listed. Of it an
    offset counts that has no note beside it: earlier versions committed that of a filter alone.
    """
    topic, all_letters = kafka.dead_letter_topic, f"{kafka.group}.replay"
    count = (await ensure_topics(kafka, create=False, topics=[topic]))[topic]
    partitions = [TopicPartition(topic, number) for number in range(count)]
    own = None if asked is None else group_of(kafka, *asked)
    found: list[Mark] = []
    async with admin(kafka) as client:
        groups = {
            group for group in await groups_named(kafka, client, all_letters) if _is_of_replays(group, all_letters)
        }
        for group in sorted(groups if own is None else groups | {own}):
            for place, committed in (await group_offsets(kafka, client, group, partitions)).items():
                if committed.offset < 0:
                    continue
                note = committed.metadata or ""
                mark = Mark.from_metadata(place.partition, committed.offset, note, unfiltered=group == all_letters)
                if mark is None and asked is not None and group == own and not note:
                    mark = Mark(place.partition, committed.offset, *asked)
                if mark is not None:
                    found.append(mark)
    return Marks(found, decoder)


def _is_of_replays(group: str, all_letters: str) -> bool:
    return group == all_letters or group.startswith(all_letters + ".")
