"""What becomes of one event up to its encoding, in the worker's order: built, encoded, measured.

The worker does the same inline by the chunk (:mod:`bridge.worker.chunk_mapping`); this is for who judges events before anything
runs. A property test holds the two to the same verdicts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge.model.verdicts import Rejected, Stage
from bridge.xdm.experience_event import Built
from bridge.xdm.problems import EventFinding

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bridge.xdm.size import SizeRule


def departing(
    build: Callable[[dict[str, Any]], Built],
    rule: SizeRule,
    encode: Callable[[Mapping[str, Any]], bytes | Rejected],
) -> Callable[[dict[str, Any]], Built]:
    """Give a function that builds an event and says whether it would leave: ``rejection`` is that of any of the steps."""

    def depart(event: dict[str, Any]) -> Built:
        built = build(event)
        if built.rejection is not None:
            return built
        encoded = encode(built.xdm)
        if isinstance(encoded, Rejected):
            return built._replace(rejection=encoded)
        over = rule.check(built.xdm, len(encoded))
        if over is None:
            return built
        if over.rejection is not None:
            return built._replace(rejection=over.rejection)
        what = f", so {', '.join(over.dropped)} was left out" if over.dropped else ""
        said = EventFinding(
            "#", "event_oversize", f"{over.size} bytes of XDM JSON; Profile keeps up to {over.limit}{what}"
        )
        again = encode(over.xdm)
        rejection = again if isinstance(again, Rejected) else None
        return built._replace(xdm=over.xdm, findings=(*built.findings, said), rejection=rejection)

    def safe(event: dict[str, Any]) -> Built:
        try:
            return depart(event)
        except Exception as error:  # noqa: BLE001 - the worker makes a dead letter of it, too
            return Built({}, (), (), Rejected(Stage.MAP, "internal_error", f"unexpected {type(error).__name__}"))

    return safe
