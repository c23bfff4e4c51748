"""The records of a letter that is sent back: as it was consumed, or, where no record was, as the receiver would write it now. Pure.

What a receiver refuses has no key, and a body that stands for many refusals holds events of many customers. Sent back whole it would
lie in any partition, beside neither the other events of its customers nor what is remembered of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.model.errors import NotJson
from bridge.model.event import MOST, Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.model.dead_letter import DeadLetter
    from bridge.model.ports import Decoder
    from bridge.model.record import Record


def records_of_letter(
    letter: DeadLetter, headers: Sequence[tuple[str, bytes | None]], decoder: Decoder | None
) -> Sequence[Record]:
    """One record, or one for each event of a letter without a key; what is no event now either goes along by itself."""
    whole: Sequence[Record] = [(letter.key, letter.value, headers)]
    if letter.key is not None or letter.value is None or decoder is None:
        return whole
    try:
        document = decoder.parse_record(letter.value)
    except NotJson:
        return whole
    found = decoder.events_of(document, MOST)
    if len(found) == 1 and isinstance(found[0], dict):
        return [(decoder.record_key(found[0]), letter.value, headers)]
    records: list[Record] = []
    for index, one in enumerate(found if len(found) > 1 else ()):
        is_event = isinstance(one, dict)
        value = decoder.encode(one if is_event else decoder.isolate(document, index))
        if isinstance(value, Refusal):
            return whole
        records.append((decoder.record_key(one) if isinstance(one, dict) else None, value, headers))
    return records or whole
