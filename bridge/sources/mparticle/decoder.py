"""mParticle's :class:`bridge.model.ports.Decoder`: webhook, Events API and Kafka output become canonical events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge.model.event import MOST, Bound, Refusal
from bridge.sources.http.json_decoding import JsonDecoding, parse_quickly
from bridge.sources.http.json_reading import exactly
from bridge.sources.mparticle.batches import batches_of, events_of_batch, is_canonical, key_of, weight_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.model.event import Event, LeftOut
    from bridge.settings import MParticleSettings

_TOO_MANY = Refusal("too_many_events", "a record would become more events, or more bytes, than one record may")


class MParticleDecoder(JsonDecoding):
    """Decodes batches as ``settings`` say: which identity is the customer's id, which events go on, what consent is needed."""

    __slots__ = ("_settings",)

    def __init__(self, settings: MParticleSettings) -> None:
        self._settings = settings

    def decode(self, value: bytes) -> Sequence[Event | Refusal | LeftOut]:
        """The canonical events of one Kafka record: what the receiver wrote, or a batch as mParticle's Kafka output wrote it."""
        document = parse_quickly(value)
        if is_canonical(document):
            return (document,)
        return self.events_of(exactly(value, document), MOST)

    def events_of(self, document: Any, bound: Bound = MOST) -> Sequence[Event | Refusal | LeftOut]:
        """The events of every batch of a document, in order."""
        if is_canonical(document):
            return (document,)
        weight = self.weigh(document)
        if weight is not None and (weight.events > bound.events or weight.bytes > bound.bytes):
            return (_TOO_MANY,)
        return [event for batch in batches_of(document) for event in events_of_batch(batch, self._settings)]

    def weigh(self, document: Any) -> Bound | None:
        """What a document becomes; None for a canonical event."""
        if is_canonical(document):
            return None
        weights = [weight_of(batch) for batch in batches_of(document)]
        return Bound(sum(events for events, _ in weights), sum(events * copied for events, copied in weights))

    def isolate(self, document: Any, index: int) -> Any:
        """The canonical event, or of a batch what gave the ``index``-th result, with its user and without other events."""
        at = 0
        for batch in batches_of(document):
            made = len(events_of_batch(batch, self._settings))
            if index < at + made:
                return self._alone(batch, index - at, made) if made > 1 else batch
            at += made
        return document

    def record_key(self, event: Event) -> bytes | None:
        """The customer's id, else mParticle's, as UTF-8."""
        return key_of(event)

    def _alone(self, batch: dict[str, Any], index: int, made: int) -> dict[str, Any]:
        events = batch.get("events") or []
        at = index - (made - len(events))
        if at < 0:
            return {**batch, "events": []}
        # The user's attributes are an event of their own, which is not this one.
        without = ("user_attributes", "deleted_user_attributes", "consent_state")
        alone = {name: value for name, value in batch.items() if name not in without}
        return {**alone, "events": [events[at]]}
