"""What a destination asks of the objects that a mapping set makes for it, and what a source has for it: for lint, check and init."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bridge.model.mapping_rows import Complaint, SourceRead, Written


def _none(_rows: Sequence[object]) -> Sequence[Complaint]:
    return ()


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one kind of destination, as far as they can be known before anything is sent.

    ``required``: top-level fields that every object needs, whatever its schema says. ``refusals``: code -> meaning of all that an
    object can be refused for. ``is_date_time``: whether a text is an instant as the destination takes it. ``schema_wanted``: what to
    do about a schema that is not one for this destination. ``complaints``: what is wrong with the destinations of a set's rows;
    ``source_complaints``: with what they read of the events of the route's source.
    """

    required: tuple[str, ...]
    refusals: Mapping[str, str]
    is_date_time: Callable[[str], bool]
    schema_wanted: str
    complaints: Callable[[Sequence[Written]], Sequence[Complaint]] = _none
    source_complaints: Callable[[Sequence[SourceRead]], Sequence[Complaint]] = _none
