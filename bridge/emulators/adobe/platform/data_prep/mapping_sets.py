"""Mapping sets and their versions (``/data/foundation/conversion/mappingSets``); bodies come back rewritten.

Sources: AEP docs, data-prep/api/mapping-set; OpenAPI data-prep; aepp, ``cleanMappingRules``.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Final

from bridge.emulators.adobe.platform.calls import Refused, Reply, problem
from bridge.emulators.adobe.platform.data_prep.trial import outcome_of, preview, schema_of
from bridge.emulators.adobe.platform.filters import UnknownOperator, kept
from bridge.emulators.adobe.platform.registry.resolving import resolved

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bridge.emulators.adobe.platform.calls import Call, Route
    from bridge.emulators.adobe.platform.sandbox import Sandbox

BASE: Final = "/data/foundation/conversion"
_TYPES: Final = {
    "ATTRIBUTE": "text/x.schema-path",
    "EXPRESSION": "text/x.aep-xl",
    "STATIC": "STATIC",
}
_CONTENT_TYPE: Final = "application/vnd.adobe.xed-full+json;version=1"


def routes() -> Iterator[Route]:
    """The routes of this API."""
    sets = f"{BASE}/mappingSets"
    yield "GET", sets, _list
    yield "POST", sets, _create
    yield "POST", f"{sets}/validate", _validate
    yield "POST", f"{sets}/preview", _preview
    yield "GET", f"{sets}/{{id}}", _look_up
    yield "PUT", f"{sets}/{{id}}", _replace
    yield "DELETE", f"{sets}/{{id}}", _delete
    yield "GET", f"{sets}/{{id}}/mappings", _mappings
    yield "GET", f"{sets}/{{id}}/mappings/{{mapping}}", _mapping


def refused(status: int, detail: str) -> Refused:
    """A refusal of Data Prep."""
    return Refused(Reply(status, problem("aep", f"DPREP-{status}", status, detail, title="Data Prep error")))


def _list(call: Call) -> Reply:
    needed = ("start", "limit") if call.sandbox.oddities.mapping_list_start == "required" else ("limit",)
    if any(call.one(name) is None for name in needed):
        raise refused(400, f"{' and '.join(needed)} are required")
    start, limit = call.number("start", 0), call.number("limit", 20, least=1)
    name = call.one("name")
    newest = [versions[-1] for versions in call.sandbox.mapping_sets.values()]
    try:
        fitting = kept(newest, call.all("property"), commas=False)
    except UnknownOperator as error:
        raise refused(400, f"property={error} cannot be read") from None
    found = [one for one in fitting if name is None or one.get("name") == name]
    order = call.one("orderBy") or "createdDate"
    found.sort(key=lambda one: str(one.get(order.lstrip("-+"), "")), reverse=order.startswith("-"))
    page = found[start : start + limit]
    count = len(page) if call.sandbox.oddities.mapping_page_count == "right" else 0
    shown = [_shown(call.sandbox, one, expand=call.one("expandSchema") is not None) for one in page]
    return Reply(200, {"data": shown, "_page": {"count": count, "limit": limit}})


def _shown(sandbox: Sandbox, one: Mapping[str, Any], *, expand: bool) -> dict[str, Any]:
    shown = copy.deepcopy(dict(one))
    schema = sandbox.resources.get(one["outputSchema"]["schemaRef"]["id"])
    if expand and schema is not None:
        shown["outputSchema"]["jsonSchema"] = resolved(sandbox, schema)
    return shown


def _found(call: Call) -> list[dict[str, Any]]:
    found = call.sandbox.mapping_sets.get(call.parts["id"])
    if found is None:
        raise refused(404, f"The mapping set {call.parts['id']} is not found")
    return found


def _version(call: Call) -> dict[str, Any]:
    versions = _found(call)
    wanted = call.number("version", len(versions) - 1)
    if wanted >= len(versions):
        raise refused(404, f"The mapping set {call.parts['id']} has no version {wanted}")
    return versions[wanted]


def _look_up(call: Call) -> Reply:
    return Reply(200, _shown(call.sandbox, _version(call), expand=True))


def _mappings(call: Call) -> Reply:
    return Reply(200, _version(call)["mappings"])


def _mapping(call: Call) -> Reply:
    for one in _version(call)["mappings"]:
        if one["id"] == call.parts["mapping"]:
            return Reply(200, one)
    raise refused(404, f"The mapping {call.parts['mapping']} is not found")


def _create(call: Call) -> Reply:
    sandbox, sent = call.sandbox, call.document()
    made = _made(call, sent, sandbox.uuid().replace("-", ""), 0)
    name = made.get("name")
    taken = name is not None and any(one[-1].get("name") == name for one in sandbox.mapping_sets.values())
    if sandbox.oddities.mapping_set_names == "unique" and taken:
        raise refused(409, f"A mapping set named {name} exists already")
    sandbox.mapping_sets[made["id"]] = [made]
    return Reply(200, _answer(made))


def _answer(made: Mapping[str, Any]) -> dict[str, Any]:
    names = ("id", "version", "createdDate", "modifiedDate", "createdBy", "modifiedBy")
    return {name: made[name] for name in names}


def _replace(call: Call) -> Reply:
    versions = _found(call)
    first = versions[0]
    made = _made(call, call.document(), call.parts["id"], len(versions))
    made |= {"createdDate": first["createdDate"], "createdBy": first["createdBy"]}
    # Old versions stay readable, and a dataflow keeps the one it names.
    versions.append(made)
    return Reply(200, _answer(made))


def _delete(call: Call) -> Reply:
    if call.sandbox.oddities.mapping_delete == "missing":
        raise refused(405, "Mapping sets cannot be deleted")
    _found(call)
    del call.sandbox.mapping_sets[call.parts["id"]]
    return Reply(204)


def _made(call: Call, sent: Mapping[str, Any], identifier: str, version: int) -> dict[str, Any]:
    sandbox = call.sandbox
    mappings, reference = sent.get("mappings"), _reference(sent)
    if not isinstance(mappings, list) or not all(isinstance(one, dict) for one in mappings):
        raise refused(400, "mappings is a list of objects")
    if reference["id"] not in sandbox.resources:
        raise refused(400, f"The schema {reference['id']} is not found")
    if (call.one("validate") or "").lower() == "true":
        faults = [one for one in _responses(sandbox, sent) if one["status"] == "FAILED"]
        if faults:
            raise refused(400, f"{len(faults)} mappings are not valid: {faults[0]['errors'][0]['message']}")
    now, account = sandbox.now_ms(), f"{call.client_id}@techacct.adobe.com"
    kept = {key: value for key, value in sent.items() if key in ("name", "description", "inputSchema")}
    return kept | {
        "id": identifier,
        "version": version,
        "createdDate": now,
        "modifiedDate": now,
        "createdBy": account,
        "modifiedBy": account,
        "supportVersion": True,
        "status": "DRAFT",
        "strictMapping": False,
        "allowNullValues": bool(sent.get("allowNullValues", False)),
        "xdmVersion": "1.0",
        "schemaRef": reference,
        "xdmSchema": reference["id"],
        "outputSchema": {"id": sandbox.uuid(), "version": 0, "schemaRef": reference},
        "mappings": [_row(sandbox, one) for one in mappings],
    }


def _reference(sent: Mapping[str, Any]) -> dict[str, Any]:
    output = sent.get("outputSchema")
    stated = output.get("schemaRef") if isinstance(output, dict) else sent.get("schemaRef")
    if isinstance(stated, dict) and isinstance(stated.get("id"), str):
        return {"contentType": _CONTENT_TYPE} | stated
    if isinstance(sent.get("xdmSchema"), str):
        return {"id": sent["xdmSchema"], "contentType": _CONTENT_TYPE}
    raise refused(400, "outputSchema.schemaRef.id is required")


def _row(sandbox: Sandbox, sent: Mapping[str, Any]) -> dict[str, Any]:
    """One mapping as the server keeps it: another word for its type, the old names beside the new ones."""
    source = sent.get("source", sent.get("sourceAttribute"))
    destination = sent.get("destination", sent.get("destinationXdmPath"))
    kind = str(sent.get("sourceType", "ATTRIBUTE"))
    return {
        "id": sandbox.hexadecimal(32),
        "version": 0,
        "sourceType": _TYPES.get(kind.upper(), kind),
        "source": source,
        "destination": destination,
        "name": sent.get("name"),
        "description": sent.get("description"),
        "identity": False,
        "primaryIdentity": False,
        "matchScore": 0.0,
        "functionVersion": 0,
        "sourceAttribute": source,
        "destinationXdmPath": destination,
    }


def _responses(sandbox: Sandbox, sent: Mapping[str, Any]) -> list[dict[str, Any]]:
    schema = schema_of(sandbox, _reference(sent)["id"])
    return [outcome_of(sandbox, one, schema) for one in sent.get("mappings") or ()]


def _validate(call: Call) -> Reply:
    return Reply(200, {"validationResponse": _responses(call.sandbox, call.document())})


def _preview(call: Call) -> Reply:
    sent = call.document()
    mapping_set, data = sent.get("mappingSet"), sent.get("data")
    rows = [row for row in (data if isinstance(data, list) else [data]) if isinstance(row, dict)]
    if not isinstance(mapping_set, dict) or not rows:
        raise refused(400, "data and mappingSet are required")
    schema = schema_of(call.sandbox, _reference(mapping_set)["id"])
    try:
        shown = preview(call.sandbox, mapping_set, rows, schema)
    except ValueError as error:
        raise refused(400, str(error)) from None
    return Reply(200, shown if call.sandbox.oddities.preview_shape == "array" else shown[0])
