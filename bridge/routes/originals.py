"""The events of the topic that failed records came from, told by their ids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bridge.model.dead_letter import DeadLetter, own_headers
from bridge.model.errors import NotJson
from bridge.model.event import Refusal

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from bridge.model.ports import Decoder

_IDS: Final = ("id", "event_uuid")


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


class Originals:
    """Finds the events with the ids that are ``wanted``, among records shown one by one; of several the newest counts."""

    def __init__(self, decoder: Decoder, wanted: Collection[str]) -> None:
        self._decoder = decoder
        self._wanted = frozenset(wanted)
        self.found: dict[str, Original] = {}

    def look_at(self, record: Any) -> None:
        """Keep the events of a record of Kafka that are wanted. What cannot be read holds none."""
        try:
            events = self._decoder.decode(record.value or b"")
        except NotJson:
            return
        for index, event in enumerate(events):
            if isinstance(event, dict):
                for name in {str(event[key]) for key in _IDS if event.get(key) is not None} & self._wanted:
                    self._keep(name, record, index, alone=len(events) == 1)

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
        )
