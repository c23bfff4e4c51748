"""The group's progress as the brokers know it: asked by librdkafka, not by the code under test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from confluent_kafka import Consumer, KafkaException, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Progress:
    """Sums over the partitions of one topic."""

    committed: int
    end: int

    @property
    def lag(self) -> int:
        """Records that are not committed."""
        return self.end - self.committed


class Offsets:
    """Asks for end offsets and committed offsets; each call blocks for some seconds at most.

    ``events`` and ``dead_letters`` are names and numbers of partitions.
    """

    def __init__(self, bootstrap: str, group: str, *, events: tuple[str, int], dead_letters: tuple[str, int]) -> None:
        quiet: Callable[[object], None] = lambda _error: None  # noqa: E731
        # It never joins the group. (The admin client's way to ask aborts the process when a coordinator goes away.)
        # A coordinator that has moved is looked for at once; by default librdkafka asks the old one for ten minutes.
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": group,
                "coordinator.query.interval.ms": 1_000,
                "topic.metadata.refresh.interval.ms": 5_000,
                "error_cb": quiet,
                "log_level": 0,
            }
        )
        self._partitions = [TopicPartition(events[0], number) for number in range(events[1])]
        self._letters = Consumer(
            {"bootstrap.servers": bootstrap, "group.id": "chaos", "error_cb": quiet, "log_level": 0}
        )
        self._letters.assign([TopicPartition(dead_letters[0], number, 0) for number in range(dead_letters[1])])
        self.refused: set[str] = set()
        self.hung: set[str] = set()
        self.unmapped: set[str] = set()
        self.came_back: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()
        self._letters.close()

    def read_letters(self) -> None:
        """Note the ids of events by what they are dead letters for.

        Delivery has set them aside (``refused``), they hold whoever maps them (``hung``), what is required cannot be made of
        them (``unmapped``), AEP refused them after its 200 (``came_back``).
        """
        for record in self._letters.consume(1_000, timeout=0.05):
            if record.error() is None:
                headers = dict(record.headers() or ())
                if "bridge.event_uuid" not in headers:
                    continue
                if headers.get("bridge.stage") == b"deliver":
                    self.refused.add(headers["bridge.event_uuid"].decode())
                elif headers.get("bridge.stage") == b"ingest":
                    self.came_back.add(headers["bridge.event_uuid"].decode())
                elif headers.get("bridge.code") == b"hung":
                    self.hung.add(headers["bridge.event_uuid"].decode())
                elif headers.get("bridge.stage") == b"check":
                    self.unmapped.add(headers["bridge.event_uuid"].decode())

    def ask(self, seconds: float = 3.0) -> Progress | None:
        """Where the group stands; None when the brokers do not say."""
        self.read_letters()
        try:
            # The committed offsets first: what is written meanwhile then counts as lag, and never the other way round.
            found = self._consumer.committed(self._partitions, timeout=seconds)
            if any(each.error is not None for each in found):
                return None
            ends = [self._consumer.get_watermark_offsets(each, timeout=seconds) for each in self._partitions]
        except KafkaException:
            return None
        committed = sum(max(0, each.offset) for each in found)
        return Progress(committed, sum(high for _, high in ends))
