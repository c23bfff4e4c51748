"""What a resource that somebody sends is completed by, and held to, before the Schema Registry stores it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bridge.emulators.adobe.platform.registry.descriptors import descriptors_of
from bridge.emulators.adobe.platform.registry.resolving import UnknownReference, resolved, resource
from bridge.emulators.adobe.platform.registry.rules import (
    check_custom_fields,
    check_same_types,
    completed,
    refused,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.emulators.adobe.platform.sandbox import Sandbox

_SERVER: Final = frozenset({"$id", "meta:altId", "version", "meta:registryMetadata", "meta:resourceType"})


def made_resource(sandbox: Sandbox, sent: Mapping[str, Any], kind: str, identifier: str) -> dict[str, Any]:
    """The resource as it is stored, without version and registry metadata. Raises ``Refused``."""
    made: dict[str, Any] = {"$id": identifier, "meta:resourceType": kind, "type": "object"}
    made |= completed({key: value for key, value in sent.items() if key not in _SERVER})
    made |= {
        "meta:xdmType": "object",
        "meta:extensible": kind != "schemas",
        "meta:abstract": kind != "schemas",
        "meta:containerId": "tenant",
        "meta:tenantNamespace": f"_{sandbox.tenant}",
        "meta:sandboxId": sandbox.name,
        "meta:sandboxType": sandbox.kind,
        "imsOrg": sandbox.org_id,
    }
    made.setdefault("description", "")
    if kind == "schemas":
        _describe_schema(sandbox, made)
    return made


def _describe_schema(sandbox: Sandbox, made: dict[str, Any]) -> None:
    """Set ``meta:class`` and ``meta:extends`` from what the schema is composed of."""
    extended: list[str] = []
    classes: list[str] = []
    for part in made.get("allOf") or ():
        reference = part.get("$ref") if isinstance(part, dict) else None
        found = resource(sandbox, reference) if isinstance(reference, str) else None
        if found is None:
            raise refused("XDM-1010", f"The resource {reference} of allOf is not found", title="Unknown reference")
        part |= {"$ref": found["$id"], "type": "object", "meta:xdmType": "object"}
        if found["meta:resourceType"] == "classes":
            classes.append(found["$id"])
        extended += [found["$id"], *(found.get("meta:extends") or ())]
    if len(classes) != 1:
        raise refused("XDM-1503", "A schema has exactly one class in allOf", title="Schema without class")
    made["meta:class"] = classes[0]
    made["meta:extends"] = list(dict.fromkeys(extended))


def check_resource(sandbox: Sandbox, made: Mapping[str, Any], replaced: Mapping[str, Any] | None) -> None:
    """Hold a resource to the registry's rules; ``replaced``: as it was before. Raises ``Refused``."""
    title = made.get("title")
    if not isinstance(title, str) or not title.strip():
        raise refused("XDM-1519", "title is required", title="Title missing")
    for other in sandbox.resources.values():
        if other["title"] == title and other["$id"] != made["$id"]:
            raise refused(
                "XDM-1521",
                f"The title '{title}' is not unique: it is used by {other['$id']}",
                title="Title not unique",
            )
    try:
        if made["meta:resourceType"] != "schemas":
            check_custom_fields(sandbox, made)
        else:
            if made.get("properties"):
                raise refused("XDM-1520", "A schema has no properties of its own; put them into a field group")
            check_same_types(sandbox, made, made["$id"])
    except UnknownReference as error:
        raise refused("XDM-1010", f"The reference {error} is not found", title="Unknown reference") from None
    tags = made.get("meta:immutableTags") or []
    gone = set((replaced or {}).get("meta:immutableTags") or []) - set(tags)
    if gone:
        raise refused("XDM-1526", f"The tag {', '.join(sorted(gone))} is immutable", title="Immutable tag")
    if "union" in tags and made["meta:resourceType"] == "schemas":
        _check_union(sandbox, made)


def _check_union(sandbox: Sandbox, made: Mapping[str, Any]) -> None:
    has_map = "identityMap" in resolved(sandbox, made)["properties"]
    has_primary = any(
        one["@type"] == "xdm:descriptorIdentity" and one.get("xdm:isPrimary")
        for one in descriptors_of(sandbox, made["$id"])
    )
    if not has_map and not has_primary:
        raise refused(
            "XDM-1528", "A schema for Profile needs identityMap or a primary identity descriptor", title="No identity"
        )
