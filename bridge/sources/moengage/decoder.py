"""MoEngage's :class:`bridge.model.ports.Decoder`: records, bodies and lines of exports become canonical events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from bridge.model.event import MOST
from bridge.sources.http.json_decoding import JsonDecoding
from bridge.sources.http.json_reading import exactly, parse_json
from bridge.sources.moengage.canonical import is_complete, record_key
from bridge.sources.moengage.envelopes import events_of, isolate, weigh

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.model.event import Bound, Event, Refusal

_loads = orjson.loads


class MoEngageDecoder(JsonDecoding):
    """Decodes MoEngage's envelopes (:mod:`bridge.sources.moengage.envelopes`)."""

    __slots__ = ()

    def decode(self, value: bytes) -> Sequence[Event | Refusal]:
        """The canonical events of one Kafka record, in order; raises ``NotJson``."""
        try:
            document = _loads(value)
        except orjson.JSONDecodeError:
            document = parse_json(value)
        if document.__class__ is dict and is_complete(document):
            return (document,)
        events = events_of(document)
        # Canonical is what the receiver wrote, and that is exact; whatever else came here may be read differently.
        if (len(events) != 1 or events[0] is not document) and (exact := exactly(value, document)) is not document:
            return events_of(exact)
        return events

    def events_of(self, document: Any, bound: Bound = MOST) -> Sequence[Event | Refusal]:
        """Every event of a document in canonical form."""
        return events_of(document, bound)

    def weigh(self, document: Any) -> Bound | None:
        """What a batch, or an array of documents, becomes; None for a single event."""
        if isinstance(document, list) or (isinstance(document, dict) and "events" in document):
            return weigh(document)
        return None

    def isolate(self, document: Any, index: int) -> Any:
        """The document with its ``index``-th event alone, in its envelope."""
        return isolate(document, index)

    def record_key(self, event: Event) -> bytes | None:
        """The first of externalId, moengageUserId and event_uuid, as UTF-8."""
        return record_key(event)


DECODER = MoEngageDecoder()
