"""What a role allows: which permission a call needs, and the check of one's own (``/access-control``).

Names: AEP docs, access-control/api/permissions-and-resource-types. Which step needs which is partly deduced.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bridge.emulators.adobe.platform.calls import Refused, Reply, problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.emulators.adobe.platform.calls import Call, Route

_BASE: Final = "/data/foundation/access-control"

PERMISSIONS: Final = (
    "manage-schemas",
    "view-schemas",
    "manage-identity-metadata",
    "view-identity-metadata",
    "manage-identity-namespaces",
    "view-identity-namespaces",
    "manage-datasets",
    "view-datasets",
    "manage-sources",
    "view-sources",
    "view-monitoring-dashboard",
    "manage-profiles",
    "view-profiles",
    "manage-queries",
    "destination-authoring",
)
_NEEDED: Final = (
    # part of the path, permission to write, permissions of which one lets read
    (
        "/schemaregistry/tenant/descriptors",
        "manage-identity-metadata",
        ("view-identity-metadata", "manage-schemas", "view-schemas"),
    ),
    ("/schemaregistry/", "manage-schemas", ("view-schemas",)),
    ("/data/core/idnamespace", "manage-identity-namespaces", ("view-identity-namespaces",)),
    ("/catalog/batches", "manage-datasets", ("view-datasets", "view-monitoring-dashboard")),
    ("/catalog/", "manage-datasets", ("view-datasets",)),
    ("/foundation/export", "manage-datasets", ("view-datasets",)),
    ("/flowservice/runs", "manage-sources", ("view-sources", "view-monitoring-dashboard")),
    ("/flowservice/", "manage-sources", ("view-sources",)),
    ("/conversion/", "manage-sources", ("view-sources",)),
    ("/observability/", None, ("view-monitoring-dashboard",)),
    ("/data/core/ups/", "manage-profiles", ("view-profiles",)),
    ("/activation/authoring", "destination-authoring", ("destination-authoring",)),
)
_READING_POSTS: Final = ("/search", "/validate", "/preview", "/insights/metrics")
_RESOURCES: Final = {
    "schemas": "schemas",
    "datasets": "datasets",
    "dataset-preview": "datasets",
    "profile-datasets": "profiles",
    "identity-namespaces": "identity-namespaces",
    "identity-descriptor": "identity-metadata",
    "streaming-source": "sources",
    "connection": "sources",
    "profiles": "profiles",
}


def missing(granted: frozenset[str] | None, method: str, path: str) -> str | None:
    """The permission that a call lacks; None when it may go on. ``granted`` None means everything."""
    if granted is None:
        return None
    for part, writing, reading in _NEEDED:
        if part not in path:
            continue
        reads = method in ("GET", "HEAD") or (method == "POST" and path.rstrip("/").endswith(_READING_POSTS))
        if writing is not None and writing in granted:
            return None
        if reads:
            return None if granted & {*reading} else reading[0]
        return writing or reading[0]
    return None


def refusal(path: str, permission: str) -> Reply:
    """How the API says that a permission is missing."""
    detail = f"You do not have the permission to do this ({permission})"
    if "/flowservice/" in path:
        body = problem("aep", "FLOW-2118-403", 403, detail, title="Forbidden")
        return Reply(403, body | {"errorMessage": detail, "errorDetails": detail})
    if "/data/core/ups/" in path:
        return Reply(403, problem("aep", "UPS-ACC-1000004", 403, detail, title="Forbidden"))
    if "/observability/" in path:
        return Reply(403, problem("aep", "INSGHT-1003-401", 403, detail, title="Forbidden"))
    return Reply(403, problem("aep", "ACCESS-403", 403, detail, title="Forbidden"))


def routes() -> Iterator[Route]:
    """The routes of this API."""
    yield "POST", f"{_BASE}/acl/effective-policies", _effective
    yield "GET", f"{_BASE}/acl/reference", _reference
    yield "GET", f"{_BASE}/acl/active-permissions", _active


def _granted(call: Call) -> frozenset[str]:
    granted = call.sandbox.permissions
    return frozenset(PERMISSIONS) if granted is None else granted


def _effective(call: Call) -> Reply:
    if call.sandbox.oddities.effective_policies == "administrators":
        raise Refused(
            Reply(
                403, problem("aep", "ACCESS-403", 403, "Only an administrator may ask for policies", title="Forbidden")
            )
        )
    wanted = call.body()
    if not isinstance(wanted, list):
        raise Refused(Reply(400, problem("aep", "ACCESS-400", 400, "the body is a list of paths")))
    found: dict[str, Any] = {}
    for path in wanted:
        actions = _actions(_granted(call), str(path))
        if actions:
            found[path] = actions
    return Reply(200, {"policies": found})


def _actions(granted: frozenset[str], path: str) -> list[str]:
    _, kind, name, *_ = [*path.split("/"), "", ""]
    if kind == "permissions":
        return ["*"] if name in granted else []
    if kind != "resource-types":
        return []
    if name == "monitoring":
        return ["read"] if "view-monitoring-dashboard" in granted else []
    if name == "query":
        return ["read", "write", "delete"] if "manage-queries" in granted else []
    if name == "sandboxes":
        return ["read"]
    stem = _RESOURCES.get(name)
    if stem is None:
        return []
    if f"manage-{stem}" in granted:
        return ["read", "write", "delete"]
    return ["read"] if f"view-{stem}" in granted else []


def _reference(_: Call) -> Reply:
    return Reply(
        200,
        {
            "permissions": {f"/permissions/{name}": {} for name in PERMISSIONS},
            "resource-types": {
                f"/resource-types/{name}": {} for name in (*_RESOURCES, "monitoring", "query", "sandboxes")
            },
        },
    )


def _active(call: Call) -> Reply:
    return Reply(200, {"permissions": sorted(f"/permissions/{name}" for name in _granted(call))})
