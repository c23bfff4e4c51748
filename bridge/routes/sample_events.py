"""Events of samples and golden cases, as the decoder of their source reads them, and as if nothing else had ever come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from bridge.model.event import ANY, LeftOut, Refusal
from bridge.sources.http.json_reading import parse_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bridge.model.event import Event
    from bridge.model.ports import Decoder


@runtime_checkable
class Joining(Protocol):
    """A decoder of a source whose events are joined with what is known of their customer before they are mapped."""

    def alone(self, event: Event) -> Event:
        """The event joined with nothing."""

    def under(self, settings: Mapping[str, Any]) -> Decoder:
        """The decoder with other settings of its section. Raises ``ValueError``."""


def read_sample(decoder: Decoder, document: Any) -> Sequence[Event | Refusal | LeftOut]:
    """Every event of a document as it is mapped."""
    found = decoder.events_of(document, ANY)
    if not isinstance(decoder, Joining):
        return found
    return [decoder.alone(one) if isinstance(one, dict) else one for one in found]


def case_reader(decoder: Decoder) -> Callable[[bytes], Sequence[Event | Refusal]]:
    """What reads a golden case's document; what a rule leaves out is no event, with the rule as its code."""

    def read(document: bytes) -> Sequence[Event | Refusal]:
        found = read_sample(decoder, parse_json(document))
        return [Refusal(one.rule, "a rule leaves it out") if isinstance(one, LeftOut) else one for one in found]

    return read
