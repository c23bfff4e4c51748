"""Which delivered records a replay may send: why a record stays, whose state it is, and which are dead letters."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from bridge.kafka.dead_letters.stored_letters import Filter, read
from bridge.kafka.replaying.range_marks import is_copy
from bridge.model.dead_letter import Form, is_xdm
from bridge.model.verdicts import Stage
from bridge.routes.kinds import source_of
from bridge.routes.reconciliation.fates import code_of
from bridge.sources.warehouse.marks import ROW_HEADER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bridge.kafka.replaying.range_marks import ReplayAsked
    from bridge.model.ports import Decoder
    from bridge.settings import Route

COPY: Final = "written by an earlier replay"
REFUSED: Final = "dead letters"
EMPTY: Final = "without a value"
NOT_ASKED: Final = "not asked for"


def holds_states(route: Route) -> bool:
    """Whether the route's records are states of customers, of which an older one must not follow a newer one."""
    warehouse = route.settings.warehouse
    return source_of(route).profiles and (route.source != "warehouse" or warehouse.kind == "users")


class RecordChoice:
    """Says of each record why it stays, and what it is."""

    def __init__(
        self, asked: ReplayAsked, decoder: Decoder, letters: Mapping[tuple[int, int], int], *, states: bool
    ) -> None:
        self._asked = asked
        self._decoder = decoder
        self._letters = letters
        self._key = None if asked.key is None else asked.key.encode()
        self._states = states and asked.newest

    def why_left(self, record: Any) -> str | None:
        """Why a record stays whatever else lies in the topic; None when it may be sent."""
        if record.value is None:
            return EMPTY
        if is_copy(record.headers or ()) and not self._asked.copies:
            return COPY
        if self._key is not None and record.key != self._key:
            return NOT_ASKED
        if self.is_refused(record):
            return REFUSED
        if self._asked.event_code is not None and self._asked.event_code not in self.codes(record):
            return NOT_ASKED
        return None

    def is_refused(self, record: Any) -> bool:
        """Whether every event of the record is a dead letter."""
        letters = self._letters.get((record.partition, record.offset), 0)
        return letters > 0 and letters >= len(self._events(record))

    def customer(self, record: Any) -> bytes | None:
        """Whose state the record is; None where it is none, or it does not matter."""
        if not self._states or record.key is None or record.value is None or self._key not in (None, record.key):
            return None
        # Several rows may be of one customer.
        row = next((value for name, value in record.headers or () if name == ROW_HEADER), None)
        if row is not None:
            return bytes(b"\0".join((record.key, row)))
        if any(isinstance(event, dict) and event.get("kind") == "event" for event in self._events(record)):
            return None
        return bytes(record.key)

    def codes(self, record: Any) -> list[str]:
        """The codes or names of its events."""
        return [_name(event) for event in self._events(record)] or [""]

    def _events(self, record: Any) -> Sequence[Any]:
        if is_xdm(record.headers or ()):
            return (None,)
        try:
            return self._decoder.decode(record.value)
        except Exception:  # noqa: BLE001 - whatever it is, the worker has met it too, and its letter tells
            return (None,)


def _name(event: Any) -> str:
    if (code := code_of(event)) or not isinstance(event, dict):
        return code
    told = event.get("event")
    name = told.get("name") if isinstance(told, dict) else event.get("kind")
    return name if isinstance(name, str) else ""


async def refused_places(route: Route, decoder: Decoder) -> dict[tuple[int, int], int]:
    """Partition and offset of records -> how many of their events are dead letters. Raises ``KafkaError``."""
    found: Counter[tuple[int, int]] = Counter()
    seen: set[tuple[int, int, str | None]] = set()
    async for stored in read(route.settings.kafka, Filter(), decoder):
        letter = stored.letter
        # What AEP refuses after its 200 was delivered. Of letters without a place there is no record.
        if letter.topic != route.settings.kafka.topic or letter.stage == Stage.INGEST or letter.form == Form.XDM:
            continue
        if letter.partition is None or letter.offset is None:
            continue
        told = (letter.partition, letter.offset, letter.event_uuid)
        # After a crash a letter is there twice.
        if letter.event_uuid is None or told not in seen:
            seen.add(told)
            found[told[:2]] += letter.events
    return found
