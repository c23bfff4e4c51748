"""Destination servers and destinations (``/data/core/activation/authoring``): names may be given twice, 200 for a creation.

Sources: AEP docs, destination-sdk/authoring-api and guardrails; the authoring OpenAPI. A PUT replaces everything; edits of a private
destination take effect at once. Bodies of refusals and the refusal of a sixth destination are made up: their forms are not published.
"""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from bridge.emulators.adobe.platform.calls import Refused, Reply, problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.emulators.adobe.platform.calls import Call, Handler, Route
    from bridge.emulators.adobe.platform.sandbox import Sandbox

BASE: Final = "/data/core/activation/authoring"
MOST_DESTINATIONS: Final = 5
"""Private destinations of an organisation (AEP docs: destination-sdk/guardrails)."""
MASKED: Final = "********"
_NEEDED: Final = {
    "destination-servers": ("name", "destinationServerType", "urlBasedDestination", "httpTemplate"),
    "destinations": ("name", "status", "customerAuthenticationConfigurations", "identityNamespaces", "destinationDelivery"),
}  # fmt: skip
_AUTH_TYPES: Final = ("BEARER", "OAUTH2", "BASIC")
_STATUSES: Final = ("TEST", "PUBLISHED", "DELETED")
_ISSUED: Final = ("instanceId", "createdDate", "lastModifiedDate", "imsOrg", "destConfigId")


def refused(status: int, detail: str) -> Refused:
    """A refusal of this API."""
    title = {400: "Bad Request", 404: "Not Found"}.get(status, "Refused")
    return Refused(Reply(status, problem("activation", f"AUTHORING-{status}", status, detail, title=title)))


def routes() -> Iterator[Route]:
    """The routes of both kinds."""
    for kind in _NEEDED:
        yield "GET", f"{BASE}/{kind}", _listed(kind)
        yield "POST", f"{BASE}/{kind}", _created(kind)
        yield "GET", f"{BASE}/{kind}/{{id}}", _read(kind)
        yield "PUT", f"{BASE}/{kind}/{{id}}", _replaced(kind)
        yield "DELETE", f"{BASE}/{kind}/{{id}}", _deleted(kind)


def found(sandbox: Sandbox, kind: str, identifier: str) -> dict[str, Any]:
    """The object of that id. Raises ``Refused`` with 404."""
    one = sandbox.authored[kind].get(identifier)
    if one is None:
        raise refused(404, f"there is no {kind.removesuffix('s')} {identifier}")
    return one


def _listed(kind: str) -> Handler:
    def handler(call: Call) -> Reply:
        return Reply(200, {"items": [_shown(call.sandbox, one) for one in call.sandbox.authored[kind].values()]})

    return handler


def _read(kind: str) -> Handler:
    def handler(call: Call) -> Reply:
        one = _shown(call.sandbox, found(call.sandbox, kind, call.parts["id"]))
        return Reply(200, {"items": [one]} if call.sandbox.oddities.authoring_read == "items" else one)

    return handler


def _created(kind: str) -> Handler:
    def handler(call: Call) -> Reply:
        sandbox, sent = call.sandbox, _checked(kind, call)
        if kind == "destinations" and len(sandbox.authored[kind]) >= MOST_DESTINATIONS:
            raise refused(400, f"an organisation may have {MOST_DESTINATIONS} private destinations")
        identifier, now = sandbox.uuid(), _now(sandbox)
        made = {
            "instanceId": identifier,
            "createdDate": now,
            "lastModifiedDate": now,
            "imsOrg": sandbox.org_id,
            **sent,
        }
        if kind == "destinations":
            made |= {"destConfigId": sandbox.uuid(), "backfillHistoricalProfileData": True}
        sandbox.authored[kind][identifier] = made
        return Reply(200, _shown(sandbox, made))

    return handler


def _replaced(kind: str) -> Handler:
    def handler(call: Call) -> Reply:
        sandbox = call.sandbox
        before, sent = found(sandbox, kind, call.parts["id"]), _checked(kind, call)
        kept: dict[str, Any] = {key: before[key] for key in _ISSUED if key in before}
        after: dict[str, Any] = {**sent, **kept, "lastModifiedDate": _now(sandbox)}
        if kind == "destinations":
            after.setdefault("backfillHistoricalProfileData", True)
        sandbox.authored[kind][str(before["instanceId"])] = after
        return Reply(200, _shown(sandbox, after))

    return handler


def _deleted(kind: str) -> Handler:
    def handler(call: Call) -> Reply:
        del call.sandbox.authored[kind][found(call.sandbox, kind, call.parts["id"])["instanceId"]]
        return Reply(200)

    return handler


def _checked(kind: str, call: Call) -> dict[str, Any]:
    """What was sent, without what the API itself issues. Raises ``Refused``."""
    sent = {key: value for key, value in call.document().items() if key not in _ISSUED}
    if missing := [key for key in _NEEDED[kind] if not sent.get(key)]:
        raise refused(400, f"missing: {', '.join(missing)}")
    if kind == "destination-servers":
        if sent["destinationServerType"] != "URL_BASED":
            raise refused(400, "the emulator plays destinationServerType URL_BASED only")
        return sent
    if sent["status"] not in _STATUSES:
        raise refused(400, f"status is one of {', '.join(_STATUSES)}")
    for one in sent["customerAuthenticationConfigurations"]:
        if one.get("authType") not in _AUTH_TYPES:
            raise refused(400, f"authType is one of {', '.join(_AUTH_TYPES)}")
        if one["authType"] == "OAUTH2" and not (one.get("grant") and one.get("accessTokenUrl")):
            raise refused(400, "OAUTH2 needs grant and accessTokenUrl")
    for delivery in sent["destinationDelivery"]:
        if delivery.get("destinationServerId") not in call.sandbox.authored["destination-servers"]:
            raise refused(400, f"there is no destination server {delivery.get('destinationServerId')}")
    return sent


def _shown(sandbox: Sandbox, one: dict[str, Any]) -> dict[str, Any]:
    shown = copy.deepcopy(one)
    if sandbox.oddities.authoring_secrets == "masked":
        for configured in shown.get("customerAuthenticationConfigurations", ()):
            if "clientSecret" in configured:
                configured["clientSecret"] = MASKED
    return shown


def _now(sandbox: Sandbox) -> str:
    return datetime.fromtimestamp(sandbox.clock(), UTC).isoformat().replace("+00:00", "Z")
