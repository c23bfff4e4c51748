"""Dataflows: what binds an inlet, a mapping and a dataset; and what the collection service learns of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bridge.emulators.adobe.ingestion.mapped import compile_set
from bridge.emulators.adobe.platform.calls import Reply
from bridge.emulators.adobe.platform.flow_service.connections import found
from bridge.emulators.adobe.platform.flow_service.items import changed, created, etag, listed, new_item
from bridge.emulators.adobe.platform.flow_service.specs import BASE, FLOW_SPECS, WITH_MAPPING, refused
from bridge.mapping.sets.findings import MappingRefused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bridge.emulators.adobe.platform.calls import Call, Route
    from bridge.emulators.adobe.platform.sandbox import Sandbox

_WARM = "_warm_at"
"""Kept with a flow, never shown: the moment (ms) from which on its records are ingested."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a flow takes what its inlet accepts."""

    flow_id: str
    dataset_id: str
    schema_id: str
    mapping: Mapping[str, Any] | None
    warm_at: int
    enabled: bool


def routes() -> Iterator[Route]:
    """The routes of this API."""
    yield "GET", f"{BASE}/flows", _list
    yield "POST", f"{BASE}/flows", _create
    yield "POST", f"{BASE}/flows/search", _search
    yield "GET", f"{BASE}/flows/{{id}}", _look_up
    yield "PATCH", f"{BASE}/flows/{{id}}", _patch
    yield "DELETE", f"{BASE}/flows/{{id}}", _delete
    yield "POST", f"{BASE}/flows/{{id}}/action", _act


def targets_of(sandbox: Sandbox, inlet_id: str) -> dict[str, Target]:
    """The flows of an inlet by id."""
    service = sandbox.flow_service
    bases = {
        one["id"]
        for one in service["connections"].values()
        if one.get("auth", {}).get("params", {}).get("inletId") == inlet_id
    }
    result = {}
    for flow in service["flows"].values():
        source = service["sourceConnections"].get(flow["sourceConnectionIds"][0])
        target = service["targetConnections"].get(flow["targetConnectionIds"][0])
        if source is None or target is None or source["baseConnectionId"] not in bases:
            continue
        dataset_id = target["params"]["dataSetId"]
        dataset = sandbox.datasets.get(dataset_id)
        if dataset is not None:
            result[flow["id"]] = Target(
                flow["id"],
                dataset_id,
                dataset["schemaRef"]["id"],
                _mapping(sandbox, flow),
                flow[_WARM],
                flow["state"] == "enabled",
            )
    return result


def _mapping(sandbox: Sandbox, flow: Mapping[str, Any]) -> Mapping[str, Any] | None:
    for one in flow.get("transformations") or ():
        params = one.get("params") or {}
        versions = sandbox.mapping_sets.get(str(params.get("mappingId")))
        version = int(params.get("mappingVersion") or 0)
        if versions and version < len(versions):
            return versions[version]
    return None


def _shown(sandbox: Sandbox, flow: Mapping[str, Any]) -> dict[str, Any]:
    shown = {key: value for key, value in flow.items() if key != _WARM}
    if shown["state"] == "enabled" and sandbox.now_ms() < flow["createdAt"] + int(sandbox.times.initializing * 1000):
        shown["state"] = "initializing"
    kind = str if sandbox.oddities.mapping_version_type == "string" else int
    shown["transformations"] = [
        one | {"params": one["params"] | {"mappingVersion": kind(one["params"].get("mappingVersion") or 0)}}
        if isinstance(one.get("params"), dict) and "mappingId" in one["params"]
        else one
        for one in flow.get("transformations") or ()
    ]
    service = sandbox.flow_service
    shown["inheritedAttributes"] = {
        f"{name}s": [
            {"id": one, "connectionSpec": service[f"{name}s"][one]["connectionSpec"]}
            | (
                {"baseConnection": {"id": service[f"{name}s"][one]["baseConnectionId"]}}
                if name.startswith("source")
                else {}
            )
            for one in flow[f"{name}Ids"]
            if one in service[f"{name}s"]
        ]
        for name in ("sourceConnection", "targetConnection")
    }
    return shown


def _visible(sandbox: Sandbox) -> list[dict[str, Any]]:
    flows = sandbox.flow_service["flows"].values()
    return [_shown(sandbox, one) for one in flows if one["id"] not in sandbox.hidden]


def _list(call: Call) -> Reply:
    return listed(call, _visible(call.sandbox), call.all("property"))


def _search(call: Call) -> Reply:
    sent = call.document().get("property") or []
    return listed(call, _visible(call.sandbox), [sent] if isinstance(sent, str) else sent)


def _own(call: Call) -> dict[str, Any]:
    """The flow of the path: one with a label reads as 404, and cannot be written (2120)."""
    if call.parts["id"] in call.sandbox.hidden:
        if call.method == "GET":
            raise refused(1439, 404, f"The resource {call.parts['id']} is not found", title="Not Found")
        raise refused(2120, 403, "You do not have access to this flow", title="Forbidden")
    return found(call.sandbox, "flows", call.parts["id"])


