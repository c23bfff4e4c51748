"""Schema Registry's resources: list, look up, create, replace, patch, delete; tenant and change log.

Base ``/data/foundation/schemaregistry``. Sources: AEP docs, xdm/api/*; OpenAPI schema-registry.
"""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from bridge.emulators.adobe.platform.calls import Refused, Reply, problem
from bridge.emulators.adobe.platform.filters import UnknownOperator, kept
from bridge.emulators.adobe.platform.patches import PatchError, patched
from bridge.emulators.adobe.platform.registry.accept import accept_of
from bridge.emulators.adobe.platform.registry.descriptors import descriptors_of
from bridge.emulators.adobe.platform.registry.resolving import UnknownReference, resolved, resource, without_texts
from bridge.emulators.adobe.platform.registry.rules import (
    breaking_change,
    check_custom_fields,
    check_same_types,
    completed,
    refused,
)
from bridge.emulators.adobe.platform.registry.standard import KINDS, standard

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bridge.emulators.adobe.platform.calls import Call, Route
    from bridge.emulators.adobe.platform.registry.accept import Accept
    from bridge.emulators.adobe.platform.sandbox import Sandbox

BASE: Final = "/data/foundation/schemaregistry"
_MOST_LISTED: Final = 300
"""A list without paging parameters gives up to so many."""
_SERVER: Final = frozenset({"$id", "meta:altId", "version", "meta:registryMetadata", "meta:resourceType"})
_WRITTEN: Final = ("fieldgroups", "mixins", "schemas", "classes", "datatypes")


def routes() -> Iterator[Route]:
    """The routes of this API."""
    yield "GET", f"{BASE}/stats", _stats
    yield "GET", f"{BASE}/rpc/auditlog/{{id}}", _audit_log
    for kind in KINDS:
        yield "GET", f"{BASE}/{{container}}/{kind}", _list
        yield "GET", f"{BASE}/{{container}}/{kind}/{{id}}", _look_up
    for kind in _WRITTEN:
        yield "POST", f"{BASE}/{{container}}/{kind}", _create
        yield "PUT", f"{BASE}/{{container}}/{kind}/{{id}}", _replace
        yield "PATCH", f"{BASE}/{{container}}/{kind}/{{id}}", _patch
        yield "DELETE", f"{BASE}/{{container}}/{kind}/{{id}}", _delete


def _stats(call: Call) -> Reply:
    sandbox = call.sandbox
    counts = {"schemas": 0, "mixins": 0, "datatypes": 0, "classes": 0, "unions": 0}
    for one in sandbox.resources.values():
        counts[one["meta:resourceType"]] += 1
    newest = [*sandbox.resources.values()][-10:]
    recent = [{key: one[key] for key in ("title", "$id", "meta:altId", "version")} for one in reversed(newest)]
    return Reply(
        200,
        {
            "imsOrg": sandbox.org_id,
            "tenantId": sandbox.tenant,
            "counts": counts,
            "recentlyCreatedResources": recent,
            "recentlyUpdatedResources": recent,
            "classUsage": {},
        },
    )


def _audit_log(call: Call) -> Reply:
    found = _found(call)
    return Reply(200, [one for one in call.sandbox.audit if one["id"] == found["$id"]])


def _list(call: Call) -> Reply:
    accept = accept_of(call, lookup=False)
    kind = KINDS[call.path.rstrip("/").rpartition("/")[2]]
    return page(call, [one for one in _library(call).values() if one["meta:resourceType"] == kind], accept)


def page(call: Call, rows: Sequence[Mapping[str, Any]], accept: Accept) -> Reply:
    """A list as the registry pages it: ``_page.next`` is a value of the sort key."""
    try:
        found = kept(rows, call.all("property"), commas=False)
    except UnknownOperator as error:
        raise refused("XDM-1005", f"property={error} cannot be read") from None
    start, order = call.one("start"), call.one("orderby")
    limit = call.number("limit", _MOST_LISTED, least=1, most=500)
    if start is not None and order is None and call.sandbox.oddities.registry_paging == "needs_orderby":
        found = []
    key, downwards = (order or "$id").lstrip("-+"), (order or "").startswith("-")
    found.sort(key=lambda one: str(one.get(key, "")), reverse=downwards)
    if start is not None and order is not None:
        found = [
            one for one in found if (str(one.get(key, "")) <= start if downwards else str(one.get(key, "")) >= start)
        ]
    following = str(found[limit].get(key, "")) if len(found) > limit else None
    shown = found[:limit]
    document = {
        "results": [_form(call.sandbox, one, accept) for one in shown],
        "_page": {"orderby": key, "next": following, "count": len(shown)},
        "_links": {
            "next": {
                "href": None if following is None else f"{call.path}?orderby={key}&start={following}&limit={limit}"
            }
        },
    }
    return Reply(200, document)


