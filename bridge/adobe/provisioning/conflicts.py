"""Conflicts of the same kind for every object: several that fit, and one that the settings name and nobody finds. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge.adobe.provisioning.steps import Action, Kind, Step
from bridge.settings import variable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.adobe.provisioning.observed import Observed


def several(kind: Kind, name: str, found: Sequence[Any], setting: str, by_id: str = "") -> Step | None:
    """The conflict where more than one fits; ``setting``: gives another name, ``by_id``: names the one that is meant."""
    if len(found) < 2:
        return None
    ids = ", ".join(one.identifier for one in found)
    choose = f"set {by_id}  to the right one, " if by_id else ""
    return Step(
        kind,
        name,
        Action.CONFLICT,
        todo=f"there are {len(found)} that fit ({ids}): rename or delete all but one in AEP, {choose}or set {setting} to"
        " another name",
    )


def not_found(kind: Kind, name: str, observed: Observed, section: str, key: str) -> Step | None:
    """The conflict where the settings name an id that AEP does not have."""
    if f"{section}.{key}" not in observed.not_found:
        return None
    return Step(
        kind,
        name,
        Action.CONFLICT,
        todo=f"{variable(section, key)} names one that is not in this sandbox, or that a label hides from the credential:"
        " correct it, or unset it to have one found by its name or created",
    )
