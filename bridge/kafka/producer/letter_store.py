"""Stores dead letters whatever their topic takes: one that Kafka refuses is made smaller and sent again, until it is stored."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self
from uuid import uuid4

import orjson

from bridge.kafka.producer.refusal import TOO_LARGE, Refused, RefusedByKafka
from bridge.model.dead_letter import DEFAULT_ROUTE, DeadLetter, Form, own_headers, uuid_of
from bridge.model.errors import KafkaError
from bridge.model.letter_fit import fit, smallest
from bridge.model.record import Record, record_bytes
from bridge.model.verdicts import Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.model.ports import Publisher

_ANY = 1 << 62


@dataclass(slots=True)
class LetterFit:
    """A letter on its way to the topic: as it was made, and as it was last tried. ``others`` are headers not our own."""

    letter: DeadLetter
    others: Sequence[tuple[str, bytes | None]] = ()
    tried: tuple[DeadLetter, Record] | None = None
    _room: int = _ANY
    _was_cut: bool = False

    @classmethod
    def of_event(cls, record: Record, refused: Refused, route: str = DEFAULT_ROUTE) -> Self:
        """The letter of an event of ``route`` that its own topic refuses at the receiver."""
        key, value, headers = record
        letter = DeadLetter(
            key=key,
            value=value or b"",
            stage=Stage.RECEIVE,
            code=refused.code,
            reason=refused.reason,
            failed_at=datetime.now(UTC),
            event_uuid=_uuid_in(value),
            route=route,
        )
        return cls(letter, headers)

    @classmethod
    def of_letter(cls, record: Record) -> Self:
        """The letter that a record is."""
        letter = DeadLetter.from_headers(*record)
        return cls(letter, own_headers(record[2]), _was_cut=letter.form == Form.TRUNCATED)

    @property
    def stored(self) -> DeadLetter:
        """The letter as it was last tried."""
        return self.letter if self.tried is None else self.tried[0]

    @property
    def newly_cut(self) -> bool:
        """Whether the event was whole when it came here, and is no longer."""
        return self.stored.form == Form.TRUNCATED and not self._was_cut

    def record(self, limit: int) -> Record:
        """The record to try, of ``limit`` bytes at most."""
        self.tried = fit(self.letter, min(limit, self._room), self.others)
        return self.tried[1]

    def shrink(self, refused: Refused, limit: int) -> None:
        """See that the next record is another than the last one, which was ``refused``; ``limit`` is known of the topic by now.

        Raises ``KafkaError`` when nothing is left to try.
        """
        letter, (key, value, headers) = self.tried or fit(self.letter, limit, self.others)
        size = record_bytes((key, value, headers))
        if refused.code == TOO_LARGE:
            if not value and len(headers) <= 1:
                self._room = _ANY
                raise KafkaError(
                    f"the dead-letter topic does not even accept {size} bytes",
                    hint="raise max.message.bytes of the topic",
                )
            if size <= limit:
                # It should have fitted: the limit is not known, or was lowered a moment ago.
                self._room = size // 2
        elif key is None:
            # A compacted topic takes no record without a key; one that nobody else has replaces nothing.
            self.letter = replace(self.letter, key=uuid4().hex.encode())
        elif letter.form != Form.TRUNCATED or value:
            self.letter, self.others = replace(smallest(self.letter), key=key), ()
        else:
            raise KafkaError(f"the dead-letter topic accepts no letter at all: {refused.reason}")


async def store_letters(publisher: Publisher, topic: str, letters: Sequence[LetterFit]) -> None:
    """Return when every letter is stored, whole or cut; raise ``KafkaError`` when one was not confirmed."""
    waiting = list(letters)
    while waiting:
        limit = publisher.limit(topic)
        try:
            await publisher.publish([each.record(limit) for each in waiting], topic=topic)
        except RefusedByKafka as refusal:
            waiting = [waiting[refused.number] for refused in refusal.refused]
            for each, refused in zip(waiting, refusal.refused, strict=True):
                each.shrink(refused, publisher.limit(topic))
        else:
            return


def _uuid_in(value: bytes | None) -> str | None:
    try:
        return uuid_of(orjson.loads(value or b"null"))
    except orjson.JSONDecodeError:
        return None
