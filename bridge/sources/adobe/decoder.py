"""Adobe's :class:`bridge.model.ports.Decoder`: what destinations, Event Forwarding and custom actions post becomes canonical events."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from bridge.model.event import ANY, MOST, Bound
from bridge.settings import AdobeSettings
from bridge.sources.adobe.audiences import NAMES
from bridge.sources.adobe.membership import join, names_of
from bridge.sources.adobe.messages import is_canonical, key_of, most_events, read_unit, units_of
from bridge.sources.adobe.reading import ProfileReading
from bridge.sources.adobe.refusing import TOO_MANY
from bridge.sources.http.json_decoding import JsonDecoding, parse_quickly
from bridge.sources.http.json_reading import exactly

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bridge.model.event import Event, LeftOut, Refusal


class AdobeDecoder(JsonDecoding):
    """Decodes profiles and events as ``settings`` say: whose they are, and which audiences go on.

    ``anonymous``: also profiles without a customer id, as the route identifies users by their attributes. ``now``: nanoseconds
    since 1970, of when a body is read: the time of what has none of its own.
    """

    __slots__ = ("_now", "_reading")

    def __init__(
        self, settings: AdobeSettings, *, anonymous: bool = False, now: Callable[[], int] = time.time_ns
    ) -> None:
        self._reading = ProfileReading.of(settings, anonymous=anonymous)
        self._now = now

    def decode(self, value: bytes) -> Sequence[Event | Refusal | LeftOut]:
        """The canonical events of one Kafka record: what the receiver wrote, or a message as Adobe wrote it there.

        The latter have no ``received_at``: Kafka's own timestamp says when they came.
        """
        document = parse_quickly(value)
        if is_canonical(document):
            return (document,)
        return self._events(exactly(value, document), MOST)

    def events_of(self, document: Any, bound: Bound = MOST) -> Sequence[Event | Refusal | LeftOut]:
        """The events of every message of a document, in order, each with the time at which it was taken."""
        found = self._events(document, bound)
        now = self._now() // 1_000
        return [
            {**one, "received_at": now} if isinstance(one, dict) and "received_at" not in one else one for one in found
        ]

    def weigh(self, document: Any) -> Bound | None:
        """What a document becomes; None for a canonical event."""
        if is_canonical(document):
            return None
        weights = [most_events(unit, self._reading) for unit, _ in units_of(document)]
        return Bound(sum(events for events, _ in weights), sum(events * copied for events, copied in weights))

    def isolate(self, document: Any, index: int) -> Any:
        """The message that gave the ``index``-th result; of one that gives several, the canonical event itself."""
        at = 0
        for unit, envelope in units_of(document):
            made = read_unit(unit, envelope, self._reading)
            if index < at + len(made):
                one = made[index - at]
                if len(made) > 1 and isinstance(one, dict):
                    return {**one, "received_at": self._now() // 1_000}
                return unit if envelope is None else {envelope: [unit]}
            at += len(made)
        return document

    def record_key(self, event: Event) -> bytes | None:
        """The customer's id as UTF-8."""
        return key_of(event)

    def alone(self, event: Event) -> Event:
        """A profile with the names of its own audiences, as if it were the first of its customer."""
        audiences = event.get("audiences")
        if not audiences:
            return event
        return {**event, NAMES: names_of(join({}, audiences, event.get("received_at", self._now() // 1_000)))}

    def under(self, settings: Mapping[str, Any]) -> AdobeDecoder:
        """The decoder with these settings of the section ``adobe``, and no others. Raises ``ValueError``."""
        return AdobeDecoder(AdobeSettings(**settings), anonymous=self._reading.anonymous, now=self._now)

    def _events(self, document: Any, bound: Bound) -> Sequence[Event | Refusal | LeftOut]:
        if is_canonical(document):
            return (document,)
        # Of a body it is known already.
        weight = None if bound is ANY else self.weigh(document)
        if weight is not None and (weight.events > bound.events or weight.bytes > bound.bytes):
            return (TOO_MANY,)
        reading = self._reading
        return [event for unit, envelope in units_of(document) for event in read_unit(unit, envelope, reading)]
