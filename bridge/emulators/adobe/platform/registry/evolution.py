"""How a resource of the Schema Registry may change once a schema is in use: additively only; and what "in use" means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge.emulators.adobe.platform.calls import Refused, Reply, problem
from bridge.emulators.adobe.platform.registry.resolving import UnknownReference, resolved
from bridge.emulators.adobe.platform.registry.rules import (
    breaking_change,
    refused,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.emulators.adobe.platform.sandbox import Sandbox


def users_of(sandbox: Sandbox, identifier: str) -> list[dict[str, Any]]:
    """The schemas that are composed of a resource."""
    return [
        one
        for one in sandbox.resources.values()
        if one["meta:resourceType"] == "schemas" and identifier in one.get("meta:extends", ())
    ]


def is_locked(sandbox: Sandbox, schema: Mapping[str, Any]) -> bool:
    """Whether a schema takes additive changes only."""
    if "union" in (schema.get("meta:immutableTags") or ()):
        return True
    if sandbox.oddities.evolution_locks == "dataset":
        return sandbox.schema_is_used(schema["$id"])
    return sandbox.schema_has_data(schema["$id"])


def is_for_profile(sandbox: Sandbox, schema_id: str) -> bool:
    """Whether a schema carries the union tag."""
    return "union" in (sandbox.resources.get(schema_id, {}).get("meta:immutableTags") or ())


def check_evolution(sandbox: Sandbox, before: dict[str, Any], after: dict[str, Any]) -> None:
    """Refuse a change that breaks a schema in use. Raises ``Refused``."""
    schemas = [before] if before["meta:resourceType"] == "schemas" else users_of(sandbox, before["$id"])
    locked = [one for one in schemas if is_locked(sandbox, one)]
    if not locked:
        return
    try:
        fault = breaking_change(resolved(sandbox, before), resolved(sandbox, after))
    except UnknownReference as error:
        raise refused("XDM-1010", f"The reference {error} is not found", title="Unknown reference") from None
    if fault is not None:
        code = sandbox.oddities.breaking_change_code
        detail = f"{fault}, and {locked[0]['$id']} is in use: only additive changes are allowed"
        status = int(code.rpartition("-")[2])
        raise Refused(Reply(status, problem("aep", code, status, detail, title="Breaking change")))
