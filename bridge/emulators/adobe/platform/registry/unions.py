"""Union views (``/tenant/unions``): what Profile sees of a class. And export and samples of a resource (``/rpc``)."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Final

import orjson

from bridge.emulators.adobe.platform.calls import Reply
from bridge.emulators.adobe.platform.registry.accept import accept_of
from bridge.emulators.adobe.platform.registry.resolving import resolved, resource
from bridge.emulators.adobe.platform.registry.resources import page
from bridge.emulators.adobe.platform.registry.rules import refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.emulators.adobe.platform.calls import Call, Route
    from bridge.emulators.adobe.platform.sandbox import Sandbox

_BASE: Final = "/data/foundation/schemaregistry"
_PLACEHOLDER: Final = "<XDM_TENANTID_PLACEHOLDER>"
_SAMPLES: Final = {"string": "text", "integer": 1, "number": 1.5, "boolean": True}


def routes() -> Iterator[Route]:
    """The routes of this API."""
    yield "GET", f"{_BASE}/tenant/unions", _list
    yield "GET", f"{_BASE}/tenant/unions/{{id}}", _look_up
    yield "GET", f"{_BASE}/rpc/export/{{id}}", _export
    yield "GET", f"{_BASE}/rpc/sampledata/{{id}}", _sample


def unions(sandbox: Sandbox) -> list[dict[str, Any]]:
    """A union for every class of which a schema carries the tag."""
    members: dict[str, list[dict[str, Any]]] = {}
    for one in sandbox.resources.values():
        if one["meta:resourceType"] == "schemas" and "union" in (one.get("meta:immutableTags") or ()):
            members.setdefault(one["meta:class"], []).append(one)
    return [_union(sandbox, each, schemas) for each, schemas in members.items()]


def _union(sandbox: Sandbox, class_id: str, schemas: list[dict[str, Any]]) -> dict[str, Any]:
    owner = resource(sandbox, class_id) or {}
    merged = resolved(sandbox, {"allOf": [{"$ref": one["$id"]} for one in schemas]})
    return {
        "$id": f"{class_id}__union",
        "meta:altId": f"{owner.get('meta:altId', '')}__union",
        "meta:resourceType": "unions",
        "version": "1.0",
        "title": f"{owner.get('title', class_id)} union",
        "type": "object",
        "meta:class": class_id,
        "meta:immutableTags": ["union"],
        "meta:containerId": "tenant",
        "allOf": [{"$ref": one["$id"]} for one in schemas],
        "properties": merged["properties"],
    }


def _list(call: Call) -> Reply:
    return page(call, unions(call.sandbox), accept_of(call, lookup=False))


def _look_up(call: Call) -> Reply:
    accept_of(call, lookup=True)
    for one in unions(call.sandbox):
        if call.parts["id"] in (one["$id"], one["meta:altId"]):
            return Reply(200, {key: value for key, value in one.items() if key != "allOf"})
    raise refused("XDM-1010", f"The union {call.parts['id']} is not found", status=404, title="Resource not found")


def _export(call: Call) -> Reply:
    sandbox = call.sandbox
    first = resource(sandbox, call.parts["id"])
    if first is None:
        raise refused("XDM-1010", f"{call.parts['id']} is not found", status=404, title="Resource not found")
    wanted = [*(one for one in first.get("meta:extends", ()) if one in sandbox.resources), first["$id"]]
    text = orjson.dumps([sandbox.resources.get(one, first) for one in wanted]).decode()
    for before, after in (
        (f"_{sandbox.tenant}", f"_{_PLACEHOLDER}"),
        (f"ns.adobe.com/{sandbox.tenant}/", f"ns.adobe.com/{_PLACEHOLDER}/"),
    ):
        text = text.replace(before, after)
    return Reply(200, orjson.loads(text))


def _sample(call: Call) -> Reply:
    found = resource(call.sandbox, call.parts["id"])
    if found is None:
        raise refused("XDM-1010", f"{call.parts['id']} is not found", status=404, title="Resource not found")
    fields = resolved(call.sandbox, found)["properties"]
    sample = {field.get("meta:xdmField", name): _value(field) for name, field in fields.items()}
    return Reply(200, copy.deepcopy(sample))


def _value(field: dict[str, Any]) -> Any:
    if field.get("properties"):
        return {one.get("meta:xdmField", name): _value(one) for name, one in field["properties"].items()}
    if field.get("format") in ("date", "date-time"):
        return "2026-11-26T12:00:00+00:00" if field["format"] == "date-time" else "2026-11-26"
    if isinstance(field.get("items"), dict):
        return [_value(field["items"])]
    if isinstance(field.get("additionalProperties"), dict):
        return {"key": _value(field["additionalProperties"])}
    return (field.get("enum") or [_SAMPLES.get(str(field.get("type")))])[0]


__all__ = ["routes", "unions"]
