"""What decoders of JSON do alike, whoever sends it: documents of bodies and records, and bytes of values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from bridge.sources.http.json_reading import encode, parse_body, parse_json

if TYPE_CHECKING:
    from bridge.model.event import Refusal


class JsonDecoding:
    """The part of a :class:`bridge.model.ports.Decoder` that knows no sender."""

    __slots__ = ()

    def parse_record(self, value: bytes) -> Any:
        """The document of a record, every digit and every member of it; raises ``NotJson``."""
        return parse_json(value)

    def parse_body(self, body: bytes) -> Any:
        """The document of a request's body; ambiguous members stay in it. Raises ``NotJson``."""
        return parse_body(body)[0]

    def encode(self, value: Any) -> bytes | Refusal:
        """A document or event as UTF-8 JSON."""
        return encode(value)


def parse_quickly(value: bytes) -> Any:
    """The document of a record as the fast parser reads it, with the slips that it refuses; raises ``NotJson``.

    What is not known to be exact goes through :func:`bridge.sources.http.json_reading.exactly` afterwards.
    """
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return parse_json(value)
