"""What became of the events of one record of the topic, told by its place: settled or open, and what the dead letters say. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import orjson

from bridge.model.day_counts import DAY_MS
from bridge.model.dead_letter import PREFIX, is_xdm, uuid_of
from bridge.model.event import MOST as _MOST
from bridge.model.event import LeftOut, Refusal
from bridge.routes.reconciliation.event_table import (
    DEAD,
    DELIVERED,
    LEFT_OUT,
    OPEN,
    UNACCOUNTED,
    SeenEvent,
    digest,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.model.ports import Decoder
    from bridge.routes.reconciliation.event_table import LetterAt

_IDS: Final = ("id", "event_uuid", "_id")
_CODES: Final = ("event_code", "event_name")
_WHOLE: Final = frozenset({"hung", "unreadable"})
"""Codes of letters that stand for a whole record, whatever it holds; one with an id is of the only event of its record."""
_IN_LETTER, _IN_KAFKA, _REPLAYED = 0, 1, 2
_REPLAYS: Final = PREFIX + "replays"


def id_of(event: Any, place: str) -> bytes:
    """The event's own id; where it has none, its place."""
    if isinstance(event, dict):
        for name in _IDS:
            one = event.get(name)
            if isinstance(one, str | int) and not isinstance(one, bool) and one != "":
                return digest(str(one))
    return digest(f"\0{place}")


def code_of(event: Any) -> str:
    """The kind of the event in the source's words, "" where it tells none."""
    if isinstance(event, dict):
        for name in _CODES:
            one = event.get(name)
            if isinstance(one, str) and one:
                return one[:200]
    return ""


def seen_in(record: Any, decoder: Decoder, letters: Sequence[LetterAt], *, settled: bool) -> list[SeenEvent]:
    """The events of a record; ``settled``: it lies before the committed offset. ``letters`` are those of its place."""
    if record.value is None:
        return []
    day = record.timestamp // DAY_MS
    kind = _REPLAYED if any(name == _REPLAYS for name, _ in record.headers or ()) else _IN_KAFKA
    place = f"{record.partition}/{record.offset}"
    events = _decoded(record, decoder, letters)
    told = _Told(letters, len(events), sum(isinstance(event, Refusal) for event in events))
    seen = []
    for part, event in enumerate(events):
        if isinstance(event, LeftOut):
            fate = f"{LEFT_OUT}:{event.rule}"
        elif (stage := told.stage_of(event)) is not None:
            fate = f"{DEAD}:{stage}"
        elif not settled:
            fate = OPEN
        else:
            fate = UNACCOUNTED if isinstance(event, Refusal) else DELIVERED
        seen.append(SeenEvent(id_of(event, f"{place}/{part}"), day, code_of(event), fate, kind))
    return seen


def _decoded(record: Any, decoder: Decoder, letters: Sequence[LetterAt]) -> Sequence[Any]:
    if any(letter.code in _WHOLE and letter.uuid is None for letter in letters):
        return (Refusal("whole", "a letter stands for the whole record"),)
    try:
        if record.headers and is_xdm(record.headers):
            return (orjson.loads(record.value),)
        return decoder.decode(record.value)
    except Exception:  # noqa: BLE001 - whatever it is, the worker has met it too, and its letter tells
        return (Refusal("not_decoded", "the record cannot be decoded"),)


class _Told:
    """What the letters of one record say of its events.

    A letter of a record of several events names its event by its uuid; one without is of something that has none, or stands
    for many (``events``). Letters may be there twice, after a crash.
    """

    def __init__(self, letters: Sequence[LetterAt], events: int, refusals: int) -> None:
        self._alone = events == 1
        self._letters = letters
        self._named = {letter.uuid: letter.stage for letter in letters if letter.uuid is not None}
        nameless = [letter for letter in letters if letter.uuid is None]
        self._nameless = nameless[-1].stage if nameless else None
        self._stands_for_many = any(letter.events > 1 for letter in nameless)
        self._left = max(0, sum(letter.events for letter in nameless) - refusals)

    def stage_of(self, event: Any) -> str | None:
        """The stage of the event's letter; None where there is none."""
        uuid = uuid_of(event)
        if self._alone:
            # One with another id is of a record that lay there before the topic was made again.
            own = [letter.stage for letter in self._letters if letter.uuid == uuid]
            return own[-1] if own else None
        if isinstance(event, Refusal):
            return self._nameless
        if uuid is not None and uuid in self._named:
            return self._named[uuid]
        if self._left and (uuid is None or self._stands_for_many):
            self._left -= 1
            return self._nameless
        return None


def seen_in_letter(value: bytes, decoder: Decoder, *, stage: str, day: int, place: str, events: int) -> list[SeenEvent]:
    """The events of a letter that the receiver has stored in the place of a record."""
    fate = f"{DEAD}:{stage}"
    try:
        found: Sequence[Any] = decoder.events_of(decoder.parse_body(value), _MOST)
    except Exception:  # noqa: BLE001 - that it cannot be read is why it is a letter
        found = ()
    if len(found) != max(1, events):
        # A body that was refused as a whole, or one that stands for others: counted as the letter counts.
        found = [None] * max(1, events)
    return [
        SeenEvent(id_of(event, f"letter/{place}/{part}"), day, code_of(event), fate, _IN_LETTER)
        for part, event in enumerate(found)
    ]


def fates(seen: Sequence[SeenEvent]) -> Counter[str]:
    """How many of them by fate."""
    return Counter(event.fate for event in seen)