def _look_up(call: Call) -> Reply:
    accept = accept_of(call, lookup=True)
    return Reply(200, _form(call.sandbox, _found(call), accept))


def _form(sandbox: Sandbox, one: Mapping[str, Any], accept: Accept) -> dict[str, Any]:
    if accept.has("id"):
        return {key: one[key] for key in ("$id", "meta:altId", "version", "title") if key in one}
    shown = resolved(sandbox, one) if accept.has("full") else copy.deepcopy(dict(one))
    if accept.has("desc"):
        shown["meta:descriptors"] = descriptors_of(sandbox, one["$id"])
    bare: dict[str, Any] = without_texts(shown) if accept.has("notext") else shown
    return bare


def _library(call: Call) -> Mapping[str, dict[str, Any]]:
    container = call.parts["container"]
    if container == "global":
        return standard()
    if container == "tenant":
        return call.sandbox.resources
    raise refused("XDM-1010", f"There is no container {container}", status=404, title="Not found")


def _found(call: Call) -> dict[str, Any]:
    found = resource(call.sandbox, call.parts["id"])
    container = call.parts.get("container")
    if found is None or (container == "tenant" and found["$id"] not in call.sandbox.resources):
        raise refused(
            "XDM-1010",
            f"The requested resource {call.parts['id']} is not found",
            status=404,
            title="Resource not found",
        )
    return found


def _own(call: Call) -> dict[str, Any]:
    if call.parts["container"] != "tenant":
        raise refused("XDM-1002", "Resources of the global container cannot be changed")
    return _found(call)


def _create(call: Call) -> Reply:
    if call.parts["container"] != "tenant":
        raise refused("XDM-1002", "Resources of the global container cannot be changed")
    kind = KINDS[call.path.rstrip("/").rpartition("/")[2]]
    sandbox = call.sandbox
    sent = call.document()
    digits = sandbox.hexadecimal(32)
    made = _made(sandbox, sent, kind, f"https://ns.adobe.com/{sandbox.tenant}/{kind}/{digits}")
    made["meta:altId"] = f"_{sandbox.tenant}.{kind}.{digits}"
    made["version"] = "1.0"
    _check(sandbox, made, None)
    _stamp(sandbox, made, created=True, by=call.client_id)
    sandbox.resources[made["$id"]] = made
    _note(sandbox, made, "add")
    return Reply(201, made)


def _made(sandbox: Sandbox, sent: Mapping[str, Any], kind: str, identifier: str) -> dict[str, Any]:
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


def _check(sandbox: Sandbox, made: Mapping[str, Any], replaced: Mapping[str, Any] | None) -> None:
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


def _replace(call: Call) -> Reply:
    before = _own(call)
    after = _made(call.sandbox, call.document(), before["meta:resourceType"], before["$id"])
    return _changed(call, before, after)


def _patch(call: Call) -> Reply:
    before = _own(call)
    try:
        after = patched(before, call.body())
    except PatchError as error:
        raise refused("XDM-1601", str(error), title="Invalid patch") from None
    after = _made(call.sandbox, after, before["meta:resourceType"], before["$id"])
    return _changed(call, before, after)


def _changed(call: Call, before: dict[str, Any], after: dict[str, Any]) -> Reply:
    sandbox = call.sandbox
    wanted = call.headers.get("If-Match")
    tag = before["meta:registryMetadata"]["eTag"]
    if sandbox.oddities.registry_if_match == "checked" and wanted and wanted.strip('"') not in (tag, "*"):
        raise refused("XDM-1530", "If-Match does not fit", status=412, title="Precondition failed")
    after["meta:altId"] = before["meta:altId"]
    after["meta:registryMetadata"] = dict(before["meta:registryMetadata"])
    _check(sandbox, after, before)
    _check_evolution(sandbox, before, after)
    major, _, minor = before["version"].partition(".")
    after["version"] = f"{major}.{int(minor) + 1}"
    _stamp(sandbox, after, created=False, by=call.client_id)
    sandbox.resources[before["$id"]] = after
    if after["meta:resourceType"] in ("mixins", "classes", "datatypes"):
        for schema in users_of(sandbox, before["$id"]):
            _stamp(sandbox, schema, created=False, by=call.client_id)
    _note(sandbox, after, "update")
    return Reply(200, after)


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


def _check_evolution(sandbox: Sandbox, before: dict[str, Any], after: dict[str, Any]) -> None:
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


def is_for_profile(sandbox: Sandbox, schema_id: str) -> bool:
    """Whether a schema carries the union tag."""
    return "union" in (sandbox.resources.get(schema_id, {}).get("meta:immutableTags") or ())
