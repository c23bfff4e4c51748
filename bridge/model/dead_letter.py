"""What a dead letter is, whoever writes it: key and value as they came, and headers that say why, where and when.

A neutral module beside :mod:`bridge.model.verdicts`: the receiver and the worker write dead letters, the command line reads
them. Header values are UTF-8 text; a header is there only when it has something to say.

=========================  ===========================================================================================
``bridge.stage``           receive, decode, map, check, deliver, or ingest: refused by AEP after its 200
``bridge.code``            stable identifier of the reason, fit for a metric label
``bridge.reason``          one sentence for a person
``bridge.topic``           where the record was consumed from, with ``bridge.partition`` and ``bridge.offset``
``bridge.event_uuid``      the event's own id
``bridge.mapping``         sha256 of the mapping set in use
``bridge.attempts``        how often delivery was tried
``bridge.failed_at``       ISO 8601, UTC
``bridge.replays``         how often it was replayed before
``bridge.route``           name of the route whose event it is
``bridge.form``            ``event``: the value as consumed; ``xdm``: what came back from AEP; ``truncated``: cut, so that it
                           fits into the topic, and no longer an event
``bridge.truncated_from``  size in bytes of a value too large for the topic, of which the beginning is kept
``bridge.batch``           AEP's batch in which the event failed, with ``bridge.record``, which names the record in it
``bridge.events``          how many events the letter stands for, where more than one: equal refusals of one record
=========================  ===========================================================================================
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PREFIX = "bridge."
_FORM = PREFIX + "form"
_LONGEST = 4_000
"""Characters of a reason: headers must not outgrow what the topic takes."""
_LONGEST_UUID = 200
DEFAULT_ROUTE = "default"
_POINTER = re.compile(r"#/([^\s:,()]+)")


class Form(StrEnum):
    """What the value of a dead letter is."""

    EVENT = "event"
    XDM = "xdm"
    TRUNCATED = "truncated"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event (or a body that was to be some) that was refused for good, as it lies in the dead-letter topic."""

    key: bytes | None
    value: bytes
    stage: str
    code: str
    reason: str
    topic: str | None = None
    partition: int | None = None
    offset: int | None = None
    event_uuid: str | None = None
    mapping: str | None = None
    attempts: int | None = None
    failed_at: datetime | None = None
    replays: int = 0
    truncated_from: int | None = None
    route: str | None = DEFAULT_ROUTE
    form: str = Form.EVENT
    events: int = 1
    batch: str | None = None
    record: str | None = None

    def to_headers(self) -> list[tuple[str, bytes]]:
        """The Kafka headers of the record; key and value go beside them."""
        told = {
            "stage": str(self.stage) or None,
            "code": self.code or None,
            "reason": self.reason[:_LONGEST] or None,
            "route": self.route,
            "form": str(self.form),
            "topic": self.topic,
            "partition": self.partition,
            "offset": self.offset,
            "event_uuid": self.event_uuid,
            "mapping": self.mapping,
            "attempts": self.attempts,
            "failed_at": None if self.failed_at is None else _iso(self.failed_at),
            "replays": self.replays or None,
            "truncated_from": self.truncated_from,
            "events": self.events if self.events > 1 else None,
            "batch": self.batch,
            "record": self.record,
        }
        return [
            (PREFIX + name, str(text).encode("utf-8", errors="replace"))
            for name, text in told.items()
            if text is not None
        ]

    @classmethod
    def from_headers(cls, key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes | None]]) -> Self:
        """Read a record of the dead-letter topic. Never raises: what another writer left out or garbled is absent."""
        told = {
            name.removeprefix(PREFIX): text.decode("utf-8", errors="replace")
            for name, text in headers
            if name.startswith(PREFIX) and text is not None
        }
        truncated_from = _integer(told.get("truncated_from"))
        return cls(
            key=key,
            value=value or b"",
            stage=told.get("stage", ""),
            code=told.get("code", ""),
            reason=told.get("reason", ""),
            topic=told.get("topic"),
            partition=_integer(told.get("partition")),
            offset=_integer(told.get("offset")),
            event_uuid=told.get("event_uuid"),
            mapping=told.get("mapping"),
            attempts=_integer(told.get("attempts")),
            failed_at=_time(told.get("failed_at")),
            replays=_integer(told.get("replays")) or 0,
            truncated_from=truncated_from,
            route=told.get("route"),
            # Letters of earlier versions do not tell their form.
            form=told.get("form") or (Form.EVENT if truncated_from is None else Form.TRUNCATED),
            events=max(1, _integer(told.get("events")) or 1),
            batch=told.get("batch"),
            record=told.get("record"),
        )

    def to_record(self) -> tuple[bytes | None, bytes, list[tuple[str, bytes]]]:
        """Key, value and headers, as a publisher takes them."""
        return self.key, self.value, self.to_headers()


@dataclass(frozen=True, slots=True)
class StoredLetters:
    """What became of records while they were stored: letters ``made`` of events that Kafka refuses, and letters that were ``cut``."""

    made: Sequence[DeadLetter]
    cut: Sequence[DeadLetter]


def uuid_of(event: Any) -> str | None:
    """``event_uuid`` of an event as text fit for a header; None where it names nothing. Some senders write numbers."""
    uuid = event.get("event_uuid") if isinstance(event, dict) else None
    if isinstance(uuid, int) and not isinstance(uuid, bool):
        uuid = str(uuid)
    return uuid[:_LONGEST_UUID] if isinstance(uuid, str) else None


def pointer_in(reason: str) -> str:
    """The field that a reason names first, as a path with dots; nothing where it names none."""
    found = _POINTER.search(reason)
    return "" if found is None else found[1].rstrip(".").replace("/", ".")


def is_xdm(headers: Iterable[tuple[str, bytes | None]]) -> bool:
    """Whether a record of the event topic is XDM already, replayed from a letter of that form."""
    return any(name == _FORM and form == b"xdm" for name, form in headers)


def own_headers(headers: Iterable[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """The headers of a record that are not the bridge's: what a replayed event keeps."""
    return [(name, value) for name, value in headers if not name.startswith(PREFIX)]


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _integer(text: str | None) -> int | None:
    if text is None or len(text) > 20 or not text.isascii() or not text.removeprefix("-").isdigit():
        return None
    # Beyond 64 bits it is no number of Kafka's, and none that can be written as JSON.
    return number if -(2**63) <= (number := int(text)) < 2**63 else None


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
