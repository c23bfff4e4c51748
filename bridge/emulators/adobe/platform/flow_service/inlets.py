"""What the collection service has to know of an inlet that Flow Service made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bridge.emulators.adobe.platform.flow_service.flows import targets_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bridge.emulators.adobe.platform.flow_service.flows import Target
    from bridge.emulators.adobe.platform.sandbox import Sandbox


@dataclass(frozen=True, slots=True)
class Connected:
    """An inlet with its dataflows by id."""

    sandbox: Sandbox
    inlet_id: str
    payload: Literal["xdm", "raw"]
    authenticated: bool
    targets: Mapping[str, Target]


def connected(sandboxes: Iterable[Sandbox], inlet_id: str) -> Connected | None:
    """The inlet of that id, in whichever sandbox."""
    for sandbox in sandboxes:
        for one in sandbox.flow_service["connections"].values():
            params = (one.get("auth") or {}).get("params") or {}
            if params.get("inletId") == inlet_id:
                return Connected(
                    sandbox,
                    inlet_id,
                    "raw" if params.get("dataType") == "raw" else "xdm",
                    bool(params.get("authenticationRequired")),
                    targets_of(sandbox, inlet_id),
                )
    return None
