"""Changes of the Schema Registry's resources: create, replace, patch, delete; each is stamped and noted in the change log.

Sources: AEP docs, xdm/api/*; OpenAPI schema-registry.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from bridge.emulators.adobe.platform.calls import Reply
from bridge.emulators.adobe.platform.patches import PatchError, patched
from bridge.emulators.adobe.platform.registry.evolution import check_evolution, users_of
from bridge.emulators.adobe.platform.registry.resource_rules import check_resource, made_resource
from bridge.emulators.adobe.platform.registry.resources import BASE, found_resource
from bridge.emulators.adobe.platform.registry.rules import (
    refused,
)
from bridge.emulators.adobe.platform.registry.standard import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bridge.emulators.adobe.platform.calls import Call, Route
    from bridge.emulators.adobe.platform.sandbox import Sandbox

_WRITTEN: Final = ("fieldgroups", "mixins", "schemas", "classes", "datatypes")


def routes() -> Iterator[Route]:
    """The routes that change resources."""
    for kind in _WRITTEN:
        yield "POST", f"{BASE}/{{container}}/{kind}", _create
        yield "PUT", f"{BASE}/{{container}}/{kind}/{{id}}", _replace
        yield "PATCH", f"{BASE}/{{container}}/{kind}/{{id}}", _patch
        yield "DELETE", f"{BASE}/{{container}}/{kind}/{{id}}", _delete


def _own(call: Call) -> dict[str, Any]:
    if call.parts["container"] != "tenant":
        raise refused("XDM-1002", "Resources of the global container cannot be changed")
    return found_resource(call)


def _create(call: Call) -> Reply:
    if call.parts["container"] != "tenant":
        raise refused("XDM-1002", "Resources of the global container cannot be changed")
    kind = KINDS[call.path.rstrip("/").rpartition("/")[2]]
    sandbox = call.sandbox
    sent = call.document()
    digits = sandbox.hexadecimal(32)
    made = made_resource(sandbox, sent, kind, f"https://ns.adobe.com/{sandbox.tenant}/{kind}/{digits}")
    made["meta:altId"] = f"_{sandbox.tenant}.{kind}.{digits}"
    made["version"] = "1.0"
    check_resource(sandbox, made, None)
    _stamp(sandbox, made, created=True, by=call.client_id)
    sandbox.resources[made["$id"]] = made
    _note(sandbox, made, "add")
    return Reply(201, made)


def _replace(call: Call) -> Reply:
    before = _own(call)
    after = made_resource(call.sandbox, call.document(), before["meta:resourceType"], before["$id"])
    return _changed(call, before, after)


def _patch(call: Call) -> Reply:
    before = _own(call)
    try:
        after = patched(before, call.body())
    except PatchError as error:
        raise refused("XDM-1601", str(error), title="Invalid patch") from None
    after = made_resource(call.sandbox, after, before["meta:resourceType"], before["$id"])
    return _changed(call, before, after)


def _changed(call: Call, before: dict[str, Any], after: dict[str, Any]) -> Reply:
    sandbox = call.sandbox
    wanted = call.headers.get("If-Match")
    tag = before["meta:registryMetadata"]["eTag"]
    if sandbox.oddities.registry_if_match == "checked" and wanted and wanted.strip('"') not in (tag, "*"):
        raise refused("XDM-1530", "If-Match does not fit", status=412, title="Precondition failed")
    after["meta:altId"] = before["meta:altId"]
    after["meta:registryMetadata"] = dict(before["meta:registryMetadata"])
    check_resource(sandbox, after, before)
    check_evolution(sandbox, before, after)
    major, _, minor = before["version"].partition(".")
    after["version"] = f"{major}.{int(minor) + 1}"
    _stamp(sandbox, after, created=False, by=call.client_id)
    sandbox.resources[before["$id"]] = after
    if after["meta:resourceType"] in ("mixins", "classes", "datatypes"):
        for schema in users_of(sandbox, before["$id"]):
            _stamp(sandbox, schema, created=False, by=call.client_id)
    _note(sandbox, after, "update")
    return Reply(200, after)


def _delete(call: Call) -> Reply:
    found, sandbox = _own(call), call.sandbox
    if found["meta:resourceType"] == "schemas":
        if "union" in (found.get("meta:immutableTags") or ()):
            raise refused("XDM-1526", "A schema that is enabled for Profile cannot be deleted", title="Immutable tag")
        if sandbox.schema_is_used(found["$id"]):
            raise refused("XDM-1501", "The schema is used by a dataset", title="Resource in use")
    elif users_of(sandbox, found["$id"]):
        raise refused("XDM-1501", "The resource is used by a schema", title="Resource in use")
    del sandbox.resources[found["$id"]]
    for identifier in [
        one for one, each in sandbox.descriptors.items() if each.get("xdm:sourceSchema") == found["$id"]
    ]:
        del sandbox.descriptors[identifier]
    _note(sandbox, found, "delete")
    return Reply(204)


def _stamp(sandbox: Sandbox, made: dict[str, Any], *, created: bool, by: str) -> None:
    now = sandbox.now_ms()
    known = made.get("meta:registryMetadata") or {}
    made["meta:registryMetadata"] = known | {
        "repo:createdDate": now if created else known.get("repo:createdDate", now),
        "repo:lastModifiedDate": now,
        "xdm:createdClientId": by,
        "xdm:lastModifiedClientId": by,
        "eTag": sandbox.hexadecimal(64),
        "meta:globalLibVersion": "1.0",
    }


def _note(sandbox: Sandbox, one: Mapping[str, Any], action: str) -> None:
    when = datetime.fromtimestamp(sandbox.clock(), UTC).strftime("%m-%d-%Y %H:%M:%S")
    sandbox.audit.append({"id": one["$id"], "xdmType": one["meta:resourceType"], "action": action, "updatedTime": when})
