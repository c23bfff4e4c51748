"""A proposal held to the sample events: rows that would get one of them refused or would only warn are taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.mapping.proposal import Proposal, without_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.mapping.event_verdicts import Verdicts
    from bridge.mapping.samples import Samples
    from bridge.mapping.table import MappingSet

_NEEDED: Final = frozenset({"_id", "timestamp"})
_ROUNDS: Final = 20


def settle(proposal: Proposal, samples: Samples, judge: Callable[[MappingSet], Verdicts]) -> tuple[Proposal, Verdicts]:
    """Take back rows until no event is refused or lessened because of one; what no row causes stays in the verdicts."""
    for _ in range(_ROUNDS):
        verdicts = judge(proposal.mapping_set)
        needed = {
            row.row
            for row in proposal.mapping_set.rows
            if row.destination in _NEEDED or "identityMap" in row.destination
        }
        faults = {
            group.row: f"{group.count} of {verdicts.events} events: {group.reason}"
            for group in verdicts.groups
            if group.outcome != "noted" and group.row and group.row not in needed
        }
        if not faults:
            return proposal, verdicts
        proposal = without_rows(proposal, faults, samples)
    return proposal, judge(proposal.mapping_set)
