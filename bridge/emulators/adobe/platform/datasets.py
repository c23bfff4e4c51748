"""Catalog's datasets (``/data/foundation/catalog/dataSets``).

Sources: AEP docs, catalog/api/*, catalog/datasets/*, profile/tutorials/dataset-configuration; OpenAPI catalog.
"""

from __future__ import annotations

import copy
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from bridge.emulators.adobe.platform.calls import Reply
from bridge.emulators.adobe.platform.catalog_pages import catalog_error, listed
from bridge.emulators.adobe.platform.patches import PatchError, patched
from bridge.emulators.adobe.platform.registry.evolution import is_for_profile
from bridge.emulators.adobe.platform.registry.resolving import resolved

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bridge.emulators.adobe.platform.calls import Call, Route
    from bridge.emulators.adobe.platform.sandbox import Sandbox

BASE: Final = "/data/foundation/catalog"
_FIXED: Final = frozenset({"created", "createdUser", "createdClient", "imsOrg", "sandboxId", "schemaRef", "version"})


def routes() -> Iterator[Route]:
    """The routes of this API."""
    for name in ("dataSets", "datasets"):
        yield "GET", f"{BASE}/{name}", _list
        yield "POST", f"{BASE}/{name}", _create
        yield "GET", f"{BASE}/{name}/{{id}}", _look_up
        yield "PUT", f"{BASE}/{name}/{{id}}", _replace
        yield "PATCH", f"{BASE}/{name}/{{id}}", _patch
        yield "DELETE", f"{BASE}/{name}/{{id}}", _delete
        yield "PATCH", f"{BASE}/v2/{name}/{{id}}", _merge


def _list(call: Call) -> Reply:
    name, tags = call.one("name"), call.all("tags")

    def fits(one: Mapping[str, Any]) -> bool:
        return (name is None or fnmatchcase(one["name"], _only_stars(name))) and all(_tagged(one, tag) for tag in tags)

    return listed(call, call.sandbox.datasets, fits)


def _only_stars(pattern: str) -> str:
    return pattern.replace("[", "[[]").replace("?", "[?]")


def _tagged(one: Mapping[str, Any], wanted: str) -> bool:
    name, _, value = wanted.partition(":")
    return any(fnmatchcase(str(each), _only_stars(value or "*")) for each in one["tags"].get(name, ()))


def _look_up(call: Call) -> Reply:
    identifier, found = _found(call)
    return Reply(200, {identifier: _shown(call, found)}, {"E-Tag": found["version"]})


def _shown(call: Call, found: Mapping[str, Any]) -> dict[str, Any]:
    if call.one("properties") != "observableSchema":
        return dict(found)
    schema = call.sandbox.resources.get(found["schemaRef"]["id"])
    properties = {} if schema is None else resolved(call.sandbox, schema)["properties"]
    return {"observableSchema": {"type": "object", "meta:xdmType": "object", "properties": properties}}


def _found(call: Call) -> tuple[str, dict[str, Any]]:
    identifier = call.parts["id"]
    found = call.sandbox.datasets.get(identifier)
    if found is None:
        raise catalog_error("CATALOG-1404-404", f"The dataset {identifier} is not found", 404)
    return identifier, found


def _create(call: Call) -> Reply:
    sandbox, sent = call.sandbox, call.document()
    name, reference = sent.get("name"), sent.get("schemaRef")
    if not isinstance(name, str) or not name:
        raise catalog_error("CATALOG-1400-400", "name is required")
    if not isinstance(reference, dict) or not isinstance(reference.get("id"), str):
        raise catalog_error("CATALOG-1400-400", "schemaRef.id is required")
    schema = sandbox.resources.get(reference["id"])
    if schema is None or schema["meta:resourceType"] != "schemas":
        raise catalog_error("CATALOG-1400-400", f"The schema {reference['id']} is not found")
    if sandbox.oddities.dataset_names == "unique" and any(one["name"] == name for one in sandbox.datasets.values()):
        raise catalog_error("CATALOG-1409-409", f"A dataset named {name} exists already", 409)
    tags = sent.get("tags") or {}
    _check_tags(sandbox, tags, reference["id"])
    if "validate-only" in call.headers.get("Pragma", ""):
        return Reply(200, ["@/dataSets/validated"])
    now, identifier = sandbox.now_ms(), sandbox.hexadecimal(24)
    made = copy.deepcopy(sent) | {
        "schemaRef": {"contentType": "application/vnd.adobe.xed+json;version=1"} | reference,
        "tags": {
            "adobe/pqs/table": [_table(name, sandbox.number())],
            "adobe/siphon/table/format": ["delta"],
        }
        | {key: [*values] for key, values in tags.items()},
        "version": "1.0.0",
        "created": now,
        "updated": now,
        "createdClient": call.client_id,
        "createdUser": f"{call.client_id}@techacct.adobe.com",
        "updatedUser": f"{call.client_id}@techacct.adobe.com",
        "imsOrg": sandbox.org_id,
        "sandboxId": sandbox.name,
        "viewId": sandbox.hexadecimal(24),
        "state": "DRAFT",
        "namespace": "ACP",
        "extensions": sent.get("extensions") or {"adobe_lakeHouse": {}, "adobe_unifiedProfile": {}},
        "files": f"@/dataSetFiles?dataSetId={identifier}",
        "classification": {"dataBehavior": _behaviour(schema), "managedBy": "CUSTOMER"},
    }
    sandbox.datasets[identifier] = made
    return Reply(201, [f"@/dataSets/{identifier}"], {"Location": f"{BASE}/dataSets/{identifier}"})


