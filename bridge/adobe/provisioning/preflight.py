"""Before anything is planned or done: may this credential do it, in this sandbox, and where to click when it may not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bridge.adobe.access import effective_policies, sandboxes
from bridge.adobe.pages import text
from bridge.adobe.provisioning.steps import Kind
from bridge.adobe.refusals import ROLE, PlatformError
from bridge.model.errors import BridgeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bridge.adobe.client import PlatformClient
    from bridge.adobe.provisioning.steps import Step

SYNC_REGION: Final = "VA7"
"""The only data centre that validates while one waits (Adobe: streaming-validation)."""

_NEEDED: Final[Mapping[Kind, tuple[str, str]]] = {
    Kind.NAMESPACE: ("/permissions/manage-identity-namespaces", "Identity Management: Manage Identity Namespaces"),
    Kind.FIELD_GROUP: ("/permissions/manage-schemas", "Data Modeling: Manage Schemas"),
    Kind.SCHEMA: ("/permissions/manage-schemas", "Data Modeling: Manage Schemas"),
    Kind.PROFILE: ("/permissions/manage-schemas", "Data Modeling: Manage Schemas"),
    Kind.DATASET: ("/permissions/manage-datasets", "Data Management: Manage Datasets"),
    Kind.ACCOUNT: ("/permissions/manage-sources", "Data Ingestion: Manage Sources"),
    Kind.SOURCE: ("/permissions/manage-sources", "Data Ingestion: Manage Sources"),
    Kind.TARGET: ("/permissions/manage-sources", "Data Ingestion: Manage Sources"),
    Kind.MAPPING_SET: ("/permissions/manage-sources", "Data Ingestion: Manage Sources"),
    Kind.DATAFLOW: ("/permissions/manage-sources", "Data Ingestion: Manage Sources"),
}
"""Kind of step -> permission of a role, and where it stands in the role's editor (AEP docs: access-control/home)."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line: ``ok`` is None where it cannot be told; ``todo`` says what to do where it is False."""

    name: str
    ok: bool | None
    words: str
    todo: str = ""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """The sandbox of the settings; "" for what AEP does not say."""

    name: str
    kind: str
    region: str

    @property
    def validates_at_once(self) -> bool | None:
        """Whether ``syncValidation`` is to be had; None where the region is not known."""
        return self.region == SYNC_REGION if self.region else None


class NotAllowed(BridgeError):  # noqa: N818 - it says what the credential is
    """The credential may not do what is to be done."""


async def find_sandbox(client: PlatformClient, name: str) -> Sandbox:
    """The sandbox of that name. Raises ``NotAllowed`` where the credential has none such, ``BridgeError`` where it is not active."""
    listed = await sandboxes(client)
    found: Any = next((one for one in listed if text(one, "name") == name), None)
    if found is None:
        names = ", ".join(text(one, "name") for one in listed) or "none"
        raise NotAllowed(
            f"the credential has no access to a sandbox {name}; it has: {names}",
            hint=f"BRIDGE_AEP__SANDBOX names the sandbox (in small letters). {ROLE}",
        )
    state = text(found, "state")
    if state and state != "active":
        raise BridgeError(
            f"the sandbox {name} is {state}", hint="wait until it is active (Sandboxes, in AEP), then run this again"
        )
    return Sandbox(name, text(found, "type"), text(found, "region").upper())


async def permissions(client: PlatformClient, steps: Iterable[Step]) -> list[Check]:
    """The permissions that these steps need, each once."""
    needed = dict.fromkeys(_NEEDED[step.kind] for step in steps if step.kind in _NEEDED)
    return await allowed(client, [*needed]) if needed else []


async def allowed(client: PlatformClient, needed: Sequence[tuple[str, str]]) -> list[Check]:
    """For each permission (name, place in the role's editor) whether the credential has it."""
    try:
        granted = await effective_policies(client, [name for name, _ in needed])
    except PlatformError as error:
        if error.status not in (400, 403, 404):
            raise
        # Adobe's documents ask for an administrator here, and leave open whether a technical account may call it.
        return [Check("permissions", None, f"cannot be asked for with this credential ({error.status})")]
    found = []
    for name, place in needed:
        words = place.partition(": ")[2]
        if name in granted:
            found.append(Check("permission", ok=True, words=words))
        else:
            todo = (
                f"Experience Platform: Permissions, Roles, a role that covers the sandbox: add {place}, and in the tab API"
                " credentials this credential"
            )
            found.append(Check("permission", ok=False, words=f"{words} is missing", todo=todo))
    return found
