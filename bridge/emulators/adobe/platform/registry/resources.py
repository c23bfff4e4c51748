"""Schema Registry's resources: list, look up; tenant and change log.

Base ``/data/foundation/schemaregistry``. Sources: AEP docs, xdm/api/*; OpenAPI schema-registry.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Final

from bridge.emulators.adobe.platform.calls import Reply
from bridge.emulators.adobe.platform.filters import UnknownOperator, kept
from bridge.emulators.adobe.platform.registry.accept import accept_of
from bridge.emulators.adobe.platform.registry.descriptors import descriptors_of
from bridge.emulators.adobe.platform.registry.resolving import resolved, resource, without_texts
from bridge.emulators.adobe.platform.registry.rules import (
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
"""A list without paging parameters gives at most this many."""


def routes() -> Iterator[Route]:
    """The routes that read resources."""
    yield "GET", f"{BASE}/stats", _stats
    yield "GET", f"{BASE}/rpc/auditlog/{{id}}", _audit_log
    for kind in KINDS:
        yield "GET", f"{BASE}/{{container}}/{kind}", _list
        yield "GET", f"{BASE}/{{container}}/{kind}/{{id}}", _look_up


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
    found = found_resource(call)
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
    return Reply(200, _form(call.sandbox, found_resource(call), accept))


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


def found_resource(call: Call) -> dict[str, Any]:
    """The resource that a call names. Raises ``Refused``."""
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