def _behaviour(schema: Mapping[str, Any]) -> str:
    return "time-series" if "https://ns.adobe.com/xdm/data/time-series" in schema["meta:extends"] else "record"


def _table(name: str, number: int) -> str:
    word = "".join(each if each.isalnum() and each.isascii() else "_" for each in name.lower())
    return f"{word}_{number}"


def _check_tags(sandbox: Sandbox, tags: Any, schema_id: str) -> None:
    if not isinstance(tags, dict) or not all(isinstance(value, list) for value in tags.values()):
        raise catalog_error("CATALOG-1400-400", "tags is an object of lists")
    # The docs write "enabled:true", a sample of OpenAPI writes a space: both are read.
    enabled = any(str(one).replace(" ", "").lower() == "enabled:true" for one in tags.get("unifiedProfile", ()))
    if enabled and not is_for_profile(sandbox, schema_id):
        raise catalog_error(
            sandbox.oddities.dataset_without_union, f"The schema {schema_id} is not enabled for Profile (tag union)"
        )


def _replace(call: Call) -> Reply:
    identifier, before = _found(call)
    sent = call.document()
    return _changed(
        call, identifier, before, {key: before[key] for key in before if key in _FIXED} | _free(sent, before)
    )


def _patch(call: Call) -> Reply:
    identifier, before = _found(call)
    body = call.body()
    if isinstance(body, list):
        try:
            after = patched(before, body)
        except PatchError as error:
            raise catalog_error("CATALOG-1400-400", str(error)) from None
        return _changed(call, identifier, before, before | _free(after, before))
    return _changed(call, identifier, before, before | _free(body, before))


def _merge(call: Call) -> Reply:
    identifier, before = _found(call)
    return _changed(call, identifier, before, before | _free(_deep(before, call.document()), before))


def _deep(left: Any, right: Any) -> Any:
    if isinstance(left, dict) and isinstance(right, dict):
        return left | {key: _deep(left.get(key), value) for key, value in right.items()}
    return right


def _free(sent: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """What may change of what was sent; a dataset keeps its schema."""
    reference = sent.get("schemaRef")
    if reference is not None and reference.get("id") != before["schemaRef"]["id"]:
        raise catalog_error("CATALOG-1400-400", "The schema of a dataset cannot be changed")
    return {key: value for key, value in sent.items() if key not in _FIXED}


def _changed(call: Call, identifier: str, before: dict[str, Any], after: dict[str, Any]) -> Reply:
    sandbox = call.sandbox
    wanted = call.headers.get("If-Match")
    if wanted is not None and wanted.strip('"') not in (before["version"], "*"):
        raise catalog_error("CATALOG-1412-412", f"If-Match {wanted} does not fit version {before['version']}", 412)
    _check_tags(sandbox, after.get("tags") or {}, before["schemaRef"]["id"])
    if "validate-only" in call.headers.get("Pragma", ""):
        return Reply(200, [f"@/dataSets/{identifier}"])
    major, minor, patch = before["version"].split(".")
    after |= {"version": f"{major}.{minor}.{int(patch) + 1}", "updated": sandbox.now_ms()}
    sandbox.datasets[identifier] = after
    return Reply(200, [f"@/dataSets/{identifier}"], {"E-Tag": after["version"]})


def _delete(call: Call) -> Reply:
    identifier = call.parts["id"]
    # An unknown id is answered 200 with an empty array.
    if call.sandbox.datasets.pop(identifier, None) is None:
        return Reply(200, [])
    call.sandbox.stores.pop(identifier, None)
    return Reply(200, [f"@/dataSets/{identifier}"])
