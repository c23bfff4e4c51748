"""Makes a dead letter fit into a topic of any limit: what is worth least goes first, the place and the form go last.

Pure, for the receiver and the worker alike. The event is worth most: as long as it fits whole, the letter can be replayed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bridge.model.dead_letter import DeadLetter, Form
from bridge.model.record import record_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.model.record import Record

_BRIEF = 300
"""Characters of a reason that is to leave room for the event."""
_DISPENSABLE: tuple[dict[str, Any], ...] = (
    {"mapping": None},
    {"reason": ""},
    {"attempts": None, "replays": 0, "events": 1},
    {"event_uuid": None},
    {"failed_at": None},
    {"code": ""},
    {"stage": "", "route": None, "truncated_from": None},
    {"batch": None, "record": None},
    {"topic": None},
    {"partition": None, "offset": None},
)
"""What headers go, one after the other, where not even all of the bridge's own fit."""


def fit(letter: DeadLetter, limit: int, others: Sequence[tuple[str, bytes | None]] = ()) -> tuple[DeadLetter, Record]:
    """The letter as it is to be stored, and its record of ``limit`` bytes (:func:`record_bytes`) at most.

    ``others`` are the headers that the record came with. Below some 20 bytes nothing fits; then the smallest letter there is
    comes back, larger than ``limit``.
    """
    whole = (letter.key, letter.value, [*others, *letter.to_headers()])
    if record_bytes(whole) <= limit:
        return letter, whole
    brief = replace(letter, reason=letter.reason[:_BRIEF])
    for candidate in (brief, replace(brief, key=None)):
        record = candidate.to_record()
        if record_bytes(record) <= limit:
            return candidate, record
    return _cut(brief, limit)


def smallest(letter: DeadLetter) -> DeadLetter:
    """The letter without its event: the headers alone."""
    size = len(letter.value) if letter.truncated_from is None else letter.truncated_from
    return replace(letter, key=None, value=b"", reason=letter.reason[:_BRIEF], form=Form.TRUNCATED, truncated_from=size)


def _cut(letter: DeadLetter, limit: int) -> tuple[DeadLetter, Record]:
    """As much of the value as there is room for; a key that would take more than half of it goes too."""
    bare = smallest(letter)
    record = bare.to_record()
    room = limit - record_bytes(record)
    if room >= 0:
        key = letter.key if letter.key is not None and len(letter.key) <= room // 2 else None
        cut = replace(bare, key=key, value=letter.value[: room - len(key or b"")])
        return cut, cut.to_record()
    for absent in _DISPENSABLE:
        bare = replace(bare, **absent)
        record = bare.to_record()
        if record_bytes(record) <= limit:
            break
    return bare, record
