"""Base, source and target connections. A base connection of the streaming spec has an inlet.

Sources: AEP docs, sources/tutorials/api/create/streaming/http and sources/errors/flow-service-errors; OpenAPI flow-service.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from bridge.emulators.adobe.platform.calls import Reply
from bridge.emulators.adobe.platform.flow_service.items import changed, created, listed, new_item
from bridge.emulators.adobe.platform.flow_service.specs import (
    BASE,
    CONNECTION_SPECS,
    DATA_LAKE,
    FLOW_SPECS,
    STREAMING,
    refused,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from bridge.emulators.adobe.platform.calls import Call, Route
    from bridge.emulators.adobe.platform.sandbox import Sandbox

_KINDS = ("connections", "sourceConnections", "targetConnections")


def routes(collection_url: Callable[[str], str]) -> Iterator[Route]:
    """The routes of this API. ``collection_url``: the URL of an inlet, by its id."""

    def create_base(call: Call) -> Reply:
        return _create_base(call, collection_url)

    for name, specs in (("connectionSpecs", CONNECTION_SPECS), ("flowSpecs", FLOW_SPECS)):
        yield "GET", f"{BASE}/{name}", _lister(specs)
        yield "POST", f"{BASE}/{name}/search", _lister(specs)
        yield "GET", f"{BASE}/{name}/{{id}}", _spec_finder(specs)
    yield "POST", f"{BASE}/connections", create_base
    yield "POST", f"{BASE}/sourceConnections", _create_source
    yield "POST", f"{BASE}/targetConnections", _create_target
    for kind in _KINDS:
        yield "GET", f"{BASE}/{kind}", _list
        yield "POST", f"{BASE}/{kind}/search", _search
        yield "GET", f"{BASE}/{kind}/{{id}}", _look_up
        yield "PATCH", f"{BASE}/{kind}/{{id}}", _patch
        yield "DELETE", f"{BASE}/{kind}/{{id}}", _delete
    yield "GET", f"{BASE}/connections/{{id}}/test", _test


def _lister(specs: tuple[dict[str, Any], ...]) -> Callable[[Call], Reply]:
    return lambda call: listed(call, [dict(one) for one in specs], call.all("property"))


def _spec_finder(specs: tuple[dict[str, Any], ...]) -> Callable[[Call], Reply]:
    def find(call: Call) -> Reply:
        found = [one for one in specs if one["id"] == call.parts["id"]]
        if not found:
            raise refused(1439, 404, f"{call.parts['id']} is not found", title="Not Found")
        return Reply(200, {"items": found})

    return find


def _kind(call: Call) -> str:
    return call.path.removeprefix(f"{BASE}/").partition("/")[0]


def _conditions(call: Call, sent: list[str]) -> list[str]:
    if call.sandbox.oddities.target_filter == "ignored" and _kind(call) == "targetConnections":
        return [one for one in sent if not one.startswith("params.dataSetId")]
    return sent


def _list(call: Call) -> Reply:
    return listed(call, call.sandbox.flow_service[_kind(call)].values(), _conditions(call, call.all("property")))


def _search(call: Call) -> Reply:
    sent = call.document().get("property") or []
    conditions = [sent] if isinstance(sent, str) else [*sent]
    return listed(call, call.sandbox.flow_service[_kind(call)].values(), _conditions(call, conditions))


def found(sandbox: Sandbox, kind: str, identifier: Any) -> dict[str, Any]:
    """A resource of Flow Service, or the refusal."""
    one = sandbox.flow_service[kind].get(str(identifier))
    if one is None:
        raise refused(1439, 404, f"The resource {identifier} is not found", title="Not Found")
    return one


def _look_up(call: Call) -> Reply:
    return Reply(200, {"items": [found(call.sandbox, _kind(call), call.parts["id"])]})


def _spec_of(sent: Mapping[str, Any]) -> str:
    spec = sent.get("connectionSpec")
    identifier = spec.get("id") if isinstance(spec, dict) else None
    if identifier not in {one["id"] for one in CONNECTION_SPECS}:
        raise refused(1413, 400, f"The connection spec {identifier} is not known")
    return str(identifier)


def _name_of(sent: Mapping[str, Any]) -> str:
    name = sent.get("name")
    if not isinstance(name, str) or not name:
        raise refused(1400, 400, "name is required")
    return name


def _create_base(call: Call, collection_url: Callable[[str], str]) -> Reply:
    sandbox, sent = call.sandbox, call.document()
    name, known = _name_of(sent), sandbox.flow_service["connections"].values()
    if sandbox.oddities.connection_names == "unique" and any(one["name"] == name for one in known):
        raise refused(1405, 409, f"A connection named {name} exists already", title="Conflict")
    if _spec_of(sent) != STREAMING:
        item = new_item(call, sent)
        sandbox.flow_service["connections"][item["id"]] = item
        return created(item)
    auth = sent.get("auth") or {}
    params = auth.get("params") if isinstance(auth, dict) else None
    if not isinstance(params, dict) or auth.get("specName") != "Streaming Connection":
        raise refused(1406, 400, "auth.specName is 'Streaming Connection', with auth.params")
    if params.get("dataType", "xdm") not in ("xdm", "raw"):
        raise refused(1406, 400, "auth.params.dataType is xdm or raw")
    source = params.get("sourceId") or name
    if sandbox.oddities.source_ids == "unique" and any(
        one["auth"]["params"]["sourceId"] == source for one in known if one.get("auth")
    ):
        raise refused(1407, 400, f"The sourceId {source} is used already")
    inlet = sandbox.hexadecimal(64)
    item = new_item(call, sent)
    item["auth"] = {
        "specName": "Streaming Connection",
        "params": {"dataType": "xdm", "name": name, "authenticationRequired": False}
        | copy.deepcopy(params)
        | {"sourceId": source, "inletUrl": collection_url(inlet), "inletId": inlet},
    }
    item["version"] = item["etag"]
    sandbox.flow_service["connections"][item["id"]] = item
    return created(item)


def _create_source(call: Call) -> Reply:
    sandbox, sent = call.sandbox, call.document()
    _name_of(sent)
    _spec_of(sent)
    base = found(sandbox, "connections", sent.get("baseConnectionId"))
    item = new_item(call, sent)
    item["inheritedAttributes"] = _inherited(base)
    sandbox.flow_service["sourceConnections"][item["id"]] = item
    return created(item)


def _inherited(base: Mapping[str, Any]) -> dict[str, Any]:
    return {"baseConnection": {"id": base["id"], "connectionSpec": base["connectionSpec"]}}


def _create_target(call: Call) -> Reply:
    sandbox, sent = call.sandbox, call.document()
    _name_of(sent)
    if _spec_of(sent) != DATA_LAKE:
        raise refused(1307, 400, f"The target connection spec must be {DATA_LAKE}")
    dataset = sandbox.datasets.get(str((sent.get("params") or {}).get("dataSetId")))
    if dataset is None:
        raise refused(1308, 400, "params.dataSetId is not a dataset of this sandbox")
    schema = ((sent.get("data") or {}).get("schema") or {}).get("id")
    if schema is not None and schema != dataset["schemaRef"]["id"]:
        raise refused(1425, 400, f"The schema {schema} is not that of the dataset, {dataset['schemaRef']['id']}")
    item = new_item(call, sent)
    sandbox.flow_service["targetConnections"][item["id"]] = item
    return created(item)


def _patch(call: Call) -> Reply:
    kind = _kind(call)
    before = found(call.sandbox, kind, call.parts["id"])
    after = changed(call, before)
    if after.get("connectionSpec") != before.get("connectionSpec"):
        raise refused(1414, 400, "The connection spec cannot be changed")
    if kind == "connections" and before.get("auth"):
        _check_params(call, before["auth"]["params"], after["auth"]["params"])
        after["version"] = after["etag"]
    call.sandbox.flow_service[kind][before["id"]] = after
    return Reply(200, {"id": after["id"], "etag": after["etag"]})


def _check_params(call: Call, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    changes = {key for key in {*before, *after} if before.get(key) != after.get(key)}
    fixed = {"inletId", "inletUrl"}
    if call.sandbox.oddities.connection_patch == "refused":
        fixed |= {"dataType", "authenticationRequired", "sourceId"}
    if changes & fixed:
        raise refused(1415, 400, f"{', '.join(sorted(changes & fixed))} cannot be changed")


def _delete(call: Call) -> Reply:
    sandbox, kind = call.sandbox, _kind(call)
    item = found(sandbox, kind, call.parts["id"])
    users = [flow for flow in sandbox.flow_service["flows"].values() if _uses(sandbox, flow, kind, item["id"])]
    if users:
        raise refused(1418, 400, f"The connection is used by the flow {users[0]['id']}")
    if kind == "connections" and any(
        one["baseConnectionId"] == item["id"] for one in sandbox.flow_service["sourceConnections"].values()
    ):
        raise refused(1418, 400, "The connection is used by a source connection")
    del sandbox.flow_service[kind][item["id"]]
    return Reply(204)


def _uses(sandbox: Sandbox, flow: Mapping[str, Any], kind: str, identifier: str) -> bool:
    if kind == "targetConnections":
        return identifier in flow["targetConnectionIds"]
    if kind == "sourceConnections":
        return identifier in flow["sourceConnectionIds"]
    sources = sandbox.flow_service["sourceConnections"]
    return any(sources[one]["baseConnectionId"] == identifier for one in flow["sourceConnectionIds"] if one in sources)


def _test(call: Call) -> Reply:
    found(call.sandbox, "connections", call.parts["id"])
    return Reply(200, {"status": "success", "detail": "Connection successful"})
