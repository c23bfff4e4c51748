"""One request body becomes the records to write: an event each, and dead letters for what is no event.

Pure: bytes in, records out. A body that is not JSON, or no event, is a dead letter too, because a 4xx would make the sender
send the batch three times more and then drop it with its good neighbours. JSON lines are read line by line.

What a body becomes is bounded: in events and in bytes of records, counted as they are made (:class:`TooMuch`), and equal
refusals beyond :data:`ALONE` are one dead letter of the body as it came. Work is done in slices, so that an event loop can do
something else in between.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from bridge.model.dead_letter import DEFAULT_ROUTE, DeadLetter, uuid_of
from bridge.model.errors import NotJson
from bridge.model.event import ANY, LeftOut, Refusal
from bridge.model.letter_fit import fit
from bridge.model.record import record_bytes
from bridge.model.verdicts import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from bridge.model.ports import Decoder
    from bridge.model.record import Record

ALONE = 20
"""Most equal refusals of one body that are dead letters of their own; more are one."""
_SLICE_EVENTS = 500
_SLICE_BYTES = 1_000_000
_NO_BOUND = 1 << 62
LARGE = 1_000_000
"""Bytes of a body from which on parsing it is work to be bounded beforehand, and done elsewhere than on an event loop."""
_CONTAINERS = 25
_VALUES = 128
"""Objects and arrays, and values, that a large body may have for each event that it may have."""
_CONTAINER_BYTES = 200
_VALUE_BYTES = 40
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BLANKS = b" \t\r\n\x1e"
"""Around a line of JSON; RFC 7464 begins each with a record separator."""


class TooMuch(Exception):  # noqa: N818 - it reads as the verdict that it is
    """The body would become more events, or more bytes, than one body may."""


@dataclass(frozen=True, slots=True)
class RecordLimits:
    """For the bodies of a route: the most bytes that one record may weigh, for each topic; the most that one may become."""

    event: int
    dead_letter: int
    body_events: int = _NO_BOUND
    body_bytes: int = _NO_BOUND
    route: str = DEFAULT_ROUTE


@dataclass(frozen=True, slots=True)
class BodyRecords:
    """What a request comes to; ``bytes`` is the weight of all its records, ``left_out`` counts by rule what goes nowhere."""

    events: Sequence[Record]
    dead_letters: Sequence[DeadLetter]
    bytes: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)


def records_of(
    body: bytes, limits: RecordLimits, now: datetime, decoder: Decoder, doubt: Refusal | None = None
) -> BodyRecords:
    """Read a body of any envelope at once; ``now`` is the time of whatever is refused. Raises :class:`TooMuch`."""
    taking = BodyReading(body, limits, now, decoder, doubt)
    taking.parse()
    for _ in taking.slices():
        pass
    return taking.intake()


@dataclass(slots=True)
class _RefusalsOfCode:
    """Of one code: letters, or only their number once the body stands for all of them."""

    letters: list[DeadLetter] = field(default_factory=list)
    whole: int = 0
    why: Refusal | None = None
    uuid: str | None = None


class BodyReading:
    """The way from a body to its intake: ``parse``, then ``slices`` to its end, then ``intake``."""

    def __init__(
        self, body: bytes, limits: RecordLimits, now: datetime, decoder: Decoder, doubt: Refusal | None = None
    ) -> None:
        """``doubt`` is why the body is refused should it not be readable."""
        self._body = body
        self._decoder = decoder
        self._doubt = doubt
        self._limits = limits
        self._now = now
        self._units: list[tuple[Any, bytes]] = []
        self._has_lines = False
        self._events: list[Record] = []
        self._refusals: dict[str, _RefusalsOfCode] = {}
        self._left_out: Counter[str] = Counter()
        self._seen = 0
        self._made = 0

    def parsed_bytes(self) -> int:
        """About how much memory a large body takes once it is parsed; 0 for others. Raises :class:`TooMuch`."""
        body, most = self._body, self._limits.body_events
        if len(body) <= LARGE:
            return 0
        containers, values = body.count(b"{") + body.count(b"["), body.count(b",")
        if containers > _CONTAINERS * most or values > _VALUES * most:
            raise TooMuch
        return containers * _CONTAINER_BYTES + values * _VALUE_BYTES

    def parse(self) -> None:
        """Parse the body, or see that it is JSON lines. Raises :class:`TooMuch` before anything is made."""
        try:
            document = self._decoder.parse_body(self._body)
        except NotJson as error:
            self._has_lines = self._are_json_lines()
            if not self._has_lines:
                self._refuse(self._body, self._doubt or Refusal("not_json", str(error)), None)
            return
        weight = self._decoder.weigh(document)
        if weight is not None and (
            weight.events > self._limits.body_events or weight.bytes + len(self._body) > self._limits.body_bytes
        ):
            raise TooMuch
        self._units.append((document, self._body))

    def slices(self) -> Iterator[int]:
        """Make the records; after each slice of the work the bytes that it made. Raises :class:`TooMuch`."""
        told = at = 0
        event_limit, most_events, most_bytes = self._limits.event, self._limits.body_events, self._limits.body_bytes
        keep = self._events.append
        decoder = self._decoder
        encode, record_key = decoder.encode, decoder.record_key
        for document, raw in self._documents():
            for index, event in enumerate(decoder.events_of(document, ANY)):
                if isinstance(event, Refusal):
                    self._set_aside(document, raw, index, event)
                elif isinstance(event, LeftOut):
                    self._left_out[event.rule] += 1
                    self._account(0)
                elif isinstance(value := encode(event), Refusal):
                    self._set_aside(document, raw, index, value)
                elif (size := record_bytes(record := (record_key(event), value, ()))) <= event_limit:
                    keep(record)
                    self._seen += 1
                    self._made += size
                    if self._seen > most_events or self._made > most_bytes:
                        raise TooMuch
                else:
                    large = f"the event is {len(value)} bytes; the topic takes {event_limit}"
                    self._set_aside(document, raw, index, Refusal("too_large", large))
                at += 1
                if at == _SLICE_EVENTS or self._made - told >= _SLICE_BYTES:
                    yield self._made - told
                    at, told = 0, self._made
        yield self._made - told

    def intake(self) -> BodyRecords:
        """What the body came to."""
        letters: list[DeadLetter] = []
        for found in self._refusals.values():
            letters += found.letters
            if found.whole and found.why is not None:
                letters.append(self._whole(found.why, found.whole, found.uuid))
        return BodyRecords(self._events, letters, self._made, self._left_out)

    def _are_json_lines(self) -> bool:
        """Whether one of the first two lines is JSON of its own though the whole is none: the other may be the damaged one."""
        for line in islice(_lines(self._body), 2):
            if line[:1] in (b"{", b"[") and line != self._body:
                with contextlib.suppress(NotJson):
                    self._decoder.parse_body(line)
                    return True
        return False

    def _documents(self) -> Iterator[tuple[Any, bytes]]:
        yield from self._units
        for line in _lines(self._body) if self._has_lines else ():
            try:
                yield self._decoder.parse_body(line), line
            except NotJson as error:
                self._refuse(line, Refusal("not_json", str(error)), None)

    def _set_aside(self, document: Any, raw: bytes, index: int, why: Refusal) -> None:
        found = self._refusals.get(why.code)
        if found is not None and found.whole:
            found.whole += 1
            self._account(0)
            return
        alone = self._decoder.isolate(document, index)
        # A body of one event stays byte for byte; what cannot be written again (nesting) stays with its neighbours.
        value = raw if alone is document else self._decoder.encode(alone)
        self._refuse(raw if isinstance(value, Refusal) else value, why, _uuid(alone))

    def _refuse(self, value: bytes, why: Refusal, uuid: str | None) -> None:
        found = self._refusals.setdefault(why.code, _RefusalsOfCode())
        if found.whole:
            found.whole += 1
            self._account(0)
            return
        if value is self._body or (len(found.letters) == ALONE and self._is_kept_whole()):
            found.whole = 1 + len(found.letters)
            found.letters.clear()
            found.why, found.uuid = why, uuid
            self._account(len(self._body))
            return
        letter = refused(value, why, self._limits, self._now, uuid=uuid)
        found.letters.append(letter)
        self._account(len(letter.value))

    def _whole(self, why: Refusal, count: int, uuid: str | None) -> DeadLetter:
        if count == 1:
            return refused(self._body, why, self._limits, self._now, uuid=uuid)
        several = replace(why, reason=f"{count} times in one body, which is kept as it came: {why.reason}")
        return refused(self._body, several, self._limits, self._now)

    def _is_kept_whole(self) -> bool:
        # Of a body that its topic cannot take some refused elements would be cut off.
        return refused(self._body, Refusal("", ""), self._limits, self._now).truncated_from is None

    def _account(self, size: int) -> None:
        self._seen += 1
        self._made += size
        if self._seen > self._limits.body_events or self._made > self._limits.body_bytes:
            raise TooMuch


def refused(body: bytes, why: Refusal, limits: RecordLimits, now: datetime, *, uuid: str | None = None) -> DeadLetter:
    """The dead letter of ``body``; of one too large for the topic the beginning is kept, or its headers alone."""
    letter = DeadLetter(
        key=None,
        value=body,
        stage=Stage.RECEIVE,
        code=why.code,
        reason=why.reason,
        event_uuid=uuid,
        failed_at=now,
        route=limits.route,
    )
    return fit(letter, limits.dead_letter)[0]


def _lines(body: bytes) -> Iterator[bytes]:
    """The lines that hold something, each without its byte order mark; never all at once, since a body may be only line ends."""
    at = 0
    line_end = b"\n" if b"\n" in body else b"\r"
    while at < len(body):
        end = body.find(line_end, at)
        end = len(body) if end < 0 else end
        if line := body[at:end].strip(_BLANKS).removeprefix(_BYTE_ORDER_MARK).lstrip(_BLANKS):
            yield line
        at = end + 1


def _uuid(alone: Any) -> str | None:
    event = alone
    if isinstance(alone, dict):
        events = alone.get("events")
        event = events[0] if isinstance(events, list) and events else alone.get("event", alone)
    return uuid_of(event)
