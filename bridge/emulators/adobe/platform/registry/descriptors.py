"""Descriptors of schemas (``/tenant/descriptors``): identities, display names and others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bridge.emulators.adobe.platform.calls import Reply
from bridge.emulators.adobe.platform.filters import UnknownOperator, kept
from bridge.emulators.adobe.platform.registry.accept import accept_of
from bridge.emulators.adobe.platform.registry.resolving import leaves, resolved
from bridge.emulators.adobe.platform.registry.rules import refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bridge.emulators.adobe.platform.calls import Call, Route
    from bridge.emulators.adobe.platform.sandbox import Sandbox

_BASE: Final = "/data/foundation/schemaregistry/tenant/descriptors"
_MOST: Final = 4_000
_KNOWN: Final = frozenset(
    {
        "xdm:descriptorIdentity",
        "xdm:alternateDisplayInfo",
        "xdm:descriptorOneToOne",
        "xdm:descriptorReferenceIdentity",
        "xdm:descriptorRelationship",
        "xdm:descriptorDeprecated",
        "xdm:descriptorLabel",
    }
)
_KEY: Final = ("@type", "xdm:sourceSchema", "xdm:sourceProperty", "xdm:namespace")


def routes() -> Iterator[Route]:
    """The routes of this API."""
    yield "GET", _BASE, _list
    yield "POST", _BASE, _create
    yield "GET", f"{_BASE}/{{id}}", _look_up
    yield "PUT", f"{_BASE}/{{id}}", _replace
    yield "DELETE", f"{_BASE}/{{id}}", _delete


def descriptors_of(sandbox: Sandbox, schema_id: str) -> list[dict[str, Any]]:
    """The descriptors of a schema."""
    return [one for one in sandbox.descriptors.values() if one.get("xdm:sourceSchema") == schema_id]


def _list(call: Call) -> Reply:
    accept = accept_of(call, lookup=False)
    if not accept.xdm:
        raise refused(
            "XDM-1006", "Descriptors take application/vnd.adobe.xdm+json and its kin", title="Accept header error"
        )
    conditions = call.all("property")
    if call.sandbox.oddities.descriptor_filter == "ignored":
        conditions = []
    try:
        found = kept(call.sandbox.descriptors.values(), conditions, commas=False)
    except UnknownOperator as error:
        raise refused("XDM-1005", f"property={error} cannot be read") from None
    if accept.has("v2"):
        limit, start = call.number("limit", 300, least=1, most=500), call.one("start")
        found.sort(key=lambda one: str(one["@id"]))
        if start is not None:
            found = [one for one in found if one["@id"] >= start]
        following = found[limit]["@id"] if len(found) > limit else None
        page = found[:limit]
        return Reply(200, {"results": page, "_page": {"orderby": "@id", "next": following, "count": len(page)}})
    grouped: dict[str, list[Any]] = {}
    for one in found:
        shown: Any = one["@id"] if accept.has("id") else f"{_BASE}/{one['@id']}" if accept.has("link") else dict(one)
        grouped.setdefault(one["@type"], []).append(shown)
    return Reply(200, grouped)


def _look_up(call: Call) -> Reply:
    return Reply(200, _found(call))


def _found(call: Call) -> dict[str, Any]:
    found = call.sandbox.descriptors.get(call.parts["id"])
    if found is None:
        raise refused(
            "XDM-1010", f"The descriptor {call.parts['id']} is not found", status=404, title="Resource not found"
        )
    return found


def _create(call: Call) -> Reply:
    sandbox, sent = call.sandbox, call.document()
    if len(sandbox.descriptors) >= _MOST:
        raise refused("XDM-1549", f"There are {_MOST} descriptors already")
    _check(sandbox, sent, None)
    made = sent | {
        "@id": sandbox.hexadecimal(64),
        "imsOrg": sandbox.org_id,
        "version": "1",
        "meta:containerId": "tenant",
        "meta:sandboxId": sandbox.name,
        "meta:sandboxType": sandbox.kind,
    }
    _rewrite(sandbox, made)
    sandbox.descriptors[made["@id"]] = made
    return Reply(201, made)


def _rewrite(sandbox: Sandbox, made: dict[str, Any]) -> None:
    # The namespace code comes back in a case of its own, which is why one compares without case (aepp, release 0.5.4).
    code = made.get("xdm:namespace")
    if made["@type"] == "xdm:descriptorIdentity" and made.get("xdm:property") == "xdm:code" and isinstance(code, str):
        known = {one["code"].lower() for one in sandbox.namespaces.values()}
        if code.lower() in known:
            made["xdm:namespace"] = (
                code.upper() if code.lower() in ("ecid", "aaid", "gaid", "idfa") else code.capitalize()
            )


def _check(sandbox: Sandbox, sent: Mapping[str, Any], replaced: str | None) -> None:
    if sent.get("@type") not in _KNOWN:
        raise refused("XDM-1541", f"@type {sent.get('@type')!r} is not supported", title="Invalid descriptor")
    schema = sandbox.resources.get(str(sent.get("xdm:sourceSchema")))
    if schema is None:
        raise refused("XDM-1542", f"xdm:sourceSchema {sent.get('xdm:sourceSchema')} is not a resource of the tenant",
                      title="Invalid descriptor")  # fmt: skip
    path = sent.get("xdm:sourceProperty")
    known = {one for one, _ in leaves(resolved(sandbox, schema)["properties"])}
    if not isinstance(path, str) or (path.replace("/properties/", "/") not in known and path not in known):
        raise refused("XDM-1543", f"xdm:sourceProperty {path} is not a field of the schema", title="Invalid descriptor")
    if sent["@type"] == "xdm:descriptorIdentity":
        _check_identity(sandbox, sent, replaced)
    twins = [
        one
        for one in sandbox.descriptors.values()
        if one["@id"] != replaced and [_same(one.get(key)) for key in _KEY] == [_same(sent.get(key)) for key in _KEY]
    ]
    if twins and sandbox.oddities.descriptors == "unique":
        raise refused("XDM-1545", f"The descriptor exists already: {twins[0]['@id']}", title="Descriptor exists")


def _same(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _check_identity(sandbox: Sandbox, sent: Mapping[str, Any], replaced: str | None) -> None:
    namespace = sent.get("xdm:namespace")
    codes = {one["code"].lower() for one in sandbox.namespaces.values()}
    if sent.get("xdm:property") == "xdm:code" and str(namespace).lower() not in codes:
        raise refused("XDM-1544", f"The namespace {namespace} does not exist", title="Invalid descriptor")
    primaries = [
        one
        for one in descriptors_of(sandbox, str(sent["xdm:sourceSchema"]))
        if one["@type"] == "xdm:descriptorIdentity" and one.get("xdm:isPrimary") and one["@id"] != replaced
    ]
    if sent.get("xdm:isPrimary") and primaries:
        raise refused("XDM-1546", "The schema has a primary identity already", title="Second primary identity")


def _replace(call: Call) -> Reply:
    before, sandbox, sent = _found(call), call.sandbox, call.document()
    _check(sandbox, sent, before["@id"])
    kept_keys = {key: value for key, value in before.items() if key in ("@id", "imsOrg", "meta:containerId")}
    after = sent | kept_keys | {"version": str(int(before["version"]) + 1)}
    _rewrite(sandbox, after)
    sandbox.descriptors[before["@id"]] = after
    return Reply(sandbox.oddities.descriptor_put, {"@id": before["@id"]})


def _delete(call: Call) -> Reply:
    del call.sandbox.descriptors[_found(call)["@id"]]
    return Reply(204)
