"""The events of the topic that failed records came from, told by their ids."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from bridge.model.dead_letter import DeadLetter, Form, is_xdm, own_headers
from bridge.model.errors import NotJson
from bridge.model.event import Refusal

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from bridge.model.ports import Decoder

_IDS: Final = ("id", "event_uuid")
_WRITTEN: Final = re.compile(rb'"(?:id|event_uuid)"\s*:\s*"?([^"\\,}\s]+)')
_PLAIN: Final = re.compile(r"[\w.:@+/=-]+", flags=re.ASCII)


@dataclass(frozen=True, slots=True)
class Original:
    """An event as it lies in Kafka, alone in its envelope, with its record's key, place and headers that are not ours."""

    key: bytes | None
    value: bytes
    partition: int
    offset: int
    timestamp: int
    replays: int
    headers: Sequence[tuple[str, bytes | None]]
    form: str = Form.EVENT


class Originals:
    """Finds the events with the ids that are ``wanted``, among records shown one by one; of several the newest counts.

    ``literal``: the source writes an event's id as its member ``id`` or ``event_uuid``, so that most records need no decoding.
    """

    def __init__(self, decoder: Decoder, wanted: Collection[str], *, literal: bool = False) -> None:
        self._decoder = decoder
        self._wanted = frozenset(wanted)
        plain = literal and all(_PLAIN.fullmatch(one) for one in self._wanted)
        self._written = frozenset(one.encode() for one in self._wanted) if plain else None
        self.found: dict[str, Original] = {}

    @property
    def missing(self) -> int:
        """How many of them have not been found."""
        return len(self._wanted) - len(self.found)

    def look_at(self, record: Any) -> None:
        """Keep the events of a record of Kafka that are wanted. What cannot be read holds none."""
        value, written = record.value or b"", self._written
        if is_xdm(record.headers or ()):
            self._look_at_xdm(record)
            return
        # An escape may write an id in another way.
        if written is not None and b"\\" not in value and written.isdisjoint(_WRITTEN.findall(value)):
            return
        try:
            events = self._decoder.decode(record.value or b"")
        except NotJson:
            return
        for index, event in enumerate(events):
            if isinstance(event, dict):
                for name in {str(event[key]) for key in _IDS if event.get(key) is not None} & self._wanted:
                    self._keep(name, record, index, alone=len(events) == 1)

    def _look_at_xdm(self, record: Any) -> None:
        """An event that was replayed as AEP had given it back."""
        try:
            event = orjson.loads(record.value or b"")
        except orjson.JSONDecodeError:
            return
        if isinstance(event, dict) and (name := str(event.get("_id"))) in self._wanted:
            self._keep(name, record, 0, alone=True)

    def _keep(self, name: str, record: Any, index: int, *, alone: bool) -> None:
        known = self.found.get(name)
        if known is not None and known.timestamp > record.timestamp:
            return
        value: bytes | Refusal = record.value
        if not alone:
            value = self._decoder.encode(self._decoder.isolate(self._decoder.parse_record(record.value), index))
        headers = [*(record.headers or ())]
        self.found[name] = Original(
            key=record.key,
            value=record.value if isinstance(value, Refusal) else value,
            partition=record.partition,
            offset=record.offset,
            timestamp=record.timestamp,
            replays=DeadLetter.from_headers(None, None, headers).replays,
            headers=own_headers(headers),
            form=Form.XDM if is_xdm(headers) else Form.EVENT,
        )