def _look_up(call: Call) -> Reply:
    return Reply(200, {"items": [_shown(call.sandbox, _own(call))]})


def _create(call: Call) -> Reply:
    sandbox, sent = call.sandbox, call.document()
    name = sent.get("name")
    if not isinstance(name, str) or not name:
        raise refused(1400, 400, "name is required")
    flows = sandbox.flow_service["flows"]
    if sandbox.oddities.flow_names == "unique" and any(one["name"] == name for one in flows.values()):
        raise refused(1405, 409, f"A flow named {name} exists already", title="Conflict")
    _check(sandbox, sent)
    item = new_item(call, sent)
    now = sandbox.now_ms()
    item |= {
        "version": item["etag"],
        "lastOperation": {"started": now, "updated": now, "operation": "create", "status": {"value": "finished"}},
        _WARM: now + int(sandbox.times.warm_up * 1000),
    }
    flows[item["id"]] = item
    return created(item)


def _check(sandbox: Sandbox, flow: Mapping[str, Any]) -> None:
    spec = (flow.get("flowSpec") or {}).get("id")
    if spec not in {one["id"] for one in FLOW_SPECS}:
        raise refused(1413, 400, f"The flow spec {spec} is not known")
    for key in ("sourceConnectionIds", "targetConnectionIds"):
        if not isinstance(flow.get(key), list) or len(flow[key]) != 1:
            raise refused(1411, 400, f"{key} names exactly one connection")
    source = found(sandbox, "sourceConnections", flow["sourceConnectionIds"][0])
    target = found(sandbox, "targetConnections", flow["targetConnectionIds"][0])
    base = found(sandbox, "connections", source["baseConnectionId"])
    dataset = sandbox.datasets.get(target["params"]["dataSetId"])
    mappings = [one for one in flow.get("transformations") or () if one.get("name") == "Mapping"]
    if spec == WITH_MAPPING:
        if len(mappings) != 1:
            raise refused(1412, 400, "This flow spec needs one transformation named Mapping")
        _check_mapping(sandbox, mappings[0], dataset)
    elif mappings:
        raise refused(1412, 400, "This flow spec takes no transformation")
    if base["auth"]["params"]["dataType"] == "raw" and spec != WITH_MAPPING:
        raise refused(1411, 400, "A raw connection needs the flow spec with transformation")


def _check_mapping(sandbox: Sandbox, transformation: Mapping[str, Any], dataset: Mapping[str, Any] | None) -> None:
    params = transformation.get("params") or {}
    versions = sandbox.mapping_sets.get(str(params.get("mappingId")))
    version = str(params.get("mappingVersion", 0))
    if versions is None or not version.isdecimal() or int(version) >= len(versions):
        raise refused(1412, 400, f"The mapping {params.get('mappingId')} has no version {version}")
    reference = versions[int(version)]["outputSchema"]["schemaRef"]
    try:
        compile_set(versions[int(version)], sandbox.tenant, None)
    except MappingRefused as error:
        raise refused(1419, 400, f"The mapping was refused: {error}") from None
    if dataset is not None and reference["id"] != dataset["schemaRef"]["id"]:
        raise refused(
            1425, 400, f"The mapping's schema {reference['id']} is not the dataset's, {dataset['schemaRef']['id']}"
        )


def _patch(call: Call) -> Reply:
    sandbox, before = call.sandbox, _own(call)
    after = changed(call, before)
    if after.get("flowSpec") != before.get("flowSpec"):
        raise refused(1414, 400, "The flow spec cannot be changed")
    _check(sandbox, after)
    now = sandbox.now_ms()
    after |= {
        "version": after["etag"],
        "lastOperation": {"started": now, "updated": now, "operation": "update", "status": {"value": "finished"}},
        _WARM: now + int(sandbox.times.warm_up * 1000),
    }
    sandbox.flow_service["flows"][before["id"]] = after
    return Reply(200, {"id": after["id"], "etag": after["etag"]})


def _act(call: Call) -> Reply:
    sandbox, flow = call.sandbox, _own(call)
    sent = call.one("op") or ""
    case = sandbox.oddities.flow_op_case
    if (case == "lower" and sent != sent.lower()) or (case == "upper" and sent != sent.upper()):
        raise refused(1401, 400, f"op={sent} is not valid")
    verb = sent.lower()
    if verb not in ("enable", "disable"):
        raise refused(1401, 400, f"op={sent} is not valid")
    if flow["state"] == f"{verb}d":
        raise refused(1416, 400, f"The flow is {flow['state']} already")
    now = sandbox.now_ms()
    flow |= {
        "state": f"{verb}d",
        "etag": etag(sandbox),
        "updatedAt": now,
        "lastOperation": {"started": now, "updated": now, "operation": verb, "status": {"value": "finished"}},
    }
    if verb == "enable":
        flow[_WARM] = now + int(sandbox.times.warm_up * 1000)
    return Reply(200, {"id": flow["id"], "etag": flow["etag"]})


def _delete(call: Call) -> Reply:
    del call.sandbox.flow_service["flows"][_own(call)["id"]]
    return Reply(204)
