"""How far a replay of the topic has come: remembered by the offsets of a consumer group of its own, with the rest beside them.

Each replay has a group (``GROUP.again.HASH`` of what was asked for). The offset of a partition says up to where its records were
looked at, and the metadata what was asked for, where the range ends and how many were sent. The end is fixed when a replay begins:
what is delivered later, and the copies that it writes itself, are not part of it. Kafka forgets a group that nobody uses after
``offsets.retention.minutes`` (7 days by default).
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Self

import orjson
from aiokafka import TopicPartition

from bridge.kafka.group_offsets import group_offsets, groups_named
from bridge.kafka.reading_back.noted_offsets import noted_offsets
from bridge.kafka.topics import admin, ensure_topics
from bridge.model.dead_letter import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bridge.settings import KafkaSettings

REPLAYED_FROM = PREFIX + "replayed_from"
"""Header of a copy: ``PARTITION/OFFSET`` of the record that it repeats."""
REPLAYS = PREFIX + "replays"
_LONGEST_TEXTS = 3_000
"""Bytes, as JSON, of the key and the code that can be asked for: metadata of an offset are 4,096 at most."""


@dataclass(frozen=True, slots=True)
class ReplayAsked:
    """Which records: times are Kafka's, milliseconds since 1970, ``until`` is left out; all that is set must fit.

    ``newest``: of the states of a customer only the newest. ``copies``: also what a replay has written.
    """

    since: int
    until: int
    newest: bool = False
    copies: bool = False
    key: str | None = None
    event_code: str | None = None

    def __post_init__(self) -> None:
        """Refuse what could not be remembered, by ``ValueError``."""
        try:
            size = len(orjson.dumps((self.key, self.event_code)))
        except TypeError:
            raise ValueError("not UTF-8") from None
        if size > _LONGEST_TEXTS:
            raise ValueError(f"longer than {_LONGEST_TEXTS} bytes")

    @classmethod
    def from_dict(cls, told: Mapping[str, object]) -> Self:
        """Undo ``asdict``; ``TypeError`` or ``ValueError`` for what is none."""
        made = cls(**told)  # type: ignore[arg-type]
        if not all(type(each) is int for each in (made.since, made.until)):
            raise TypeError("times are whole milliseconds")
        return made

    @property
    def name(self) -> str:
        """A short name for what was asked for."""
        return hashlib.sha256(orjson.dumps(asdict(self), option=orjson.OPT_SORT_KEYS)).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class RangeMark:
    """Of a partition everything before ``upto`` was looked at, and ``sent`` records of it were sent; it ends before ``end``."""

    upto: int
    end: int
    sent: int = 0

    @property
    def is_open(self) -> bool:
        """Whether there is something left."""
        return self.upto < self.end

    def moved(self, upto: int, sent: int) -> RangeMark:
        """Further on, with ``sent`` more of them sent."""
        return replace(self, upto=upto, sent=self.sent + sent)

    def note(self, asked: ReplayAsked) -> str:
        """What is committed beside the offset."""
        return orjson.dumps({"asked": asdict(asked), "end": self.end, "sent": self.sent}).decode()


def mark_of(offset: int, note: str) -> tuple[ReplayAsked, RangeMark] | None:
    """What an offset with this note says; None where it does not."""
    try:
        told = orjson.loads(note)
        return ReplayAsked.from_dict(told["asked"]), RangeMark(offset, int(told["end"]), int(told["sent"]))
    except (ValueError, TypeError, KeyError):
        return None


def copy_headers(
    headers: Iterable[tuple[str, bytes | None]], partition: int, offset: int
) -> Sequence[tuple[str, bytes | None]]:
    """The headers of a copy of the record at this place: its own, and that and how often it was replayed."""
    kept, before = [], 0
    for name, value in headers:
        if name == REPLAYS:
            digits = value or b""
            before = int(digits) if digits.isdigit() and len(digits) < 10 else 0
        elif name != REPLAYED_FROM:
            kept.append((name, value))
    return [*kept, (REPLAYS, b"%d" % (before + 1)), (REPLAYED_FROM, b"%d/%d" % (partition, offset))]


def is_copy(headers: Iterable[tuple[str, bytes | None]]) -> bool:
    """Whether a record was written by a replay of the topic."""
    return any(name == REPLAYED_FROM for name, _ in headers)


def group_of_replay(kafka: KafkaSettings, asked: ReplayAsked) -> str:
    """The group that remembers how far it has come."""
    return f"{kafka.group}.again.{asked.name}"


async def range_marks(kafka: KafkaSettings, asked: ReplayAsked) -> dict[int, RangeMark]:
    """Partition -> how far this replay has come; nothing where it has not begun. Raises ``KafkaError``."""
    noted = await noted_offsets(kafka.model_copy(update={"group": group_of_replay(kafka, asked)}))
    found = {}
    for partition, each in noted.items():
        told = mark_of(each.offset, each.note)
        if told is not None and told[0] == asked:
            found[partition] = told[1]
    return found


async def unfinished_replays(kafka: KafkaSettings) -> dict[ReplayAsked, int]:
    """Replays of the topic that have begun and not ended, with how many records they have sent. Raises ``KafkaError``."""
    found: dict[ReplayAsked, list[RangeMark]] = {}
    count = (await ensure_topics(kafka, create=False, topics=[kafka.topic]))[kafka.topic]
    partitions = [TopicPartition(kafka.topic, number) for number in range(count)]
    async with admin(kafka) as client:
        for group in await groups_named(kafka, client, f"{kafka.group}.again."):
            for committed in (await group_offsets(kafka, client, group, partitions)).values():
                told = mark_of(committed.offset, committed.metadata or "")
                if told is not None:
                    found.setdefault(told[0], []).append(told[1])
    return {
        asked: sum(mark.sent for mark in marks) for asked, marks in found.items() if any(mark.is_open for mark in marks)
    }
