"""A warehouse's :class:`bridge.model.ports.Decoder`: a record holds one row, whose columns are the canonical event's paths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from bridge.model.event import MOST, Bound, Refusal
from bridge.settings import WarehouseSettings
from bridge.sources.http.json_reading import encode, exactly, parse_body, parse_json
from bridge.sources.warehouse.rows import CUSTOMER, key_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bridge.model.event import Event

_NO_ROW = Refusal("not_an_object", "a row is a JSON object")


class WarehouseDecoder:
    """Decodes rows; of a user without a column ``customer_id`` the key is its customer id, as ``settings`` name it."""

    __slots__ = ("_key", "_users")

    def __init__(self, settings: WarehouseSettings) -> None:
        self._key = settings.key
        self._users = settings.kind == "users" and len(settings.key) == 1

    def alone(self, event: Event) -> Event:
        """The event: a row is joined with nothing."""
        return event

    def under(self, settings: Mapping[str, Any]) -> WarehouseDecoder:
        """The decoder with these settings of the section ``warehouse``, and no others. Raises ``ValueError``."""
        return WarehouseDecoder(WarehouseSettings(**settings))

    def decode(self, value: bytes) -> Sequence[Event | Refusal]:
        """The row of one Kafka record."""
        try:
            document = orjson.loads(value)
        except orjson.JSONDecodeError:
            document = parse_json(value)
        else:
            document = exactly(value, document)
        return self.events_of(document)

    def parse_record(self, value: bytes) -> Any:
        """The document of a record, every digit and every member of it; raises ``NotJson``."""
        return parse_json(value)

    def parse_body(self, body: bytes) -> Any:
        """As :meth:`parse_record`, but ambiguous members stay in it; raises ``NotJson``."""
        return parse_body(body)[0]

    def events_of(self, document: Any, bound: Bound = MOST) -> Sequence[Event | Refusal]:  # noqa: ARG002 - a row is one event
        """The row as an event."""
        if document.__class__ is not dict:
            return (_NO_ROW,)
        if not self._users or CUSTOMER in document:
            return (document,)
        name = self._key[0]
        if name not in document:
            # The column may be spelled otherwise by the database: Snowflake's are in capitals, Oracle's too.
            name = next((column for column in document if column.lower() == name.lower()), name)
        return ({**document, CUSTOMER: key_text(document.get(name)) or None},)

    def weigh(self, document: Any) -> Bound | None:  # noqa: ARG002 - a row is one event
        """None: a record holds one row."""
        return None

    def isolate(self, document: Any, index: int) -> Any:  # noqa: ARG002 - a row is one event
        """The row."""
        return document

    def record_key(self, event: Event) -> bytes | None:
        """The customer's id, else the columns of the key, as UTF-8."""
        names = (CUSTOMER,) if event.get(CUSTOMER) is not None else self._key
        parts = [key_text(event.get(name)) for name in names]
        return "/".join(parts).encode("utf-8", errors="replace") if any(parts) else None

    def encode(self, value: Any) -> bytes | Refusal:
        """A row as UTF-8 JSON."""
        return encode(value)
