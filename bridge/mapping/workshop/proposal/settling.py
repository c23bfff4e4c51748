"""A proposal held to the sample events: rows that would get one of them refused or would only warn are taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.mapping.workshop.proposal.rows import covers
from bridge.mapping.workshop.proposal.rows_proposed import Proposal, without_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.mapping.sets.mapping_set import MappingSet
    from bridge.mapping.workshop.event_verdicts import Group, Verdicts
    from bridge.mapping.workshop.samples import Samples

_NEEDED: Final = frozenset({"_id", "timestamp", "identityMap"})
_ROUNDS: Final = 20
_LACKING: Final = "DCVS-1106"


def settle(proposal: Proposal, samples: Samples, judge: Callable[[MappingSet], Verdicts]) -> tuple[Proposal, Verdicts]:
    """Take back rows until no event is refused or lessened because of one; what no row causes stays in the verdicts."""
    for _ in range(_ROUNDS):
        verdicts = judge(proposal.mapping_set)
        faults: dict[int, str] = {}
        for group in verdicts.groups:
            # Where some events have what an object requires and others lack it, the object is left out of those alone.
            partly = group.outcome == "lost" and group.code == _LACKING and group.count < verdicts.events
            if group.outcome != "noted" and group.row and not partly:
                reason = f"{group.count} of {verdicts.events} events: {group.reason}"
                faults |= dict.fromkeys(_rows_at(proposal, group), reason)
        if not faults:
            return proposal, verdicts
        proposal = without_rows(proposal, faults, samples)
    return proposal, judge(proposal.mapping_set)


def _rows_at(proposal: Proposal, group: Group) -> list[int]:
    """The rows that write where the group is, the object around it, or below it; not those that every event needs."""
    found = []
    for draft, row in zip(proposal.drafts, proposal.mapping_set.rows, strict=True):
        if draft.field in _NEEDED:
            continue
        if row.row == group.row or covers([draft.field], group.path) or covers([group.path], draft.field):
            found.append(row.row)
    return found
