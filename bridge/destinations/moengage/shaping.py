"""What a mapping set gave of one event, as encoded elements that may leave, or the reason why the event may not. Pure.

An event leaves whole or not at all: one element that MoEngage would refuse keeps the others, and the dead letter names it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bridge.destinations.moengage.elements import NO_RULES, Element, NullRules, elements_of
from bridge.destinations.moengage.encoding import encode
from bridge.destinations.moengage.remarks import Remark, Report, rejection_of
from bridge.model.verdicts import Rejected

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from bridge.destinations.moengage.checks import Checks


class Shaped(NamedTuple):
    """``items``: the encoded elements in their order, none where there is a ``rejection``; ``findings`` do not keep it."""

    items: Sequence[bytes]
    elements: Sequence[Element]
    rejection: Rejected | None
    findings: Sequence[Remark]


class Shaper:
    """Shapes events by one workspace's rules.

    ``most_bytes``: of a request; ``reject``: what MoEngage would silently cut or drop refuses the event.
    """

    def __init__(self, checks: Checks, *, most_bytes: int, nulls: NullRules = NO_RULES, reject: bool = False) -> None:
        self._checks = checks
        self._most_bytes = most_bytes
        self._nulls = nulls
        self._reject = reject

    def shape(self, mapped: Mapping[str, Any], failed: Collection[str] = ()) -> Shaped:
        """``failed``: attributes of the user whose rows failed. Nothing that it is given is changed."""
        elements, wrong = elements_of(mapped, self._nulls, failed)
        report = Report(refused=wrong)
        for element in elements:
            self._checks.look(element, report)
        if report.refused:
            return Shaped((), elements, rejection_of(report.refused), report.findings)
        if self._reject and report.findings:
            return Shaped((), elements, rejection_of(report.findings), ())
        items: list[bytes] = []
        for element in elements:
            item = encode(element, self._most_bytes)
            if isinstance(item, Rejected):
                return Shaped((), elements, item, report.findings)
            items.append(item)
        return Shaped(items, elements, None, report.findings)
