"""What the checks of an ExperienceEvent say, and the codes they say it with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from bridge.model.verdicts import Rejected, Stage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_VIOLATIONS: Final = 5
"""AEP's validation of one message stops after this many errors (ingestion/quality/streaming-validation)."""


class EventFinding(NamedTuple):
    """One remark on an event: where (a JSON pointer as AEP prints it, ``#/commerce/order``), a code, and words for a person.

    Words may quote paths and what the schema expects, never the value.
    """

    path: str
    code: str
    reason: str


class DroppedValue(NamedTuple):
    """A wrong value that was left out, or the smallest optional container around it.

    ``path``: a JSON pointer to what was left out; ``code`` and ``reason``: those of the violation; ``field``: the same place
    as the schema has it, without indices and keys of maps (``a.list[*].b``, ``a.map.*``), for counting.
    """

    path: str
    code: str
    reason: str
    field: str


REJECTION_CODES: Final[Mapping[str, str]] = {
    "required_missing": "_id or timestamp is absent, or its row of the mapping set gave null",
    "id_invalid": "_id is empty, not text, or not a URI reference",
    "timestamp_invalid": "timestamp is not a date-time in one of the shapes AEP takes, or lies before 1970",
    "identity_none_valid": "Identity Service would accept none of the identities",
    "identity_no_primary": "there are valid identities, but none in a namespace of the priority list",
    "event_oversize": "the event stays above the size that Profile keeps (setting oversize)",
    "DCVS-1103": "text does not match the pattern of the schema",
    "DCVS-1104": "a value is of another type than the schema's and cannot be coerced",
    "DCVS-1106": "a property that the schema requires is absent",
    "xdm_format": "text is not of the schema's format",
    "xdm_enum": "a value is not one of the schema's enum, or not its const",
    "xdm_range": "a number lies outside the schema's minimum and maximum",
    "xdm_length": "text or an array is shorter or longer than the schema allows",
    "xdm_unknown_property": "the schema forbids properties it does not name (additionalProperties: false)",
}
"""Every ``code`` of a rejection at stage check. Adobe publishes no list of DCVS codes: only those seen in its real output
bear its names, the ``xdm_`` ones stand for checks whose code is unknown."""

FINDING_CODES: Final[Mapping[str, str]] = {
    "timestamp_implausible": "timestamp lies before 2000: rather seconds where dformat wants milliseconds",
    "timestamp_future": "timestamp lies in the future; AEP's reaction is undocumented, so the event is sent anyway",
    "event_oversize": "the event is above the size that Profile keeps; it leaves, without the paths that oversize_drop names",
    "date_ambiguous": "text such as 03/11/2019 in a date field, read with the month first as Data Prep does",
    "map_value_as_json": "an object or array in a map of text became JSON text, as AEP takes only text there",
}
"""Every ``code`` of a finding that does not keep the event from leaving."""


def rejection_of(violations: Sequence[EventFinding]) -> Rejected:
    """One rejection for what the schema check found: the first code, every path and reason."""
    said = "; ".join(f"{violation.path}: {violation.reason}" for violation in violations[:MAX_VIOLATIONS])
    return Rejected(Stage.CHECK, violations[0].code, said)
